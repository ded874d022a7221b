"""What follows when a vantage goes blind, and when it sees again: fails taken back, checks forgotten, people told.

When it is blind is core/places' rule; references are asked elsewhere. All work is in small transactions, and may be
left off between any two of them.
"""

# The statements are put together from our own names alone.
# ruff: noqa: S608

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from podhealth import clock
from podhealth.core import settle
from podhealth.core.in_hand import CheckInHand
from podhealth.core.places import (
    Share,
    has_references,
    newest_good,
    sees_by_pods,
    sees_by_references,
    why_blind,
    why_blind_by_pods,
)
from podhealth.core.vantage_names import PROVIDER
from podhealth.models import Vantage
from podhealth.models.base import from_us, to_us
from podhealth.store import feed, incidents, podrows, podstate, ticks, vantages
from podhealth.store.db import db_now, read, write
from podhealth.store.feed import FeedNote
from podhealth.store.sql import OPEN_HEALS_TEXT

BLIND = "blind"
_PODS_A_TRANSACTION = 100
_SECONDS_A_TICK = 2.0
# A run of fails that is older than this began before the vantage did.
_RECENT = timedelta(minutes=10)
# Fewer failing pods than this are never most of three nodes with three pods each.
_FEWEST_FAILING = 8

Row = sa.Row[Any]
Forgets = Callable[[CheckInHand], bool]

_SEEN = (
    " FROM cloud_pod_health_status h JOIN pods p ON p.id = h.pod_id JOIN check_states s ON s.pod_id = h.pod_id"
    " JOIN cloud_pod_health_checks c ON c.id = s.check_id WHERE s.vantage = :vantage AND c.enabled"
    " AND c.severity = 'critical' AND p.deleted_at IS NULL AND h.phase = 'monitored'"
)
_FAILING = sa.text(
    "SELECT COUNT(DISTINCT s.pod_id) FROM tenants t JOIN cloud_pod_health_status h ON h.tenant_id = t.id"
    " AND h.status IN ('unhealthy', 'degraded') JOIN check_states s ON s.pod_id = h.pod_id"
    " WHERE s.vantage = :vantage AND s.failures > 0"
)
_SHARES = sa.text(
    "SELECT tenant_id, node_id, COUNT(*), SUM(failing), SUM(probed) FROM (SELECT p.tenant_id, p.node_id, h.pod_id,"
    " MAX(CASE WHEN s.failures > 0 OR (s.last_code = 'blind' AND s.last_begun_at > :since) THEN 1 ELSE 0 END)"
    " AS failing, MAX(CASE WHEN s.last_begun_at > :since THEN 1 ELSE 0 END) AS probed"
    + _SEEN
    + " AND p.node_id IS NOT NULL GROUP BY p.tenant_id, p.node_id, h.pod_id) AS seen GROUP BY tenant_id, node_id"
)
_FIRST_FAIL = sa.text(
    "SELECT MIN(s.bad_since) FROM check_states s WHERE s.vantage = :vantage AND s.failures > 0 AND s.bad_since > :after"
)
_COUNTED = sa.text(
    "SELECT DISTINCT pod_id FROM check_states WHERE vantage = :vantage AND failures > 0 AND last_begun_at > :after"
    " ORDER BY pod_id"
)
_PODS = sa.text("SELECT DISTINCT pod_id FROM check_states WHERE vantage = :vantage AND pod_id > :after ORDER BY pod_id")
_HEALING = sa.text(
    "SELECT DISTINCT s.pod_id FROM check_states s WHERE s.vantage = :vantage AND s.pod_id IN (SELECT pod_id"
    " FROM episodes WHERE closed_at IS NULL UNION SELECT pod_id FROM cloud_pod_auto_heal_events"
    f" WHERE state IN ({OPEN_HEALS_TEXT})) ORDER BY s.pod_id"
)
# A run of fails lies in the newest results of its check; found by the key, however long the history.
_TAKE_BACK = sa.text(
    "UPDATE cloud_pod_health_results SET outcome = 'error', code = 'blind', fail_class = NULL"
    " WHERE check_id = :id AND claim_token > :token AND outcome = 'fail' AND begun_at > :after"
)


