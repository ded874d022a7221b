"""I16, I17: what is old is shown as unknown whoever reads; and where all workers run, nothing waits beyond its time."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from podhealth.core.words import Phase, Severity, Status
from podhealth.models import Check, CheckState, Heal, Pod, PodStatus
from podhealth.store import overview
from podhealth.store.db import db_now
from podhealth.store.effective import effective
from tests.support.invariants.ledgers import Ledgers

_GRACE = timedelta(seconds=30)


def old_evidence_is_unknown(conn: sa.Connection, _ledgers: Ledgers) -> Iterator[str]:
    """I17: cards and counts say what the evidence that is fresh now says, whether or not the reaper was there.

    All pages, the API and the sockets read through the one expression that is asked here.
    """
    now = db_now(conn)
    query = sa.select(PodStatus.pod_id, PodStatus.tenant_id).join(Pod, Pod.id == PodStatus.pod_id)
    by_tenant: dict[int, dict[int, Status]] = defaultdict(dict)
    for pod in conn.execute(query.where(Pod.deleted_at.is_(None))).all():
        by_tenant[pod.tenant_id][pod.pod_id] = _status_of(conn, pod.pod_id, now)
    for tenant_id, wanted in by_tenant.items():
        truth = effective(tenant_id, now)
        shown_of = sa.select(PodStatus.pod_id, truth.status.label("status"))
        shown_of = shown_of.outerjoin(truth.again, truth.again.c.pod_id == PodStatus.pod_id)
        for pod in conn.execute(shown_of.where(PodStatus.pod_id.in_(list(wanted)))):
            if pod.status != wanted[pod.pod_id]:
                yield f"I17: pod {pod.pod_id} is shown {pod.status}; its fresh evidence says {wanted[pod.pod_id]}"
        shown, counted = overview.counts(conn, tenant_id, now), Counter(wanted.values())
        for status in Status:
            if getattr(shown, status.value) != counted[status]:
                told = f"{getattr(shown, status.value)} are counted {status}; by fresh evidence {counted[status]} are"
                yield f"I17: of the pods of tenant {tenant_id} {told}"


def _status_of(conn: sa.Connection, pod_id: int, now: Any) -> Status:
    """Behaviour §5, told once more and by itself."""
    s, c = CheckState, Check
    columns = (s.status, s.fresh_until, s.is_flapping, c.severity)
    query = sa.select(*columns).join(c, c.id == s.check_id).where(s.pod_id == pod_id, c.enabled)
    seen = [
        (row.status if row.fresh_until is not None and row.fresh_until > now else Status.UNKNOWN, row)
        for row in conn.execute(query)
    ]
    critical = [status for status, row in seen if row.severity == Severity.CRITICAL]
    statuses = [status for status, _ in seen]
    if Status.UNHEALTHY in critical:
        return Status.UNHEALTHY
    if {Status.UNHEALTHY, Status.DEGRADED} & set(statuses) or any(row.is_flapping for _, row in seen):
        return Status.DEGRADED
    if Status.UNKNOWN in critical or Status.HEALTHY not in statuses:
        return Status.UNKNOWN
    return Status.HEALTHY


def nothing_waits(conn: sa.Connection, _ledgers: Ledgers) -> Iterator[str]:
    """I16: every check is probed, every pod judged, every heal stepped and no claim kept beyond its time."""
    now = db_now(conn)
    s, c, p = CheckState, Check, PodStatus
    checks = sa.select(s.check_id, s.next_at, c.interval_seconds)
    checks = checks.join(c, c.id == s.check_id).join(p, p.pod_id == s.pod_id).join(Pod, Pod.id == s.pod_id)
    probed = (c.enabled, Pod.deleted_at.is_(None), p.phase != Phase.STOPPED, s.vantage != "provider")
    for row in conn.execute(checks.where(*probed)):
        late = max(2 * timedelta(seconds=row.interval_seconds), _GRACE)
        # Of a check that is claimed, this is the end of the lease.
        if row.next_at is None or row.next_at + late < now:
            yield f"I16: check {row.check_id} was due at {row.next_at} and nobody probes it"
    for pod_id, at in conn.execute(sa.select(p.pod_id, p.judge_at).where(p.judge_at < now - _GRACE)):
        yield f"I16: pod {pod_id} was to be judged at {at}"
    for heal_id, at in conn.execute(sa.select(Heal.id, Heal.next_step_at).where(Heal.next_step_at < now - _GRACE)):
        yield f"I16: heal {heal_id} was to go on at {at}"
