"""Builders of a pod's past: stored changes of status and phase, as the product would have left them."""

from datetime import datetime, timedelta

import sqlalchemy as sa

from podhealth.models import PhaseChange, Pod, Transition


def turned(
    conn: sa.Connection,
    pod_id: int,
    at: datetime,
    was: str,
    becomes: str,
    *,
    check_id: int | None = None,
    failing_for: timedelta | None = None,
    reason: str | None = None,
) -> None:
    """A stored transition of the pod, or of one of its checks; ``failing_for``: how long before the run began."""
    values = {"tenant_id": _tenant_of(conn, pod_id), "pod_id": pod_id, "check_id": check_id, "reason": reason}
    values |= {"from_status": was, "to_status": becomes, "at": at}
    conn.execute(sa.insert(Transition).values(**values, bad_since=None if failing_for is None else at - failing_for))


def an_outage(
    conn: sa.Connection, pod_id: int, begin: datetime, length: timedelta, check_id: int | None = None
) -> None:
    """A time of being unhealthy, healthy before and after."""
    turned(conn, pod_id, begin, "healthy", "unhealthy", check_id=check_id, reason="HTTP 502, wanted 200-399")
    turned(conn, pod_id, begin + length, "unhealthy", "healthy", check_id=check_id)


def phase_turned(
    conn: sa.Connection, pod_id: int, at: datetime, was: str, becomes: str, reason: str | None = None
) -> None:
    """A stored change of phase."""
    values = {"tenant_id": _tenant_of(conn, pod_id), "pod_id": pod_id, "from_phase": was, "to_phase": becomes}
    conn.execute(sa.insert(PhaseChange).values(**values, at=at, reason=reason))


def _tenant_of(conn: sa.Connection, pod_id: int) -> int:
    return int(conn.execute(sa.select(Pod.tenant_id).where(Pod.id == pod_id)).scalar_one())