def watch(engine: sa.Engine) -> dict[int, int]:
    """Find vantages that have gone blind or see again, and do what follows (tick); return the newest feed numbers."""
    ends = clock.monotonic() + _SECONDS_A_TICK
    with read(engine) as conn:
        rows = {row.name: row for row in conn.execute(sa.select(Vantage.__table__))}
        names = sorted({*rows, *ticks.vantages(conn)} - {PROVIDER})
    published: dict[int, int] = {}
    for name in names:
        row = rows.get(name)
        if row is None or row.blind_since is None:
            published |= _look(engine, name, ends)
        elif row.reset_after is None:
            published |= _look_again(engine, row, ends)
        else:
            published |= _go_on_seeing(engine, row, ends)
    return published


def _look(engine: sa.Engine, name: str, ends: float) -> dict[int, int]:
    with read(engine) as conn:
        now = db_now(conn)
        reason = _why_blind(conn, name, now)
    if reason is None:
        return {}
    published, after = _begin(engine, name)
    return published if after is None else published | _take_back(engine, name, after, ends)


def _why_blind(conn: sa.Connection, name: str, now: datetime) -> str | None:
    references = vantages.references_of(conn, name)
    if has_references(references):
        return why_blind(references, now)
    if conn.execute(_FAILING, {"vantage": name}).scalar_one() < _FEWEST_FAILING:
        return None
    return why_blind_by_pods(_shares(conn, name, now))


def _shares(conn: sa.Connection, name: str, since: datetime) -> list[Share]:
    rows = conn.execute(_SHARES, {"vantage": name, "since": to_us(since)})
    return [Share(int(t), int(n), int(pods), int(failing), int(probed)) for t, n, pods, failing, probed in rows]


def _begin(engine: sa.Engine, name: str) -> tuple[dict[int, int], int | None]:
    """Store that the vantage is blind and tell it; return the feed numbers and after when its fails do not count."""
    with write(engine) as conn:
        row = _lock(conn, name)
        now = db_now(conn)
        # Asked again under the lock: a round of references may just have come back.
        reason = _why_blind(conn, name, now)
        if row.blind_since is not None or reason is None:
            return {}, None
        good = row.good_begun_at if has_references(vantages.references_of(conn, name)) else _before(conn, name, now)
        values = {"blind_since": now, "blind_reason": reason[:200], "good_begun_at": good, "reset_after": None}
        conn.execute(sa.update(Vantage).where(Vantage.name == name).values(**values))
        podstate.judge_by(conn, conn.execute(_HEALING, {"vantage": name}).scalars().all(), now)
        published = feed.append(conn, incidents.vantage_blind(conn, name, now, reason))
        return published, 0 if good is None else to_us(good)


def _lock(conn: sa.Connection, name: str) -> Row:
    vantages.ensure(conn, name)
    return conn.execute(sa.select(Vantage.__table__).where(Vantage.name == name).with_for_update()).one()


def _before(conn: sa.Connection, name: str, now: datetime) -> datetime:
    """Return the moment before the first of the fails that came together."""
    first = conn.execute(_FIRST_FAIL, {"vantage": name, "after": to_us(now - _RECENT)}).scalar_one_or_none()
    # A check's run begins when its first probe ended; that one was begun up to a timeout, 60 s, before.
    return (now if first is None else from_us(first)) - timedelta(seconds=60)


def _look_again(engine: sa.Engine, row: Row, ends: float) -> dict[int, int]:
    with write(engine) as conn:
        references = vantages.references_of(conn, row.name)
        is_asked = has_references(references)
        if is_asked:
            sees = sees_by_references(references, row.blind_since)
        else:
            sees = sees_by_pods(_shares(conn, row.name, row.blind_since))
        if sees:
            is_blind = (Vantage.name == row.name, Vantage.blind_since == row.blind_since)
            conn.execute(sa.update(Vantage).where(*is_blind).values(reset_after=0))
    if sees:
        return _go_on_seeing(engine, row, ends, after=0)
    after = 0 if row.good_begun_at is None else to_us(row.good_begun_at)
    return _take_back(engine, row.name, after, ends)


