"""Builders: each puts one row (with the rows it cannot be without) into the database and returns its id.

They take what a test cares about by name and fill in the rest; they know no rules, so a test may build states that
the product itself would never store.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from podhealth import clock
from podhealth.core.words import IncidentCause, Kind, Mode, Outcome, ProviderKind, Role, Severity
from podhealth.models import (
    Approval,
    Check,
    CheckState,
    Episode,
    Heal,
    Incident,
    IncidentMember,
    Pod,
    PodStatus,
    Policy,
    PolicyVersion,
    Result,
    ShadowHeal,
    Tenant,
    User,
)
from podhealth.models.base import to_us
from podhealth.store.db import db_now
from podhealth.store.partitions import ensure_day


def a_tenant(conn: sa.Connection, name: str = "acme", **columns: Any) -> int:
    """A tenant."""
    return _insert(conn, Tenant, {"name": name, "created_at": db_now(conn)} | columns)


def a_user(
    conn: sa.Connection, tenant_id: int | None, name: str = "ann", role: Role = Role.OPERATOR, **columns: Any
) -> int:
    """A person who may do what ``role`` says; without a tenant, the platform admin."""
    values = {
        "tenant_id": tenant_id,
        "name": name,
        "email": f"{name}@{tenant_id or 'platform'}.example",
        "role": Role.PLATFORM if tenant_id is None else role,
        "fs_uniquifier": f"{name}-{tenant_id}-{clock.monotonic()}",
        "created_at": db_now(conn),
    }
    return _insert(conn, User, values | columns)


def a_pod(conn: sa.Connection, tenant_id: int, name: str = "web-1", **columns: Any) -> int:
    """A pod with its status row. ``columns`` go to the table that has them; a ``phase`` etc. is the status row's."""
    now = columns.pop("now", None) or db_now(conn)
    pod = {"tenant_id": tenant_id, "name": name, "address": "10.0.0.1", "created_at": now, "updated_at": now}
    pod_id = _insert(conn, Pod, pod | _of(Pod, columns))
    status = {"pod_id": pod_id, "tenant_id": tenant_id, "since": now, "phase_since": now, "updated_at": now}
    _insert(conn, PodStatus, status | _of(PodStatus, columns))
    _refuse_strangers(columns, Pod, PodStatus)
    return pod_id


def a_check(
    conn: sa.Connection, pod_id: int, kind: str | Kind = Kind.HTTP, name: str | None = None, **columns: Any
) -> int:
    """A check with its state row, due at once. ``columns`` go to whichever of the two tables has them."""
    now = columns.pop("now", None) or db_now(conn)
    kind = Kind(kind)
    tenant_id = conn.execute(sa.select(Pod.tenant_id).where(Pod.id == pod_id)).scalar_one()
    targets = {Kind.TCP: "80", Kind.HTTP: "/"}
    check = {
        "tenant_id": tenant_id,
        "pod_id": pod_id,
        "name": name or kind.value,
        "kind": kind,
        "target": targets.get(kind),
        "created_at": now,
        "updated_at": now,
    }
    check_id = _insert(conn, Check, check | _of(Check, columns))
    vantage = "provider" if kind == Kind.RUNNING else "local"
    state = {"check_id": check_id, "tenant_id": tenant_id, "pod_id": pod_id, "vantage": vantage, "since": now}
    _insert(conn, CheckState, state | {"next_at": now, "slot_at": now} | _of(CheckState, columns))
    _refuse_strangers(columns, Check, CheckState)
    return check_id


def a_policy(conn: sa.Connection, tenant_id: int, name: str = "restart twice", **columns: Any) -> int:
    """An enabled policy of mode auto with its first version stored; ``is_default=True`` binds it to all pods."""
    now = columns.pop("now", None) or db_now(conn)
    values = {"tenant_id": tenant_id, "name": name, "mode": Mode.AUTO, "created_at": now, "updated_at": now} | columns
    policy_id = _insert(conn, Policy, values)
    version = {"policy_id": policy_id, "version": 1, "tenant_id": tenant_id, "body": {"name": name}, "at": now}
    _insert(conn, PolicyVersion, version | {"by": "test"})
    return policy_id


def a_result(
    conn: sa.Connection, check_id: int, outcome: str | Outcome = Outcome.OK, at: datetime | None = None, **columns: Any
) -> int:
    """A stored result of a check, with the next claim token; returns that token. Changes no state."""
    return some_results(conn, check_id, outcome, [at or db_now(conn)], **columns)


