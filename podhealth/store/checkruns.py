"""Runs of a check that a person asked for: asked on a page, taken by a prober of the check's vantage, answered.

A stored check's run is kept as a result that is marked as manual and changes nothing else (behaviour §3). A run of
fields that nobody has saved is no result of any check.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa

from podhealth.core.check_rules import CheckRules
from podhealth.core.errors import Conflict
from podhealth.core.expiry import believed
from podhealth.core.manual import A_MINUTE, TAKEN_WITHIN_S
from podhealth.core.probe import Finding, Target
from podhealth.core.status import FRESH_START, Counters
from podhealth.core.words import Kind, RunState
from podhealth.models import CheckRun, CheckState, Pod, PodStatus, Result, Tenant
from podhealth.models.base import from_us, to_us
from podhealth.store import checks, tenancy
from podhealth.store.db import db_now
from podhealth.store.targets import common_networks, heartbeat_facts, load_targets
from podhealth.store.tenancy import Scope, own

MOST_AT_ONCE = 20
_UNASKABLE = (Kind.RUNNING,)  # fed by its provider

Row = sa.Row[Any]


class TooManyRuns(Conflict):
    """The tenant has asked for as many as it may in a minute: wait a little."""


class Taken(NamedTuple):
    """A run in a prober's hands, with what to probe."""

    run_id: int
    target: Target


def ask(conn: sa.Connection, scope: Scope, pod_id: int, check_id: int) -> int:
    """Ask for one run of a stored check and return its id; while one is on its way, that is the one.

    Raises NotFound for another tenant's, Conflict for a check that cannot be asked for, TooManyRuns.
    """
    check = checks.get_check(conn, scope, pod_id, check_id)
    if check.kind in _UNASKABLE or not check.enabled:
        raise Conflict(f"{check.name} is not probed from here" if check.enabled else f"{check.name} is disabled")
    plan = _plan(checks.rules_of(check)) | {"generation": check.generation}
    on_its_way = _on_its_way(conn, check_id, plan)
    if on_its_way is not None:
        return on_its_way
    _require_turn(conn, scope)
    return _insert(conn, scope, pod_id, check_id, plan, vantage=_vantage_of(conn, check_id))


def ask_all(conn: sa.Connection, scope: Scope, pod_id: int) -> list[int]:
    """Ask for one run of each enabled check of the pod that can be asked for, and return their ids."""
    rows = checks.list_checks(conn, scope, pod_id)
    return [ask(conn, scope, pod_id, row.id) for row in rows if row.enabled and row.kind not in _UNASKABLE]


def ask_dry(conn: sa.Connection, scope: Scope, pod_id: int, rules: CheckRules) -> int:
    """Ask for a run of fields that nobody has saved, and return its id. Raises NotFound, TooManyRuns."""
    tenancy.get_pod(conn, scope, pod_id)
    _require_turn(conn, scope)
    plan = _plan(rules) | {"fields": rules.as_fields(), "generation": 0}
    return _insert(conn, scope, pod_id, None, plan, vantage=rules.vantage)


def are_any(conn: sa.Connection, vantage: str) -> bool:
    """Return whether a run waits for a prober of this vantage; cheap: asked several times a second."""
    asked = sa.select(CheckRun.id).where(CheckRun.vantage == vantage, CheckRun.state == RunState.ASKED).limit(1)
    return conn.execute(asked).first() is not None


def take(conn: sa.Connection, vantage: str, worker_id: str, networks: Sequence[str]) -> list[Taken]:
    """Take the runs that wait for this vantage, each once, and return what to probe.

    ``networks``: where the platform allows pods to be. Those asked for too long ago are let go.
    """
    now = db_now(conn)
    asked = (CheckRun.vantage == vantage, CheckRun.state == RunState.ASKED)
    is_old = CheckRun.asked_at <= now - timedelta(seconds=TAKEN_WITHIN_S)
    conn.execute(sa.update(CheckRun).where(*asked, is_old).values(state=RunState.LAPSED, done_at=now))
    wanted = sa.select(CheckRun.id).where(*asked).order_by(CheckRun.id).limit(MOST_AT_ONCE)
    ids = list(conn.scalars(wanted.with_for_update(skip_locked=True)))
    if not ids:
        return []
    update = sa.update(CheckRun).where(CheckRun.id.in_(ids)).values(state=RunState.TAKEN, taken_by=worker_id)
    rows = conn.execute(update.returning(CheckRun.__table__)).all()
    found = [(row, _target_of(conn, row, networks)) for row in sorted(rows, key=lambda row: row.id)]
    gone = [row.id for row, target in found if target is None]
    if gone:
        conn.execute(sa.update(CheckRun).where(CheckRun.id.in_(gone)).values(state=RunState.LAPSED, done_at=now))
    return [Taken(row.id, target) for row, target in found if target is not None]