def _take_back(engine: sa.Engine, name: str, after: int, ends: float) -> dict[int, int]:
    """Forget what was counted after the last good reference: those fails may have been the vantage's own.

    Done again while it is blind, for a record that was under way when it went blind may have counted once more.
    """
    with read(engine) as conn:
        pods = list(conn.execute(_COUNTED, {"vantage": name, "after": after}).scalars())

    def forgets(check: CheckInHand) -> bool:
        return check.vantage == name and check.failures > 0 and (check.last_begun_at or 0) > after

    published: dict[int, int] = {}
    for some in _in_batches(pods, ends):
        with write(engine) as conn:
            notes = _forget(conn, some, forgets, f"vantage {name} is blind", after)
            published |= feed.append(conn, notes)
    return published


def _go_on_seeing(engine: sa.Engine, row: Row, ends: float, after: int | None = None) -> dict[int, int]:
    """Forget what is known from the vantage's checks, pod by pod; it is blind until the last of them is done."""
    name, after = row.name, row.reset_after if after is None else after
    with read(engine) as conn:
        if why_blind(vantages.references_of(conn, name), db_now(conn)) is None:
            pods = list(conn.execute(_PODS, {"vantage": name, "after": after}).scalars())
        else:
            pods = None
    if pods is None:
        with write(engine) as conn:
            conn.execute(sa.update(Vantage).where(Vantage.name == name).values(reset_after=None))
        return {}
    published: dict[int, int] = {}
    done = 0
    for some in _in_batches(pods, ends):
        with write(engine) as conn:
            notes = _forget(conn, some, lambda check: check.vantage == name, f"vantage {name} sees again", None)
            conn.execute(sa.update(Vantage).where(Vantage.name == name).values(reset_after=some[-1]))
            published |= feed.append(conn, notes)
        done += len(some)
    return published | _end(engine, name) if done == len(pods) else published


def _end(engine: sa.Engine, name: str) -> dict[int, int]:
    with write(engine) as conn:
        row = _lock(conn, name)
        now = db_now(conn)
        if row.blind_since is None or row.reset_after is None:
            return {}
        good = newest_good(vantages.references_of(conn, name))
        values = {"blind_since": None, "blind_reason": None, "reset_after": None, "good_begun_at": good}
        conn.execute(sa.update(Vantage).where(Vantage.name == name).values(**values))
        podstate.judge_by(conn, conn.execute(_HEALING, {"vantage": name}).scalars().all(), now)
        return feed.append(conn, incidents.vantage_back(conn, name, now))


def _in_batches(pods: Sequence[int], ends: float) -> Iterable[Sequence[int]]:
    for start in range(0, len(pods), _PODS_A_TRANSACTION):
        if start and clock.monotonic() >= ends:
            return
        yield pods[start : start + _PODS_A_TRANSACTION]


def _forget(
    conn: sa.Connection, pod_ids: Sequence[int], forgets: Forgets, reason: str, after: int | None
) -> list[FeedNote]:
    """Reset those checks of these pods, and settle these; ``after``: fails begun later become errors in the history."""
    ids = podrows.lock(conn, pod_ids)
    now = to_us(db_now(conn))
    pods = podrows.take(conn, ids, now)
    taken_back = []
    for pod in pods:
        for check in [check for check in pod.checks if forgets(check)]:
            # Results between two fails of a run are errors of ours: few.
            taken_back.append({"id": check.check_id, "token": check.claim_token - 2 * check.failures - 10})
            settle.reset(pod, now, reason, check.check_id)
        settle.settle(pod, now, reason)
    if after is not None and taken_back:
        conn.execute(_TAKE_BACK, [one | {"after": after} for one in taken_back])
    return podstate.keep(conn, pods, now).notes
