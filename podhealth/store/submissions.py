"""Answers to forms and requests that carry an id of their own, so that sending one twice equals once.

Knows no route: what an answer means is the caller's business.
"""

import re
from typing import Any

import sqlalchemy as sa

from podhealth.core.errors import InputError
from podhealth.models import Submission
from podhealth.store.db import db_now
from podhealth.store.sql import insert
from podhealth.store.tenancy import Scope, own

_OP = re.compile(r"[A-Za-z0-9_-]{8,64}")


def claim(conn: sa.Connection, scope: Scope, op: str, route: str) -> dict[str, Any] | None:
    """Take ``op`` for this transaction: null where it is new, else the answer that was kept for it.

    A second sender waits until the first has committed. Raises InputError(op) for an id that no form of ours carries,
    or one that was used on another route.
    """
    if not _OP.fullmatch(op):
        raise InputError("op", "must be 8 to 64 letters, digits, - or _")
    row = {"tenant_id": scope.tenant_id, "op": op, "route": route, "answer": {}, "at": db_now(conn)}
    # Not rowcount: psycopg answers -1 to this statement, whether a row was inserted or not.
    new = insert(conn, Submission).values(**row).on_conflict_do_nothing().returning(Submission.op)
    if conn.execute(new).first() is not None:
        return None
    kept = conn.execute(
        sa.select(Submission.route, Submission.answer).where(own(scope, Submission), Submission.op == op)
    ).one()
    if kept.route != route:
        raise InputError("op", "was used for something else; load the page again")
    return dict(kept.answer)


def keep(conn: sa.Connection, scope: Scope, op: str, answer: dict[str, Any]) -> None:
    """Keep the answer of a claimed ``op``, in the transaction that made it."""
    conn.execute(sa.update(Submission).where(own(scope, Submission), Submission.op == op).values(answer=answer))
