"""What a claimed check is: read once for each generation of it, with what only the database knows of its agent.

How a target is probed, and what its result means, is unknown here.
"""

from collections.abc import Iterable, Sequence
from ipaddress import ip_network
from sys import intern
from typing import Any, NamedTuple

import sqlalchemy as sa

from podhealth.core.phase import START_DEADLINE_S
from podhealth.core.probe import HeartbeatFacts, Target
from podhealth.core.words import Kind, Signal
from podhealth.models import Check, Heartbeat, Pod, PodStatus, Tenant
from podhealth.models.base import to_us
from podhealth.store.db import db_now_us

_AT_ONCE = 500
_MIN_GRACE_S = 30
_SECOND_US = 1_000_000


class Configured(NamedTuple):
    """A check as it was configured at one generation: what to probe, and what to make of the result."""

    generation: int
    target: Target
    failure_threshold: int
    success_threshold: int


def common_networks(platform: Sequence[str], tenant: Sequence[str] | None) -> tuple[str, ...]:
    """Return the networks that both the platform and the tenant allow; a tenant without a list takes the platform's."""
    if tenant is None:
        return tuple(platform)
    found: set[str] = set()
    for ours in map(ip_network, platform):
        for theirs in map(ip_network, tenant):
            if ours.version != theirs.version:
                continue
            if theirs.subnet_of(ours):  # type: ignore[arg-type]
                found.add(str(theirs))
            elif ours.subnet_of(theirs):  # type: ignore[arg-type]
                found.add(str(ours))
    return tuple(sorted(found))


def load_targets(conn: sa.Connection, check_ids: Iterable[int], networks: Sequence[str]) -> dict[int, Configured]:
    """Return what these checks are now. ``networks``: where the platform allows pods to be.

    To be kept by (check id, generation): every edit of a check makes a new generation. A pod that moved to another
    address, and a tenant whose networks changed, must begin a new generation of their checks too.
    """
    ids = list(check_ids)
    known: dict[tuple[str, ...] | None, tuple[str, ...]] = {}
    options: dict[str, dict[str, Any]] = {}  # checks that are alike share them: a worker keeps tens of thousands
    found: dict[int, Configured] = {}
    for start in range(0, len(ids), _AT_ONCE):
        query = (
            sa.select(Check.__table__, Pod.address, Tenant.allowed_networks)
            .join(Pod, Pod.id == Check.pod_id)
            .join(Tenant, Tenant.id == Check.tenant_id)
            .where(Check.id.in_(ids[start : start + _AT_ONCE]))
        )
        for row in conn.execute(query):
            own = None if row.allowed_networks is None else tuple(row.allowed_networks)
            if own not in known:
                known[own] = common_networks(networks, own)
            config = options.setdefault(repr(row.config), row.config or {})
            found[row.id] = _configured(row, config, known[own])
    return found


def _configured(row: Any, config: dict[str, Any], networks: tuple[str, ...]) -> Configured:
    target = Target(
        check_id=row.id,
        pod_id=row.pod_id,
        tenant_id=row.tenant_id,
        kind=row.kind,
        address=row.address,
        target=None if row.target is None else intern(row.target),
        config=config,
        timeout_s=row.timeout_seconds,
        interval_s=row.interval_seconds,
        latency_limit_ms=row.latency_limit_ms,
        keep_excerpt=row.keep_excerpt,
        networks=networks,
    )
    return Configured(row.generation, target, row.failure_threshold, row.success_threshold)


def heartbeat_facts(conn: sa.Connection, targets: Iterable[Target]) -> dict[int, HeartbeatFacts]:
    """Return for each target of kind agent, by check id, what is known of its pod's heartbeat at this moment."""
    agents = [t for t in targets if t.kind == Kind.AGENT]
    if not agents:
        return {}
    query = (
        sa.select(
            PodStatus.pod_id,
            PodStatus.last_start_at,
            PodStatus.starting_until,
            Pod.start_deadline_s,
            Heartbeat.received_at,
            Heartbeat.period_s,
            Heartbeat.signal,
            Heartbeat.exit_code,
            Heartbeat.job_started_at,
            Heartbeat.job_ended_at,
        )
        .join(Pod, Pod.id == PodStatus.pod_id)
        .outerjoin(Heartbeat, Heartbeat.pod_id == PodStatus.pod_id)
        .where(PodStatus.pod_id.in_({t.pod_id for t in agents}))
    )
    rows = {row.pod_id: row for row in conn.execute(query)}
    now = db_now_us(conn)
    return {t.check_id: _facts(rows[t.pod_id], _grace_s(t), now) for t in agents if t.pod_id in rows}


def _of_job(row: Any, started: int, now: int) -> tuple[bool, int | None, float | None]:
    # A job of the boot before ended with it: neither its failure nor its missing end says anything of this one.
    failed = row.signal == Signal.FAIL and to_us(row.job_ended_at) >= started
    is_open = row.job_started_at is not None and to_us(row.job_started_at) >= started
    age_s = (now - to_us(row.job_started_at)) / _SECOND_US if is_open else None
    return failed, row.exit_code if failed else None, age_s


def _grace_s(target: Target) -> float | None:
    grace = target.config.get("graceSeconds", target.target)
    return float(grace) if isinstance(grace, int) or (isinstance(grace, str) and grace.isdecimal()) else None


def _facts(row: Any, grace_s: float | None, now: int) -> HeartbeatFacts:
    period_s = row.period_s or 60
    if row.received_at is None:  # none ever came
        return HeartbeatFacts(None, period_s, waiting=True, start_missed=False)
    received = to_us(row.received_at)
    started = to_us(row.last_start_at) if row.last_start_at is not None else None
    if started is None or received >= started:
        return HeartbeatFacts((now - received) / _SECOND_US, period_s, False, False, *_of_job(row, started or 0, now))
    if row.starting_until is not None:
        deadline = to_us(row.starting_until)
    else:
        deadline = started + round((row.start_deadline_s or START_DEADLINE_S) * _SECOND_US)
    grace = grace_s if grace_s is not None else max(_MIN_GRACE_S, period_s)
    is_over = now > deadline + round((period_s + grace) * _SECOND_US)
    return HeartbeatFacts(None, period_s, waiting=not is_over, start_missed=is_over)
