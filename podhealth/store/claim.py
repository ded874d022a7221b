"""Who probes what: due checks are claimed by conditional update, with a lease, a token and the worker's name.

A lease is nothing but a due time in the future: when it runs out, the check is due again for anybody. What a check
is, and what becomes of its result, is unknown here.
"""

# The statements are put together from our own names alone.
# ruff: noqa: S608

import json
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from podhealth.store.db import db_now_us, read, write

LEASE_S = 15
DEAD_AFTER_S = 10
SECOND_US = 1_000_000

# In fair mode a tenant has so many turns before the next one has its own.
FAIR_SHARE = 16


class Claim(NamedTuple):
    """One check that is now ours until its lease ends; ``token`` proves it. Times in microseconds."""

    check_id: int
    token: int
    generation: int
    due_us: int
    claimed_us: int
    tenant_id: int
    is_recheck: bool


# A claim whose lease ran out was due before the lease was: the first moment counts for lag and history.
_TAKE = "due_at = COALESCE(due_at, next_at), next_at = {lease}, claim_token = claim_token + 1, worker_id = {worker}"
_FACTS = "check_id, claim_token, generation, due_at, tenant_id, slot_at"
_DUE = "SELECT check_id FROM check_states WHERE vantage = {vantage} AND next_at <= {now} {more}"
_FIFO = "ORDER BY next_at LIMIT {limit}"
_REGULAR = "AND (slot_at IS NULL OR next_at >= slot_at) "

# SQLite: each statement runs in one step, for at every step another thread may take the interpreter away for long.
_LITE_IDS = "SELECT json_group_array(check_id) FROM ({due})"
_LITE_MARKS = {"vantage": "?", "now": "?", "limit": "?", "lease": "?", "worker": "?"}
_LITE_TAKE = f"UPDATE check_states SET {_TAKE.format(**_LITE_MARKS)} WHERE check_id IN (SELECT value FROM json_each(?))"
_LITE_READ = (
    f"SELECT json_group_array(json_array({_FACTS})) FROM check_states"
    " WHERE check_id IN (SELECT value FROM json_each(?))"
)
_PG_MARKS = {"vantage": "%(vantage)s", "now": "%(now)s", "limit": "%(limit)s", "lease": "%(lease)s"}
_PG_MARKS |= {"worker": "%(worker)s"}
_PG_CLAIM = (
    f"UPDATE check_states SET {_TAKE.format(**_PG_MARKS)}"
    " WHERE check_id = ANY(ARRAY({due} FOR UPDATE SKIP LOCKED))"
    f" RETURNING {_FACTS}"
)


def claim_due(conn: sa.Connection, vantage: str, worker_id: str, limit: int, *, rechecks: bool = True) -> list[Claim]:
    """Claim at most ``limit`` checks of the vantage that are due, the longest due first.

    Without ``rechecks`` only those at their regular slots: a worker that spends a quarter of its room on rechecks
    leaves the rest of them to wait (behaviour §3, Recheck).
    """
    if limit <= 0:
        return []
    more = ("" if rechecks else _REGULAR) + _FIFO
    return _claim(conn, vantage, worker_id, more, {"limit": limit})


def claim_chosen(conn: sa.Connection, vantage: str, worker_id: str, check_ids: Sequence[int]) -> list[Claim]:
    """Claim those of the given checks that are still due (fair mode; see ``fair_order``)."""
    return _claim(conn, vantage, worker_id, "", {"chosen": list(check_ids)}) if check_ids else []


def _claim(conn: sa.Connection, vantage: str, worker_id: str, more: str, extra: dict[str, object]) -> list[Claim]:
    now = db_now_us(conn)
    lease = now + LEASE_S * SECOND_US
    if conn.dialect.name == "sqlite":
        rows: Iterable[Sequence[Any]] = _claim_lite(conn, (vantage, now, lease, worker_id), more, extra)
    else:
        due = _DUE.format(**_PG_MARKS, more=more.format(**_PG_MARKS) if more else "AND check_id = ANY(%(chosen)s)")
        values = {"vantage": vantage, "now": now, "lease": lease, "worker": worker_id} | extra
        rows = conn.exec_driver_sql(_PG_CLAIM.format(due=due), values).fetchall()
    return [
        Claim(c, token, gen, due, now, ten, slot is not None and due < slot) for c, token, gen, due, ten, slot in rows
    ]


