"""Builders of pods with a past: stored changes of status and phase, as the product would have left them; its page."""

from datetime import datetime, timedelta

import sqlalchemy as sa

from podhealth.core.words import ProviderKind
from podhealth.models import PhaseChange, Pod, PodStatus, Transition
from podhealth.store.db import read
from podhealth.store.podpage import PodPage, Wanted, pod_page
from tests.support.build import a_check, a_pod

HOUR, MINUTE, DAY = timedelta(hours=1), timedelta(minutes=1), timedelta(days=1)


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


def a_healthy_pod(conn: sa.Connection, tenant_id: int, now: datetime, **columns: object) -> tuple[int, int]:
    """A pod with one healthy check, both made 40 days ago; returns their ids."""
    old = now - 40 * DAY
    pod_id = a_pod(conn, tenant_id, **({"now": old, "status": "healthy", "since": old} | columns))
    return pod_id, a_check(conn, pod_id, now=old, status="healthy", fresh_until=now + HOUR, successes=9)


def a_sick_pod(conn: sa.Connection, tenant_id: int, now: datetime, **columns: object) -> tuple[int, int]:
    """A pod on a process host, unhealthy for ten minutes because of its check http; returns their ids."""
    old = now - 40 * DAY
    given = {"now": old, "status": "unhealthy", "since": now - 10 * MINUTE, "provider": ProviderKind.PROCESS}
    pod_id = a_pod(conn, tenant_id, **(given | {"provider_config": {"run_dir": "/nowhere/pods/web"}} | columns))
    failing = {
        "status": "unhealthy",
        "failures": 9,
        "last_outcome": "fail",
        "last_class": "down",
        "last_error": "HTTP 502",
    }
    check_id = a_check(
        conn, pod_id, now=old, since=now - 10 * MINUTE, bad_since=now - 12 * MINUTE, fresh_until=now + HOUR, **failing
    )
    conn.execute(sa.update(PodStatus).where(PodStatus.pod_id == pod_id).values(cause_check_id=check_id))
    turned(conn, pod_id, now - 10 * MINUTE, "healthy", "unhealthy", failing_for=2 * MINUTE, reason="http: HTTP 502")
    turned(conn, pod_id, now - 10 * MINUTE, "healthy", "unhealthy", check_id=check_id, failing_for=2 * MINUTE)
    return pod_id, check_id


def page_of(engine: sa.Engine, tenant_id: int, pod_id: int, now: datetime, **wanted: object) -> PodPage:
    with read(engine) as conn:
        page = pod_page(conn, tenant_id, pod_id, now, Wanted(**wanted))  # type: ignore[arg-type]
    assert page is not None
    return page


def _tenant_of(conn: sa.Connection, pod_id: int) -> int:
    return int(conn.execute(sa.select(Pod.tenant_id).where(Pod.id == pod_id)).scalar_one())