def answer(conn: sa.Connection, run_id: int, finding: Finding, begun_us: int, ended_us: int, worker_id: str) -> None:
    """Store what a run has found, once; of a stored check as a manual result, too, which changes nothing else."""
    told = {
        "outcome": finding.outcome.value,
        "failClass": finding.fail_class and finding.fail_class.value,
        "code": finding.code,
        "latencyMs": finding.latency_ms,
        "error": finding.error,
        "answered": finding.answered,
        "certificateEndsUs": finding.certificate_ends_at and to_us(finding.certificate_ends_at),
    }
    is_it = (CheckRun.id == run_id, CheckRun.state == RunState.TAKEN)
    row = conn.execute(sa.select(CheckRun.__table__).where(*is_it).with_for_update()).one_or_none()
    if row is None:
        return
    now = db_now(conn)
    done = {"state": RunState.DONE, "answer": told | {"stood": _stood(conn, row, now)}, "done_at": now}
    conn.execute(sa.update(CheckRun).where(CheckRun.id == run_id).values(**done))
    if row.check_id is None:
        return
    values = {
        "check_id": row.check_id,
        "claim_token": -row.id,  # holds no claim
        "scheduled_at": row.asked_at,
        "tenant_id": row.tenant_id,
        "pod_id": row.pod_id,
        "begun_at": from_us(begun_us),
        "checked_at": from_us(ended_us),
        "outcome": finding.outcome,
        "fail_class": finding.fail_class,
        "code": finding.code,
        "latency_ms": finding.latency_ms,
        "error": finding.error,
        "size": finding.size,
        "body_hash": finding.body_hash,
        "excerpt": finding.excerpt,
        "is_manual": True,
        "generation": row.plan["generation"],
        "worker_id": worker_id,
    }
    conn.execute(sa.insert(Result).values(**values))


def _stood(conn: sa.Connection, row: Row, now: datetime) -> dict[str, Any]:
    """Return how the check stands that was run, which tells what such an answer would make of it."""
    query = sa.select(CheckState.__table__).where(CheckState.check_id == row.check_id)
    state = conn.execute(query).one_or_none()
    counters = FRESH_START  # of a check that nobody has saved, and of one that is gone
    if state is not None:
        counters = Counters(state.status, state.failures, state.successes, state.slow_run)
        counters = believed(counters, state.fresh_until, now)
    phase = conn.scalar(sa.select(PodStatus.phase).where(PodStatus.pod_id == row.pod_id))
    return {"counters": list(counters), "phase": phase}


def _plan(rules: CheckRules) -> dict[str, Any]:
    plan = {"name": rules.name, "failures": rules.failure_threshold, "successes": rules.success_threshold}
    return plan | {"certificateDays": rules.config.get("minCertificateDays")}


def _on_its_way(conn: sa.Connection, check_id: int, plan: dict[str, Any]) -> int | None:
    """Return the run of the check, as it is now, that somebody has asked for and that will be answered."""
    since = db_now(conn) - timedelta(seconds=TAKEN_WITHIN_S)
    is_open = CheckRun.state.in_((RunState.ASKED, RunState.TAKEN))
    query = sa.select(CheckRun.id, CheckRun.plan).where(
        CheckRun.check_id == check_id, is_open, CheckRun.asked_at > since
    )
    return next((row.id for row in conn.execute(query) if row.plan == plan), None)


def _require_turn(conn: sa.Connection, scope: Scope) -> None:
    since = db_now(conn) - timedelta(minutes=1)
    asked = sa.select(sa.func.count()).where(own(scope, CheckRun), CheckRun.asked_at > since)
    if (conn.scalar(asked) or 0) >= A_MINUTE:
        raise TooManyRuns(f"{A_MINUTE} runs were asked for within a minute; wait a little")


def _vantage_of(conn: sa.Connection, check_id: int) -> str:
    return conn.execute(sa.select(CheckState.vantage).where(CheckState.check_id == check_id)).scalar_one()


def _insert(
    conn: sa.Connection, scope: Scope, pod_id: int, check_id: int | None, plan: dict[str, Any], vantage: str
) -> int:
    values: dict[str, Any] = {"tenant_id": scope.tenant_id, "pod_id": pod_id, "check_id": check_id, "plan": plan}
    values |= {"vantage": vantage}
    values |= {"asked_by": scope.actor_name[:200], "asked_at": db_now(conn), "state": RunState.ASKED}
    return int(conn.execute(sa.insert(CheckRun).values(**values).returning(CheckRun.id)).scalar_one())


def _target_of(conn: sa.Connection, row: Row, networks: Sequence[str]) -> Target | None:
    pod = _living_pod(conn, row.pod_id)
    if pod is None:
        return None
    if row.check_id is not None:
        loaded = load_targets(conn, [row.check_id], networks).get(row.check_id)
        target = loaded.target if loaded is not None else None
    else:
        target = _dry_target(row, pod, networks)
    if target is None or target.kind != Kind.AGENT:
        return target
    return replace(target, heartbeat=heartbeat_facts(conn, [target]).get(target.check_id))


def _living_pod(conn: sa.Connection, pod_id: int) -> Row | None:
    query = sa.select(Pod.address, Tenant.allowed_networks).join(Tenant, Tenant.id == Pod.tenant_id)
    return conn.execute(query.where(Pod.id == pod_id, Pod.deleted_at.is_(None))).one_or_none()


def _dry_target(row: Row, pod: Row, networks: Sequence[str]) -> Target:
    fields = row.plan["fields"]
    return Target(
        check_id=0,
        pod_id=row.pod_id,
        tenant_id=row.tenant_id,
        kind=Kind(fields["checkType"]),
        address=pod.address,
        target=fields["target"],
        config=fields["config"],
        timeout_s=fields["timeoutSeconds"],
        interval_s=fields["intervalSeconds"],
        latency_limit_ms=fields["latencyLimitMs"],
        networks=common_networks(networks, pod.allowed_networks),
    )
