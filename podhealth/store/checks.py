"""The checks of a pod: made, edited, disabled, deleted. Each edit is a new generation that starts from nothing.

Callers parse the fields first (core/check_rules.py). What a changed check makes of its pod is settled by podstate.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from podhealth.core.check_rules import CheckRules
from podhealth.core.errors import InputError, NotFound
from podhealth.core.schedule import next_slot_us
from podhealth.core.vantage_names import LOCAL, PROVIDER
from podhealth.core.words import FeedKind, Kind
from podhealth.models import Check, CheckState, RollupMark, Vantage, Worker
from podhealth.models.base import from_us, to_us
from podhealth.patterns import compile_pattern
from podhealth.store import audit, feed, podstate, tenancy
from podhealth.store.db import db_now
from podhealth.store.feed import FeedNote
from podhealth.store.tenancy import Scope

MAX_CHECKS = 50

_COPIED = (
    "name",
    "kind",
    "target",
    "interval_seconds",
    "timeout_seconds",
    "failure_threshold",
    "success_threshold",
    "severity",
    "heal",
    "heal_on",
    "latency_limit_ms",
    "keep_excerpt",
    "enabled",
    "vantage",
)


def put_check(
    conn: sa.Connection, scope: Scope, pod_id: int, rules: CheckRules, check_id: int | None = None
) -> sa.Row[Any]:
    """Create the pod's check of that name or replace it, and return its row; putting the same twice changes nothing.

    ``check_id``: the check to replace, which may get a new name. A replaced check has a new generation, knows nothing
    yet, and is due at once, as are its pod's other checks (behaviour §4, Reset).

    Raises NotFound, and InputError naming a field that this pod cannot have.
    """
    tenancy.get_pod(conn, scope, pod_id)
    podstate.lock_pods(conn, [pod_id])
    tenancy.get_pod(conn, scope, pod_id)  # again under the lock: it may have been deleted
    existing = by_name(conn, pod_id, rules.name) if check_id is None else _of_pod(conn, pod_id, check_id)
    if existing is not None and rules_of(existing) == rules:
        return existing
    refuse_bad_pattern(rules)
    now = db_now(conn)
    if existing is None:
        check_id = _create(conn, scope, pod_id, rules, now)
    else:
        check_id = existing.id
        _replace(conn, existing, rules, now)
    settled = podstate.reset_checks(conn, pod_id, now, "new check" if existing is None else "edited", check_id)
    # It may ask another server from now on.
    conn.execute(sa.update(CheckState).where(CheckState.check_id == check_id).values(certificate_ends_at=None))
    podstate.judge_by(conn, [pod_id], now)
    before = None if existing is None else rules_of(existing).as_fields()
    what = "check created" if existing is None else "check edited"
    audit.write(conn, scope, what, "check", check_id, before, rules.as_fields())
    _tell(conn, scope, pod_id, check_id, settled.notes)
    return _of_pod(conn, pod_id, check_id)


def disable_check(conn: sa.Connection, scope: Scope, pod_id: int, name: str) -> sa.Row[Any]:
    """Stop probing the pod's check of that name; it counts no more. Raises NotFound. Twice equals once."""
    return _switch(conn, scope, pod_id, name, is_on=False)


def enable_check(conn: sa.Connection, scope: Scope, pod_id: int, name: str) -> sa.Row[Any]:
    """Probe the pod's check of that name again, from nothing. Raises NotFound. Twice equals once."""
    return _switch(conn, scope, pod_id, name, is_on=True)


