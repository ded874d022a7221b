"""A tenant's policies: storing them with a row for each version, and finding the one that governs a pod.

What the fields may say is core/policy's rule; what a policy then does is judged elsewhere.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from podhealth.core.errors import Conflict, Stale
from podhealth.core.ladder import PolicyRules, Step
from podhealth.core.policy import Bound, Candidate, effective_policy, parse_policy, policy_fields
from podhealth.core.words import FeedKind, Status
from podhealth.models import Episode, PodStatus, Policy, PolicyVersion
from podhealth.store import advisory, audit, podstate, tenancy
from podhealth.store.db import db_now
from podhealth.store.feed import FeedNote, append
from podhealth.store.tenancy import Scope, own

_POLICY = Policy.__table__
# Made once: each judgement asks them.
_OF_TENANT = sa.select(_POLICY).where(
    Policy.tenant_id == sa.bindparam("tenant_id", type_=sa.BigInteger), Policy.deleted_at.is_(None)
)
_PINNED = sa.select(PolicyVersion.body).where(
    PolicyVersion.policy_id == sa.bindparam("policy_id", type_=sa.BigInteger),
    PolicyVersion.version == sa.bindparam("version", type_=sa.Integer),
)
_RULES = tuple(name for name in PolicyRules.__dataclass_fields__ if name not in ("selector", "steps"))

Row = sa.Row[Any]


class Effective(NamedTuple):
    """The one policy that governs a pod, as a row and as rules (both null: none), and why it is that one."""

    row: Row | None
    rules: PolicyRules | None
    why: str


def rules_of(row: Row) -> PolicyRules:
    """Return the rules that a stored policy holds."""
    steps = None if row.steps is None else tuple(Step.from_json(step) for step in row.steps)
    return PolicyRules(**{name: getattr(row, name) for name in _RULES}, selector=tuple(row.selector), steps=steps)


def _columns(rules: PolicyRules) -> dict[str, Any]:
    columns = {name: getattr(rules, name) for name in _RULES}
    steps = None if rules.steps is None else [step.as_json() for step in rules.steps]
    # JSON null and no value are two things to the database; null is meant to be no value.
    return columns | {"selector": list(rules.selector), "steps": sa.null() if steps is None else steps}


def get_policy(conn: sa.Connection, scope: Scope, policy_id: object) -> Row:
    """Return one policy. Raises NotFound where the tenant has none of that id."""
    return tenancy.get_policy(conn, scope, policy_id)


def list_policies(conn: sa.Connection, scope: Scope) -> Sequence[Row]:
    """Return the tenant's policies, by name."""
    query = sa.select(_POLICY).where(own(scope, _POLICY), Policy.deleted_at.is_(None))
    return conn.execute(query.order_by(Policy.name, Policy.id)).all()


def save_policy(
    conn: sa.Connection,
    scope: Scope,
    fields: Mapping[str, object],
    policy_id: int | None = None,
    version: int | None = None,
) -> Row:
    """Make a policy, or change the one of ``policy_id``, and return it.

    ``version`` is the one the caller has read. Raises NotFound for an id the tenant does not own, Conflict where the
    policy changed since that version, InputError with the field's name for a bad value. A policy made the default
    takes that from the one before. Pods in trouble are judged anew, since what they may do has changed.
    """
    existing = None if policy_id is None else tenancy.get_policy(conn, scope, policy_id)
    rules = parse_policy(fields, None if existing is None else rules_of(existing))
    if existing is not None and version is not None and existing.version != version:
        said = f"policy {existing.name} was changed meanwhile: it is version {existing.version} now"
        raise Stale(said, existing.version)
    in_trouble = lock_pods_in_trouble(conn, scope.tenant_id)
    now = db_now(conn)
    told = _take_default(conn, scope, None if existing is None else existing.id, now) if rules.is_default else []
    saved = _create(conn, scope, rules, now) if existing is None else _change(conn, scope, existing, rules, now)
    podstate.judge_by(conn, in_trouble, now)
    append(conn, [FeedNote(scope.tenant_id, FeedKind.POLICY, object_id=each) for each in (*told, saved)])
    return tenancy.get_policy(conn, scope, saved)


