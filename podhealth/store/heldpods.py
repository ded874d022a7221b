"""Since when a pod has been held by the very same gate, and telling people of a hold that lasts.

What a hold is, and when it is worth telling, is core/holding's rule.
"""

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from podhealth.core.decide import Decision
from podhealth.core.holding import Hold, Telling, hold_after, lock_of, telling
from podhealth.core.words import NoticeKind, Severity
from podhealth.models import PodStatus
from podhealth.models.base import to_us
from podhealth.store import decisions, notices

Row = sa.Row[Any]


def follow(conn: sa.Connection, pod: Row, judged: Decision, now: datetime, *, is_told: bool = True) -> datetime | None:
    """Store which gate holds the pod after a judgement, and tell people where it is time.

    Not ``is_told``: nothing would be done without the hold either (shadow).

    Returns when to judge again so that telling is not missed; null: nothing is to be told. ``pod`` is its status row
    as it was gathered, with its name; ``judged`` has been kept already. Under the pod's lock.
    """
    before = None if pod.hold_gate is None else Hold(pod.hold_gate, pod.hold_since, pod.hold_told_at)
    hold = hold_after(before, judged, now)
    due = telling(hold, judged, _locked_since(conn, pod, judged), now) if is_told else Telling(None)
    told_at = None if hold is None else hold.told_at
    if due.kind is not None and due.since is not None:
        _tell(conn, pod, due.kind, due.since, judged, now)
        told_at = now
    after = (None, None, None) if hold is None else (hold.gate, hold.since, told_at)
    if after != (pod.hold_gate, pod.hold_since, pod.hold_told_at):
        values = dict(zip(("hold_gate", "hold_since", "hold_told_at"), after, strict=True))
        conn.execute(sa.update(PodStatus).where(PodStatus.pod_id == pod.pod_id).values(**values))
    return due.look_at


def _locked_since(conn: sa.Connection, pod: Row, judged: Decision) -> datetime | None:
    if lock_of(judged) is None:
        return None
    # The newest decision has stood since the lock was found: another lock, or none, would have been another one.
    newest = decisions.newest(conn, pod.pod_id)
    return newest.at if newest is not None and newest.gate == judged.gate else None


def _tell(conn: sa.Connection, pod: Row, kind: NoticeKind, since: datetime, judged: Decision, now: datetime) -> None:
    key = f"{kind.value}:{pod.pod_id}:{to_us(since)}"
    facts = {"gate": judged.gate, "since": since.isoformat(), "lock": lock_of(judged)}
    text = f"{pod.name} is not healed: {judged.reason}"
    notices.tell(
        conn, pod.tenant_id, kind, key, text, severity=Severity.WARNING, pod_id=pod.pod_id, facts=facts, now=now
    )