def delete_check(conn: sa.Connection, scope: Scope, pod_id: int, name: str) -> None:
    """Remove the pod's check of that name with its state; its results go with time. Raises NotFound."""
    tenancy.get_pod(conn, scope, pod_id)
    podstate.lock_pods(conn, [pod_id])
    check = _named(conn, pod_id, name)
    if check.kind == Kind.RUNNING:
        raise InputError("name", "the check running comes with the provider: disable it instead")
    now = db_now(conn)
    conn.execute(sa.delete(CheckState).where(CheckState.check_id == check.id))
    conn.execute(sa.delete(RollupMark).where(RollupMark.check_id == check.id))
    conn.execute(sa.delete(Check).where(Check.id == check.id))
    settled = podstate.settle_pods(conn, [pod_id], now, reason=f"check {name} deleted")
    podstate.judge_by(conn, [pod_id], now)
    audit.write(conn, scope, "check deleted", "check", check.id, rules_of(check).as_fields())
    _tell(conn, scope, pod_id, check.id, settled.notes)


def list_checks(conn: sa.Connection, scope: Scope, pod_id: int) -> Sequence[sa.Row[Any]]:
    """Return the pod's checks by name, disabled ones too. Raises NotFound for another tenant's pod."""
    tenancy.get_pod(conn, scope, pod_id)
    query = sa.select(Check.__table__).where(Check.pod_id == pod_id, tenancy.own(scope, Check)).order_by(Check.name)
    return conn.execute(query).all()


def find_check(conn: sa.Connection, scope: Scope, pod_id: int, name: str) -> sa.Row[Any] | None:
    """Return the pod's check of that name, None where there is none. Raises NotFound for another tenant's pod."""
    tenancy.get_pod(conn, scope, pod_id)
    return by_name(conn, pod_id, name)


def get_check(conn: sa.Connection, scope: Scope, pod_id: int, check_id: int) -> sa.Row[Any]:
    """Return one check of the pod. Raises NotFound, also for another tenant's and for another pod's check."""
    tenancy.get_pod(conn, scope, pod_id)
    return _of_pod(conn, pod_id, check_id)


def rules_of(row: Any) -> CheckRules:
    """Return the stored check as rules, such as ``parse_check`` takes and gives."""
    return CheckRules(**{name: getattr(row, name) for name in _COPIED}, config=dict(row.config))


def by_name(conn: sa.Connection, pod_id: int, name: str) -> sa.Row[Any] | None:
    """Return the check of that name of a pod whose tenant the caller has made sure of."""
    return conn.execute(sa.select(Check.__table__).where(Check.pod_id == pod_id, Check.name == name)).one_or_none()


def insert_check(conn: sa.Connection, tenant_id: int, pod_id: int, rules: CheckRules, now: datetime) -> int:
    """Store a new check with its state, due at once, and return its id; the caller resets, settles and tells."""
    return insert_checks(conn, tenant_id, [(pod_id, rules)], now)[0]


def insert_checks(
    conn: sa.Connection, tenant_id: int, wanted: Sequence[tuple[int, CheckRules]], now: datetime
) -> list[int]:
    """Do as ``insert_check`` with many, each with the id of its pod; return their ids in the order given."""
    if not wanted:
        return []
    _refuse_unknown_vantages(conn, {rules.vantage for _, rules in wanted})
    owners = [{"tenant_id": tenant_id, "pod_id": pod_id, "vantage": rules.vantage} for pod_id, rules in wanted]
    rows = [
        {**_columns(rules), **owner, "created_at": now, "updated_at": now}
        for owner, (_, rules) in zip(owners, wanted, strict=True)
    ]
    made = sa.insert(Check).returning(Check.id, sort_by_parameter_order=True)
    ids = list(conn.execute(made, rows).scalars())
    states = []
    for check_id, owner, (_, rules) in zip(ids, owners, wanted, strict=True):
        slot = from_us(next_slot_us(check_id, rules.interval_seconds, to_us(now)))
        due = {"next_at": now if rules.enabled else None, "slot_at": slot}
        states.append({"check_id": check_id, **owner, "since": now, **due})
    conn.execute(sa.insert(CheckState), states)
    return ids


def known_vantages(conn: sa.Connection) -> list[str]:
    """Return the names of the vantages that a check may be probed from: those with a prober or with references."""
    probers = sa.select(Worker.vantage).where(Worker.role == "probe", Worker.vantage.is_not(None))
    named = {*conn.scalars(sa.select(Vantage.name)), *conn.scalars(probers), LOCAL}
    return sorted(named - {PROVIDER})


