"""The statements of the hot path, one set for each database, sent to the driver without detours.

What is written is decided in record.py; these functions only know columns.
"""

# The statements are put together from our own names alone.
# ruff: noqa: S608

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import chain
from typing import Any, NamedTuple

import sqlalchemy as sa

from podhealth.models.base import to_us
from podhealth.store.sql import OPEN_HEALS_TEXT, among


class State(NamedTuple):
    """What the hot path must know of a check, its pod and its tenant to see whether a result changes anything."""

    check_id: int
    token: int
    generation: int
    due_us: int | None
    tenant_id: int
    pod_id: int
    status: str
    failures: int
    successes: int
    slow_run: int
    bits: int
    filled: int
    is_flapping: bool
    was_known: bool
    fresh_until: int | None
    soon_until: int | None
    last_code: str | None
    phase: str
    has_episode: bool
    has_heal: bool


_STATE = (
    "s.check_id, s.claim_token, s.generation, s.due_at, s.tenant_id, s.pod_id, s.status, s.failures, s.successes,"
    " s.slow_run, s.recent_bits, s.recent_count, s.is_flapping, s.was_known, s.fresh_until, s.probe_soon_until,"
    # All pods that the healer is at, found once a statement: few, and two look-ups a check less.
    " s.last_code, p.phase, s.pod_id IN (SELECT pod_id FROM episodes WHERE closed_at IS NULL),"
    f" s.pod_id IN (SELECT pod_id FROM cloud_pod_auto_heal_events WHERE state IN ({OPEN_HEALS_TEXT}))"
)
_FROM = " FROM check_states s JOIN cloud_pod_health_status p ON p.pod_id = s.pod_id WHERE s.check_id "
# One step on SQLite: at every step another thread may take the interpreter away for long.
_LITE_STATES = f"SELECT json_group_array(json_array({_STATE})){_FROM}IN (SELECT value FROM json_each(?))"
_PG_STATES = f"SELECT {_STATE}{_FROM}= ANY(%s)"


def read_states(conn: sa.Connection, check_ids: Sequence[int]) -> dict[int, State]:
    """Return the states of these checks, by id, as they are now; locks nothing."""
    if conn.dialect.name == "sqlite":
        rows = json.loads(conn.exec_driver_sql(_LITE_STATES, (json.dumps(check_ids),)).scalar_one())
    else:
        rows = conn.exec_driver_sql(_PG_STATES, (list(check_ids),)).fetchall()
    return {row[0]: State(*row) for row in rows}


# A quiet result: what it writes, in the order of the values; then the guard.
_QUIET = (
    "next_at",
    "slot_at",
    "failures",
    "successes",
    "slow_run",
    "recent_bits",
    "recent_count",
    "fresh_until",
    "last_at",
    "last_begun_at",
    "last_outcome",
    "last_class",
    "last_code",
    "last_error",
    "last_latency_ms",
)
_QUIET_TYPES = ("bigint",) * 10 + ("text",) * 4 + ("float8",)
_GUARD = ("check_id", "claim_token", "generation", "status")
_GUARD_TYPES = ("bigint", "bigint", "bigint", "text")
_LITE_QUIET = (
    "UPDATE check_states SET "
    + ", ".join(f"{n} = ?" for n in _QUIET)
    + ", due_at = NULL, worker_id = NULL WHERE "
    + " AND ".join(f"{n} = ?" for n in _GUARD)
    + " AND due_at IS NOT NULL"
)
_PG_QUIET = (
    "UPDATE check_states s SET "
    + ", ".join(f"{n} = v.{n}" for n in _QUIET)
    + ", due_at = NULL, worker_id = NULL FROM unnest("
    + ", ".join(f"%s::{t}[]" for t in _QUIET_TYPES + _GUARD_TYPES)
    + ") AS v ("
    + ", ".join([*_QUIET, *_GUARD])
    + ") WHERE "
    + " AND ".join(f"s.{n} = v.{n}" for n in _GUARD)
    + " AND s.due_at IS NOT NULL RETURNING s.check_id"
)