def some_results(
    conn: sa.Connection, check_id: int, outcome: str | Outcome, moments: Sequence[datetime], **columns: Any
) -> int:
    """A stored result of a check at each of these moments, in few statements; returns the newest's claim token."""
    check = conn.execute(sa.select(Check.tenant_id, Check.pod_id, Check.generation).where(Check.id == check_id)).one()
    newest = conn.execute(sa.select(sa.func.max(Result.claim_token)).where(Result.check_id == check_id)).scalar()
    rows = [
        {
            "check_id": check_id,
            "claim_token": token,
            "scheduled_at": at,
            "tenant_id": check.tenant_id,
            "pod_id": check.pod_id,
            "begun_at": at,
            "checked_at": at + timedelta(milliseconds=10),
            "outcome": Outcome(outcome),
            "generation": check.generation,
        }
        | columns
        for token, at in enumerate(moments, (newest or 0) + 1)
    ]
    for day in sorted({row["scheduled_at"].date() for row in rows}):
        ensure_day(conn, day)
    conn.execute(sa.insert(Result), rows)
    return int(rows[-1]["claim_token"])


def an_episode(conn: sa.Connection, pod_id: int, policy_id: int, **columns: Any) -> int:
    """An open episode with a ladder of three restarts."""
    values = {
        "tenant_id": _tenant_of(conn, pod_id),
        "pod_id": pod_id,
        "policy_id": policy_id,
        "policy_version": 1,
        "ladder": [{"action": "restart", "attempts": 3}],
        "triggers": [],
        "opened_at": db_now(conn),
    }
    return _insert(conn, Episode, values | columns)


def a_heal(conn: sa.Connection, pod_id: int, **columns: Any) -> int:
    """A planned restart, the first of three."""
    now = db_now(conn)
    values = {
        "tenant_id": _tenant_of(conn, pod_id),
        "pod_id": pod_id,
        "action": "restart",
        "attempt": 1,
        "of_attempts": 3,
        "nth_of_action": 1,
        "reason": "http failed 3 times",
        "triggered_at": now,
        "next_step_at": now,
        "idempotency_key": f"heal-{pod_id}-{to_us(now)}",
    }
    return _insert(conn, Heal, values | columns)


def a_shadow_heal(conn: sa.Connection, pod_id: int, episode_id: int, policy_id: int, **columns: Any) -> int:
    """A restart that would have been done just now, the first of three."""
    values = {
        "tenant_id": _tenant_of(conn, pod_id),
        "pod_id": pod_id,
        "episode_id": episode_id,
        "policy_id": policy_id,
        "policy_version": 1,
        "action": "restart",
        "attempt": 1,
        "nth_of_action": 1,
        "of_attempts": 3,
        "reason": "http failed 3 times",
        "at": db_now(conn),
    }
    return _insert(conn, ShadowHeal, values | columns)


def an_approval(conn: sa.Connection, pod_id: int, episode_id: int, **columns: Any) -> int:
    """An open question, asked just now: may the pod be restarted?"""
    now = db_now(conn)
    values = {
        "tenant_id": _tenant_of(conn, pod_id),
        "pod_id": pod_id,
        "episode_id": episode_id,
        "action": "restart",
        "attempt": 1,
        "reason": "http failed 3 times",
        "wanted_at": now,
        "lapses_at": now + timedelta(minutes=60),
    }
    return _insert(conn, Approval, values | columns)


def an_incident(conn: sa.Connection, pod_id: int, title: str = "web-1 is unhealthy", **columns: Any) -> int:
    """An open incident of one pod, which is in it. ``columns`` go to whichever of the two tables has them."""
    now, tenant_id = db_now(conn), _tenant_of(conn, pod_id)
    values = {"tenant_id": tenant_id, "cause": IncidentCause.POD, "cause_key": f"pod:{pod_id}", "title": title}
    values |= {"severity": Severity.CRITICAL, "opened_at": now, "updated_at": now, "bad_since": now}
    incident_id = _insert(conn, Incident, values | _of(Incident, columns))
    member = {"tenant_id": tenant_id, "incident_id": incident_id, "pod_id": pod_id, "joined_at": now, "bad_since": now}
    left = {} if columns.get("recovered_at") is None else {"left_at": columns["recovered_at"]}
    _insert(conn, IncidentMember, member | left | _of(IncidentMember, columns))
    _refuse_strangers(columns, Incident, IncidentMember)
    return incident_id


def with_provider(run_dir: str) -> dict[str, Any]:
    """The columns of a pod that is a local process kept in ``run_dir``."""
    return {"provider": ProviderKind.PROCESS, "provider_config": {"run_dir": run_dir}}


def _tenant_of(conn: sa.Connection, pod_id: int) -> int:
    return int(conn.execute(sa.select(Pod.tenant_id).where(Pod.id == pod_id)).scalar_one())


def _of(model: Any, columns: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in columns.items() if name in model.__table__.c}


def _refuse_strangers(columns: dict[str, Any], *models: Any) -> None:
    strangers = [name for name in columns if not any(name in model.__table__.c for model in models)]
    assert not strangers, f"no such column: {strangers}"


def _insert(conn: sa.Connection, model: Any, values: dict[str, Any]) -> int:
    return int(conn.execute(sa.insert(model).values(**values)).inserted_primary_key[0])
