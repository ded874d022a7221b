"""Whatever changes what a pod's status depends on goes through here: locks, resets, phases, and settling.

Callers open the transaction, lock first, then read the clock, and append the returned notes to the feed last.
Policies, providers and screens are unknown here.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa

from podhealth.core import set_phase, settle
from podhealth.core.in_hand import PodInHand
from podhealth.core.words import DesiredState, FeedKind, Status
from podhealth.models.base import to_us
from podhealth.store import feed, podrows, telling
from podhealth.store.db import db_now_us, write
from podhealth.store.feed import FeedNote

_DUE_AT_ONCE = 500


class Maintenance(NamedTuple):
    """Until when a pod is in maintenance, and why."""

    until: datetime | None
    reason: str | None


class Settled(NamedTuple):
    """What a change came to.

    ``notes``: for ``feed.append``, the caller's last statement. ``changed``: pods of which a screen shows something
    else now. ``judged``: pods the healer must look at; their ``judge_at`` is set already.
    """

    notes: list[FeedNote]
    changed: list[int]
    judged: list[int]


def lock_pods(conn: sa.Connection, pod_ids: Iterable[int]) -> list[int]:
    """Lock the status rows of these pods in ascending order and return the ids that exist (architecture, Lock order).

    On SQLite the write transaction already excludes everybody else.
    """
    return podrows.lock(conn, pod_ids)


def keep(conn: sa.Connection, pods: Iterable[PodInHand], now_us: int) -> Settled:
    """Store pods in hand and say what the change came to."""
    pods = list(pods)
    judged = [p.pod_id for p in pods if p.is_judged]
    for pod in pods:
        if pod.is_judged and (pod.judge_at is None or pod.judge_at > now_us):
            pod.judge_at = now_us
            pod.is_changed = True
    news = telling.judge(conn, pods, now_us)
    podrows.put_back(conn, pods, now_us)
    told = telling.store(conn, news, now_us)
    changed = [p for p in pods if p.is_shown_change]
    return Settled([*(_note(p) for p in changed), *told], [p.pod_id for p in changed], judged)


def _note(pod: PodInHand) -> FeedNote:
    own = [t for t in pod.transitions if t["check_id"] is None]
    ill = (Status.UNHEALTHY.value,)
    toast = None
    if own and pod.status in ill and own[0]["from_status"] not in ill:
        toast = {"text": f"{pod.name} is unhealthy: {pod.reason or 'no answer'}", "tone": "unhealthy", "turned": True}
    elif own and pod.status == Status.HEALTHY and any(t["from_status"] in ill for t in own):
        toast = {"text": f"{pod.name} is healthy again", "tone": "healthy", "turned": True}
    return FeedNote(pod.tenant_id, FeedKind.POD, pod.pod_id, None, toast)


def _change(
    conn: sa.Connection, pod_ids: Iterable[int], now: datetime, do: Callable[[PodInHand, int], None]
) -> Settled:
    ids = podrows.lock(conn, pod_ids)
    now_us = to_us(now)
    pods = podrows.take(conn, ids, now_us)
    for pod in pods:
        do(pod, now_us)
    return keep(conn, pods, now_us)


def settle_pods(conn: sa.Connection, pod_ids: Iterable[int], now: datetime, *, reason: str | None = None) -> Settled:
    """Aggregate these pods anew and store what changed: stale checks, status, phase, transitions, judge_at.

    Locks the pods itself. ``reason`` stands in the transitions where the checks themselves give none.
    """
    return _change(conn, pod_ids, now, lambda pod, at: settle.settle(pod, at, reason))


def reset_checks(conn: sa.Connection, pod_id: int, now: datetime, reason: str, check_id: int | None = None) -> Settled:
    """Forget what is known of the pod's checks (or of one); all enabled ones are due at once (behaviour §4, Reset).

    Takes over generation and vantage of the check's row, which the caller has changed before. Probes in flight of
    the forgotten checks become late: what they bring is stored and changes nothing.
    """

    def do(pod: PodInHand, at: int) -> None:
        settle.reset(pod, at, reason, check_id)
        settle.settle(pod, at, reason)

    return _change(conn, [pod_id], now, do)


def begin_starting(
    conn: sa.Connection, pod_id: int, now: datetime, deadline_s: float | None, reason: str, *, own_heal: bool
) -> Settled:
    """Begin the pod's ``starting`` phase: reset its checks, give it until the deadline (behaviour §5).

    ``deadline_s`` null: the pod's own, else 120 s. A third start within 15 min that is not ``own_heal`` gives no
    grace: it counts as a fail, reason ``restart loop``.
    """
    return _change(conn, [pod_id], now, lambda pod, at: settle.start(pod, at, deadline_s, reason, own_heal=own_heal))


def begin_first_start(conn: sa.Connection, pod_ids: Iterable[int], now: datetime) -> Settled:
    """Begin the first ``starting`` of pods that were just made, each with its own deadline."""
    return _change(conn, pod_ids, now, lambda pod, at: settle.start(pod, at, None, "created", own_heal=False))


def end_starting(conn: sa.Connection, pod_id: int, now: datetime) -> Settled:
    """End the pod's ``starting`` phase now, whatever its checks say; nothing happens to a pod that is not starting."""

    def do(pod: PodInHand, at: int) -> None:
        settle.end_starting(pod)
        settle.settle(pod, at)

    return _change(conn, [pod_id], now, do)