def write_quiet(conn: sa.Connection, rows: Sequence[tuple[Any, ...]]) -> set[int]:
    """Store quiet results in the states of their checks; return the checks that were no longer as they were read.

    Rows come in ascending order of their checks, so that two workers never lock them crosswise.
    """
    if not rows:
        return set()
    if conn.dialect.name == "sqlite":
        # The write transaction began before the states were read: nothing can have come between.
        conn.exec_driver_sql(_LITE_QUIET, rows)
        return set()
    done = conn.exec_driver_sql(_PG_QUIET, tuple(map(list, zip(*rows, strict=True)))).scalars()
    return {row[len(_QUIET)] for row in rows} - set(done)


_RESULT = (
    "check_id",
    "claim_token",
    "scheduled_at",
    "tenant_id",
    "pod_id",
    "begun_at",
    "checked_at",
    "outcome",
    "fail_class",
    "code",
    "latency_ms",
    "error",
    "size",
    "body_hash",
    "excerpt",
    "is_late",
    "generation",
    "worker_id",
)
_RESULT_TYPES = (
    ("bigint",) * 7 + ("text",) * 3 + ("float8", "text", "bigint", "text", "text", "boolean", "bigint", "text")
)
_INTO = f"INSERT INTO cloud_pod_health_results ({', '.join(_RESULT)})"
_ROWS_A_STATEMENT = 50
_ROW = "(" + ", ".join("?" * len(_RESULT)) + ")"
_LITE_RESULTS = {
    n: f"{_INTO} VALUES {', '.join([_ROW] * n)} ON CONFLICT DO NOTHING" for n in range(1, _ROWS_A_STATEMENT + 1)
}
_PG_RESULTS = (
    f"{_INTO} SELECT * FROM unnest(" + ", ".join(f"%s::{t}[]" for t in _RESULT_TYPES) + ") ON CONFLICT DO NOTHING"
)


def write_results(conn: sa.Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    """Store results; one that is there already (the commit's answer was lost) is left as it is."""
    if not rows:
        return
    if conn.dialect.name != "sqlite":
        conn.exec_driver_sql(_PG_RESULTS, tuple(map(list, zip(*rows, strict=True))))
        return
    for start in range(0, len(rows), _ROWS_A_STATEMENT):
        some = rows[start : start + _ROWS_A_STATEMENT]
        conn.exec_driver_sql(_LITE_RESULTS[len(some)], tuple(chain.from_iterable(some)))


_CERTIFICATE = sa.text(
    "UPDATE check_states SET certificate_ends_at = :ends WHERE check_id = :check_id"
    " AND (certificate_ends_at IS NULL OR certificate_ends_at <> :ends)"
)


def write_certificates(conn: sa.Connection, seen: Sequence[tuple[datetime, int]]) -> None:
    """Store when the certificates end that probes of these checks have seen; the caller has locked their states."""
    if seen:
        conn.execute(_CERTIFICATE, [{"ends": to_us(ends), "check_id": check_id} for ends, check_id in seen])


_FALLS = among(
    "SELECT check_id, COUNT(*) FROM transitions WHERE check_id IN :ids AND at > :after AND to_status = 'unhealthy'"
    " GROUP BY check_id"
)


def count_falls(conn: sa.Connection, check_ids: Iterable[int], after_us: int) -> dict[int, int]:
    """Return how often each of these checks became unhealthy since then."""
    return {int(c): int(n) for c, n in conn.execute(_FALLS, {"ids": list(check_ids), "after": after_us})}


def most_asked(conn: sa.Connection) -> dict[int, int]:
    """Return of each tenant with a policy that is not off the most failures in a row that one of these asks for."""
    query = (
        "SELECT tenant_id, MAX(trigger_after_failures) FROM cloud_pod_auto_heal_policies"
        " WHERE deleted_at IS NULL AND enabled AND mode <> 'off' GROUP BY tenant_id"
    )
    return {int(tenant_id): int(most) for tenant_id, most in conn.exec_driver_sql(query)}