def _claim_lite(
    conn: sa.Connection, facts: tuple[str, int, int, str], more: str, extra: dict[str, object]
) -> list[list[int]]:
    vantage, now, lease, worker_id = facts
    if more:
        due, last = _DUE.format(**_LITE_MARKS, more=more.format(**_LITE_MARKS)), extra["limit"]
    else:
        due = _DUE.format(**_LITE_MARKS, more="AND check_id IN (SELECT value FROM json_each(?))")
        last = json.dumps(extra["chosen"])
    ids = conn.exec_driver_sql(_LITE_IDS.format(due=due), (vantage, now, last)).scalar_one()
    if ids == "[]":
        return []
    conn.exec_driver_sql(_LITE_TAKE, (lease, worker_id, ids))
    rows: list[list[int]] = json.loads(conn.exec_driver_sql(_LITE_READ, (ids,)).scalar_one())
    return rows


def due_in_s(conn: sa.Connection, vantage: str) -> float | None:
    """Return in how many seconds the vantage's next check is due, claimed ones at the end of their leases."""
    query = sa.text("SELECT MIN(next_at) FROM check_states WHERE vantage = :vantage")
    due = conn.execute(query, {"vantage": vantage}).scalar()
    return None if due is None else (int(due) - db_now_us(conn)) / SECOND_US


def fair_order(conn: sa.Connection, vantage: str, limit: int, after_tenant: int = 0) -> list[int]:
    """Return due checks in the order in which tenants take turns, each with its longest due ones first.

    The turn is first the tenant's that follows ``after_tenant``: whoever asks anew before all had theirs must not
    begin with the same ones again.

    Numbers all due checks, which takes about a microsecond each: once a second at most, and only while late.
    """
    query = sa.text(
        "SELECT check_id FROM (SELECT check_id, next_at, tenant_id,"
        " ROW_NUMBER() OVER (PARTITION BY tenant_id ORDER BY next_at) - 1 AS turn"
        " FROM check_states WHERE vantage = :vantage AND next_at <= :now) AS due"
        " ORDER BY turn / :share, CASE WHEN tenant_id > :after THEN 0 ELSE 1 END, tenant_id, next_at LIMIT :limit"
    )
    values = {"vantage": vantage, "now": db_now_us(conn), "share": FAIR_SHARE, "limit": limit, "after": after_tenant}
    return [int(check_id) for (check_id,) in conn.execute(query, values)]


_EXTEND = "UPDATE check_states SET next_at = :lease WHERE {which} AND worker_id = :worker AND due_at IS NOT NULL"


def extend_leases(conn: sa.Connection, worker_id: str, check_ids: Sequence[int]) -> int:
    """Extend the leases of the worker's claims that are still in flight; return how many it still holds."""
    if not check_ids:
        return 0
    lease = db_now_us(conn) + LEASE_S * SECOND_US
    if conn.dialect.name == "sqlite":
        which, ids = "check_id IN (SELECT value FROM json_each(:ids))", json.dumps(list(check_ids))
        values: dict[str, object] = {"ids": ids}
    else:
        # Rows that a record holds at this moment are done anyway.
        which = (
            "check_id IN (SELECT check_id FROM check_states WHERE check_id = ANY(:ids)"
            " ORDER BY check_id FOR UPDATE SKIP LOCKED)"
        )
        values = {"ids": list(check_ids)}
    done = conn.execute(sa.text(_EXTEND.format(which=which)), values | {"lease": lease, "worker": worker_id})
    return done.rowcount


# Freed checks are due at their old moment: they were, and nobody has looked.
_FREE = (
    "UPDATE check_states SET next_at = due_at, due_at = NULL, worker_id = NULL WHERE check_id IN"
    " (SELECT check_id FROM check_states WHERE worker_id = :worker AND due_at IS NOT NULL {more})"
)


def free_claims(conn: sa.Connection, worker_id: str) -> int:
    """Give back all claims of the worker (it stops, or is dead); they are due at once. Returns how many."""
    more = "" if conn.dialect.name == "sqlite" else "ORDER BY check_id FOR UPDATE SKIP LOCKED"
    return conn.execute(sa.text(_FREE.format(more=more)), {"worker": worker_id}).rowcount


def free_dead_workers(engine: sa.Engine) -> None:
    """Free the claims of workers whose beat is over 10 s old, and forget those workers (tick)."""
    late = DEAD_AFTER_S * SECOND_US
    with read(engine) as conn:
        query = sa.text("SELECT id FROM workers WHERE beat_at < :late")
        dead = list(conn.execute(query, {"late": db_now_us(conn) - late}).scalars())
    for worker_id in dead:
        with write(engine) as conn:
            # Asked again under the lock: it may have come back to life, and then its leases are its own.
            gone = conn.execute(
                sa.text("DELETE FROM workers WHERE id = :id AND beat_at < :late"),
                {"id": worker_id, "late": db_now_us(conn) - late},
            )
            if gone.rowcount:
                free_claims(conn, worker_id)