def set_desired(conn: sa.Connection, pod_id: int, now: datetime, desired: DesiredState, reason: str | None) -> Settled:
    """Store what the owner wants of the pod. ``stopped`` ends its probing; ``running`` again counts as a start."""

    def do(pod: PodInHand, at: int) -> None:
        turn = set_phase.stop if desired == DesiredState.STOPPED else set_phase.want_running
        turn(pod, at, reason)

    settled = _change(conn, [pod_id], now, do)
    conn.execute(
        sa.text("UPDATE pods SET desired_state = :state, desired_reason = :reason, updated_at = :at WHERE id = :id"),
        {"state": desired.value, "reason": reason, "at": to_us(now), "id": pod_id},
    )
    return settled


def begin_maintenance(conn: sa.Connection, pod_id: int, now: datetime, until: datetime, reason: str) -> Settled:
    """Put the pod into maintenance until then (a snooze or window that begins or is prolonged)."""

    until_us = to_us(until)
    return _change(conn, [pod_id], now, lambda pod, at: set_phase.begin_maintenance(pod, at, until_us, reason))


def end_maintenance(conn: sa.Connection, pod_id: int, now: datetime) -> Settled:
    """End the pod's maintenance: its checks are reset and it is starting (behaviour §4, Reset)."""

    return _change(conn, [pod_id], now, set_phase.end_maintenance)


def set_maintenance(conn: sa.Connection, wanted: Mapping[int, Maintenance | None], now: datetime) -> Settled:
    """Put each of these pods into maintenance, prolong it, or (null) end it."""

    def do(pod: PodInHand, at: int) -> None:
        to = wanted[pod.pod_id]
        if to is None or to.until is None:
            set_phase.end_maintenance(pod, at)
        else:
            set_phase.begin_maintenance(pod, at, to_us(to.until), to.reason or "maintenance")

    return _change(conn, wanted, now, do)


def set_unreachable(conn: sa.Connection, wanted: Mapping[int, str | None], now: datetime) -> Settled:
    """Mark pods unreachable, each with the reason, because their nodes are; reason null ends it: they are starting."""
    return _change(conn, wanted, now, lambda pod, at: set_phase.set_unreachable(pod, at, wanted[pod.pod_id]))


def judge_by(conn: sa.Connection, pod_ids: Iterable[int], at: datetime) -> None:
    """See to it that the healer looks at these pods at ``at`` at the latest; the caller holds their locks."""
    rows = [{"at": to_us(at), "id": pod_id} for pod_id in sorted(set(pod_ids))]
    if rows:
        conn.execute(
            sa.text(
                "UPDATE cloud_pod_health_status SET judge_at = :at"
                " WHERE pod_id = :id AND (judge_at IS NULL OR judge_at > :at)"
            ),
            rows,
        )


def verify_until(conn: sa.Connection, pod_id: int, now: datetime, until: datetime | None) -> None:
    """Have the pod's checks probed at the pace of verifying until then (null: back to the regular pace)."""
    ids = podrows.lock(conn, [pod_id])
    pods = podrows.take(conn, ids, to_us(now))
    for pod in pods:
        for check in pod.checks:
            check.probe_soon_until = None if until is None else to_us(until)
            check.is_changed = True
        if until is not None:
            settle.make_due(pod, to_us(now))
    podrows.put_back(conn, pods, to_us(now))


def settle_due(engine: sa.Engine) -> dict[int, int]:
    """End the phases whose time is over (tick). Returns each tenant's newest feed number, to publish."""
    query = sa.text(
        "SELECT pod_id FROM cloud_pod_health_status WHERE phase_until IS NOT NULL AND phase_until <= :now"
        " ORDER BY phase_until LIMIT :most"
    )
    with write(engine) as conn:
        due = [pod_id for (pod_id,) in conn.execute(query, {"now": db_now_us(conn), "most": _DUE_AT_ONCE})]
        if not due:
            return {}
        ids = podrows.lock(conn, due)
        now_us = db_now_us(conn)
        pods = podrows.take(conn, ids, now_us)
        for pod in pods:
            settle.settle(pod, now_us, "the start deadline is over" if pod.phase == "starting" else None)
        return feed.append(conn, keep(conn, pods, now_us).notes)