def _refuse_unknown_vantages(conn: sa.Connection, names: set[str]) -> None:
    # A misspelt one would leave its check waiting for ever; one whose probers are away just now is known.
    others = names - {LOCAL, PROVIDER}
    for name in sorted(others - set(known_vantages(conn))) if others else ():
        raise InputError("vantage", f"no prober has been seen at {name}; start one: podhealth worker probe.{name}")


def refuse_bad_pattern(rules: CheckRules) -> None:
    """Raise InputError for a pattern that could not be run."""
    # The engine that runs it, in linear time, decides (hazards M16); core knows the standard library only.
    if "bodyRegex" in rules.config:
        compile_pattern("bodyRegex", str(rules.config["bodyRegex"]))


def _create(conn: sa.Connection, scope: Scope, pod_id: int, rules: CheckRules, now: datetime) -> int:
    if rules.kind == Kind.RUNNING:
        raise InputError("checkType", "the check running comes with the pod's provider and is not made by hand")
    count = conn.scalar(sa.select(sa.func.count()).select_from(Check).where(Check.pod_id == pod_id))
    if (count or 0) >= MAX_CHECKS:
        raise InputError("name", f"a pod has at most {MAX_CHECKS} checks", code="too_many")
    return insert_check(conn, scope.tenant_id, pod_id, rules, now)


def _replace(conn: sa.Connection, existing: Any, rules: CheckRules, now: datetime) -> None:
    if rules.kind != existing.kind:
        raise InputError("checkType", "cannot be changed; add another check")
    namesake = by_name(conn, existing.pod_id, rules.name)
    if namesake is not None and namesake.id != existing.id:
        raise InputError("name", "the pod has a check of this name already", code="taken")
    _refuse_unknown_vantages(conn, {rules.vantage} - {existing.vantage})
    changed = _columns(rules) | {"generation": existing.generation + 1, "updated_at": now}
    conn.execute(sa.update(Check).where(Check.id == existing.id).values(**changed))


def _switch(conn: sa.Connection, scope: Scope, pod_id: int, name: str, is_on: bool) -> sa.Row[Any]:
    tenancy.get_pod(conn, scope, pod_id)
    podstate.lock_pods(conn, [pod_id])
    check = _named(conn, pod_id, name)
    if check.enabled == is_on:
        return check
    now = db_now(conn)
    changed = {"enabled": is_on, "generation": check.generation + 1, "updated_at": now}
    conn.execute(sa.update(Check).where(Check.id == check.id).values(**changed))
    what = "enabled" if is_on else "disabled"
    settled = podstate.reset_checks(conn, pod_id, now, f"check {name} {what}", check.id)
    podstate.judge_by(conn, [pod_id], now)
    audit.write(conn, scope, f"check {what}", "check", check.id, {"enabled": not is_on}, {"enabled": is_on})
    _tell(conn, scope, pod_id, check.id, settled.notes)
    return _of_pod(conn, pod_id, check.id)


def _named(conn: sa.Connection, pod_id: int, name: str) -> sa.Row[Any]:
    check = by_name(conn, pod_id, name)
    if check is None:
        raise NotFound("there is no such check")
    return check


def _of_pod(conn: sa.Connection, pod_id: int, check_id: int) -> sa.Row[Any]:
    query = sa.select(Check.__table__).where(Check.pod_id == pod_id, Check.id == check_id)
    check = conn.execute(query).one_or_none()
    if check is None:
        raise NotFound("there is no such check")
    return check


def _columns(rules: CheckRules) -> dict[str, Any]:
    return {name: getattr(rules, name) for name in _COPIED} | {"config": dict(rules.config)}


def _tell(conn: sa.Connection, scope: Scope, pod_id: int, check_id: int, notes: Sequence[FeedNote]) -> None:
    feed.append(conn, [*notes, FeedNote(scope.tenant_id, FeedKind.CHECK, pod_id, check_id)])