def delete_policy(conn: sa.Connection, scope: Scope, policy_id: int, version: int | None = None) -> None:
    """Delete a policy softly; its pods are bound anew, and open episodes of it will be closed.

    ``version`` is the one the caller has read: Conflict where it changed since. Raises NotFound as ``get_policy`` does.
    """
    row = tenancy.get_policy(conn, scope, policy_id)
    if version is not None and row.version != version:
        raise Stale(f"policy {row.name} was changed meanwhile: it is version {row.version} now", row.version)
    in_trouble = lock_pods_in_trouble(conn, scope.tenant_id)
    now = db_now(conn)
    conn.execute(sa.update(Policy).where(Policy.id == policy_id).values(deleted_at=now, updated_at=now))
    audit.write(conn, scope, "policy deleted", "policy", policy_id, policy_fields(rules_of(row)), None)
    podstate.judge_by(conn, in_trouble, now)
    append(conn, [FeedNote(scope.tenant_id, FeedKind.POLICY, object_id=policy_id)])


def lock_pods_in_trouble(conn: sa.Connection, tenant_id: int) -> list[int]:
    """Lock the pods that a change of policies has judged anew, and return their ids."""
    has_episode = sa.exists().where(Episode.pod_id == PodStatus.pod_id, Episode.closed_at.is_(None))
    query = sa.select(PodStatus.pod_id).where(
        PodStatus.tenant_id == tenant_id, sa.or_(PodStatus.status == Status.UNHEALTHY, has_episode)
    )
    return podstate.lock_pods(conn, conn.execute(query).scalars().all())


def _create(conn: sa.Connection, scope: Scope, rules: PolicyRules, now: datetime) -> int:
    values = _columns(rules) | {"tenant_id": scope.tenant_id, "created_at": now, "updated_at": now, "version": 1}
    policy_id = int(conn.execute(sa.insert(Policy).values(**values).returning(Policy.id)).scalar_one())
    _keep_version(conn, scope, policy_id, 1, rules, now)
    audit.write(conn, scope, "policy created", "policy", policy_id, None, policy_fields(rules))
    return policy_id


def _change(conn: sa.Connection, scope: Scope, row: Row, rules: PolicyRules, now: datetime) -> int:
    before = rules_of(row)
    if rules == before:
        return int(row.id)
    changed = conn.execute(
        sa.update(Policy)
        .where(Policy.id == row.id, Policy.version == row.version)
        .values(**_columns(rules), version=row.version + 1, updated_at=now)
    )
    if changed.rowcount != 1:
        raise Conflict(f"policy {row.name} was changed meanwhile")
    _keep_version(conn, scope, row.id, row.version + 1, rules, now)
    audit.write(conn, scope, "policy changed", "policy", row.id, policy_fields(before), policy_fields(rules))
    return int(row.id)


def _take_default(conn: sa.Connection, scope: Scope, but_id: int | None, now: datetime) -> list[int]:
    # Two that become the default at one moment: the second must see the first, not fail on the unique index.
    advisory.hold(conn, advisory.Each.DEFAULT_POLICY, scope.tenant_id)
    query = sa.select(_POLICY).where(own(scope, _POLICY), Policy.is_default, Policy.deleted_at.is_(None))
    others = [row for row in conn.execute(query).all() if row.id != but_id]
    return [_change(conn, scope, row, replace(rules_of(row), is_default=False), now) for row in others]


def _keep_version(
    conn: sa.Connection, scope: Scope, policy_id: int, version: int, rules: PolicyRules, now: datetime
) -> None:
    values = {"policy_id": policy_id, "version": version, "tenant_id": scope.tenant_id, "at": now}
    values |= {"body": policy_fields(rules), "by": scope.actor_name}
    conn.execute(sa.insert(PolicyVersion).values(**values))


def effective_for(conn: sa.Connection, pod: Any) -> Effective:
    """Return the policy that governs ``pod`` (a row with tenant_id, policy_id and tags), and why (behaviour §6)."""
    rows = {row.id: row for row in conn.execute(_OF_TENANT, {"tenant_id": pod.tenant_id})}
    bound = _bound(pod, rows.values())
    if bound.policy_id is None:
        return Effective(None, None, bound.why)
    row = rows[bound.policy_id]
    return Effective(row, rules_of(row), bound.why)


def _bound(pod: Any, rows: Any) -> Bound:
    candidates = [Candidate(r.id, r.name, r.selector, r.priority, r.is_default) for r in rows]
    return effective_policy(pod.policy_id, pod.tags, candidates)


def pinned_rules(conn: sa.Connection, policy_id: int, version: int, live: PolicyRules | None) -> PolicyRules | None:
    """Return what a policy said at ``version``, with the mode it has now: an episode pins all else (behaviour §6).

    ``live`` is the policy as it is now; null where it no longer governs the pod.
    """
    body = conn.execute(_PINNED, {"policy_id": policy_id, "version": version}).scalar_one_or_none()
    if body is None:
        return live
    pinned = parse_policy(body, live)
    return pinned if live is None else replace(pinned, mode=live.mode, enabled=live.enabled)
