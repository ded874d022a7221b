"""Whatever changes what a pod's status depends on goes through here: locks, resets, phases, and settling.

Callers open the transaction, lock first, then read the clock, and append the returned notes to the feed last.
Policies, providers and screens are unknown here.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa

from podhealth.core.words import DesiredState
from podhealth.store.feed import FeedNote


class Settled(NamedTuple):
    """What a change came to: ``notes`` for ``feed.append`` (the caller's last statement), the pods whose status or
    phase changed, and the pods that the healer must look at (their ``judge_at`` is set already).
    """

    notes: list[FeedNote]
    changed: list[int]
    judged: list[int]


def lock_pods(conn: sa.Connection, pod_ids: Iterable[int]) -> list[int]:
    """Lock the status rows of these pods in ascending order and return the ids that exist (architecture, Lock order).

    On SQLite the write transaction already excludes everybody else.
    """
    raise NotImplementedError


def settle_pods(conn: sa.Connection, pod_ids: Iterable[int], now: datetime, *, reason: str | None = None) -> Settled:
    """Aggregate these pods anew and store what changed: stale checks, status, phase, transitions, judge_at.

    Locks the pods itself. ``reason`` stands in the transitions where the checks themselves give none.
    """
    raise NotImplementedError


def reset_checks(conn: sa.Connection, pod_id: int, now: datetime, reason: str, check_id: int | None = None) -> Settled:
    """Forget what is known of the pod's checks (or of one) and make all enabled ones due at once (behaviour §4, Reset).

    Probes in flight become late: what they bring is stored and changes nothing.
    """
    raise NotImplementedError


def begin_starting(
    conn: sa.Connection, pod_id: int, now: datetime, deadline_s: float | None, reason: str, *, own_heal: bool
) -> Settled:
    """Begin the pod's ``starting`` phase: reset its checks, give it until the deadline (behaviour §5).

    ``deadline_s`` null: the pod's own, else 120 s. A third start within 15 min that is not ``own_heal`` gives no
    grace: it counts as a fail, reason ``restart loop``.
    """
    raise NotImplementedError


def end_starting(conn: sa.Connection, pod_id: int, now: datetime) -> Settled:
    """End the pod's ``starting`` phase now, whatever its checks say; nothing happens to a pod that is not starting."""
    raise NotImplementedError


def set_desired(conn: sa.Connection, pod_id: int, now: datetime, desired: DesiredState, reason: str | None) -> Settled:
    """Store what the owner wants of the pod. ``stopped`` ends its probing; ``running`` again counts as a start."""
    raise NotImplementedError


def begin_maintenance(conn: sa.Connection, pod_id: int, now: datetime, until: datetime, reason: str) -> Settled:
    """Put the pod into maintenance until then (a snooze or window that begins or is prolonged)."""
    raise NotImplementedError


def end_maintenance(conn: sa.Connection, pod_id: int, now: datetime) -> Settled:
    """End the pod's maintenance: its checks are reset and it is starting (behaviour §4, Reset)."""
    raise NotImplementedError


def set_unreachable(conn: sa.Connection, pod_id: int, now: datetime, reason: str | None) -> Settled:
    """Mark the pod unreachable because its node is down; ``reason`` null ends it, and the pod is starting."""
    raise NotImplementedError


def judge_by(conn: sa.Connection, pod_ids: Iterable[int], at: datetime) -> None:
    """See to it that the healer looks at these pods at ``at`` at the latest. Locks nothing; the caller holds the pods."""
    raise NotImplementedError


def verify_until(conn: sa.Connection, pod_id: int, now: datetime, until: datetime | None) -> None:
    """Have the pod's checks probed at the pace of verifying until then (null: back to the regular pace)."""
    raise NotImplementedError


def settle_due(engine: sa.Engine) -> dict[int, int]:
    """End the phases whose time is over (tick). Returns each tenant's newest feed number, to publish."""
    raise NotImplementedError
