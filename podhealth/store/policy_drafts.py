"""Policies as somebody was about to save them, kept for a day so that a replay has an address others can open.

A draft governs nothing. What it would have done is asked anew each time it is opened.
"""

from datetime import timedelta
from typing import NamedTuple

import sqlalchemy as sa

from podhealth.core.ladder import PolicyRules
from podhealth.core.policy import parse_policy, policy_fields
from podhealth.models import PolicyDraft
from podhealth.store.db import db_now
from podhealth.store.tenancy import Scope, own

KEPT = timedelta(hours=24)
MOST = 200  # of a tenant; the oldest make room


class Draft(NamedTuple):
    """One draft: of which policy (null: a new one), what it says, and who asked for its replay."""

    draft_id: int
    policy_id: int | None
    rules: PolicyRules
    by: str


def keep(conn: sa.Connection, scope: Scope, policy_id: int | None, rules: PolicyRules) -> int:
    """Keep the rules as a draft for 24 hours and return its id. The same rules of the same policy are kept once."""
    now, body = db_now(conn), policy_fields(rules)
    mine = conn.execute(
        sa.select(PolicyDraft.id, PolicyDraft.policy_id, PolicyDraft.body)
        .where(own(scope, PolicyDraft))
        .order_by(PolicyDraft.id.desc())
    ).all()
    values = {"created_by": scope.actor_name, "created_at": now, "expires_at": now + KEPT}
    known = next((row.id for row in mine if row.policy_id == policy_id and row.body == body), None)
    if known is not None:
        conn.execute(sa.update(PolicyDraft).where(PolicyDraft.id == known).values(**values))
        return int(known)
    if over := [row.id for row in mine[MOST - 1 :]]:
        conn.execute(sa.delete(PolicyDraft).where(PolicyDraft.id.in_(over)))
    values |= {"tenant_id": scope.tenant_id, "policy_id": policy_id, "body": body}
    return int(conn.execute(sa.insert(PolicyDraft).values(**values).returning(PolicyDraft.id)).scalar_one())


def find(conn: sa.Connection, scope: Scope, draft_id: int, policy_id: int | None) -> Draft | None:
    """Return a draft of that policy; null for another tenant's or policy's, and after its 24 hours."""
    query = sa.select(PolicyDraft.__table__).where(own(scope, PolicyDraft), PolicyDraft.id == draft_id)
    row = conn.execute(query.where(PolicyDraft.expires_at > db_now(conn))).one_or_none()
    if row is None or row.policy_id != policy_id:
        return None
    return Draft(row.id, row.policy_id, parse_policy(row.body), row.created_by)
