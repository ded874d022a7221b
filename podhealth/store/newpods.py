"""Pods made, one or thousands at once: their rows, checks, first phase, audit and feed, with few statements for many.

What becomes of a pod later is store/inventory's business.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from podhealth.core.check_rules import RUNNING, CheckRules
from podhealth.core.errors import InputError, NotFound
from podhealth.core.pod_rules import PodRules, parse_pod
from podhealth.core.tag_rules import checks_for
from podhealth.core.words import DesiredState, FeedKind, Kind, ProviderKind
from podhealth.models import Node, Pod, PodStatus, Source, Tenant
from podhealth.settings import Settings
from podhealth.store import audit, checks, feed, maintenance, podstate, tagrules, tenancy
from podhealth.store import secrets as sealing
from podhealth.store.db import db_now
from podhealth.store.feed import FeedNote
from podhealth.store.tenancy import Scope

DEFAULT_NETWORKS: tuple[str, ...] = Settings.model_fields["allowed_networks"].default
# Providers that say of a guest whether it runs; their pods have the check ``running`` (behaviour §2).
REPORTING = frozenset({ProviderKind.PROCESS, ProviderKind.PROXMOX, ProviderKind.DOCKER})
PING = CheckRules("ping", Kind.PING)
_STOPPED = "created stopped"
NOT_TOLD = "provider_config"  # may hold a secret of the provider
_AT_ONCE = 500


class NewPod(NamedTuple):
    """One pod to make. ``stopped_because``: why one is wanted stopped from the beginning.

    ``default_checks``: a ping each minute, and what the tenant's tag rules say; the check ``running`` comes with a
    provider that reports, in any case. ``with_checks``: these besides, by names that the pod has not yet.
    """

    fields: Mapping[str, object]
    default_checks: bool = True
    with_checks: Sequence[CheckRules] = ()
    stopped_because: str = _STOPPED


def create_pod(
    conn: sa.Connection,
    scope: Scope,
    fields: Mapping[str, object],
    default_checks: bool = True,
    *,
    networks: Sequence[str] = DEFAULT_NETWORKS,
    stopped_because: str = _STOPPED,
) -> int:
    """Make a pod with its status row and checks and return its id; it counts as a start (behaviour §2).

    The arguments are those of ``NewPod``; ``networks``: where the platform allows pods, without it, the settings'
    defaults. Raises InputError naming a bad field.
    """
    return create_pods(conn, scope, [NewPod(fields, default_checks, (), stopped_because)], networks=networks)[0]


def create_pods(
    conn: sa.Connection, scope: Scope, wanted: Sequence[NewPod], *, networks: Sequence[str] = DEFAULT_NETWORKS
) -> list[int]:
    """Make pods as ``create_pod`` does and return their ids in the order given; all of them or none."""
    allowed = networks_of(conn, scope, networks)
    rules = [parse_pod(one.fields, allowed) for one in wanted]
    for one in {(r.policy_id, r.node_id, r.source_id, r.provider): r for r in rules}.values():
        refuse_strangers(conn, scope, one)
    _refuse_taken_names(conn, scope, [one.name for one in rules])
    now = db_now(conn)
    ids = _insert(conn, scope, rules, now)
    by_tag = tagrules.all_rules(conn, scope) if any(one.default_checks for one in wanted) else []
    first = [(i, check) for i, r, one in zip(ids, rules, wanted, strict=True) for check in _checks(r, one, by_tag)]
    checks.insert_checks(conn, scope.tenant_id, first, now)
    notes = _first_phases(conn, ids, rules, wanted, now)
    for start in range(0, len(ids), _AT_ONCE):
        notes += maintenance.settle(conn, ids[start : start + _AT_ONCE], is_joining=True).notes
    entries = zip(ids, rules, wanted, strict=True)
    audit.write_all(conn, scope, [_entry(i, r, one) for i, r, one in entries])
    # One toast, however many there are.
    text = f"{rules[0].name} was added" if len(ids) == 1 else f"{len(ids):,} pods were added"
    feed.append(conn, [*notes, *(_note(scope, i, text if i == ids[0] else None) for i in ids)])
    return ids


def networks_of(conn: sa.Connection, scope: Scope, platform: Sequence[str]) -> list[Sequence[str]]:
    """Return the lists of networks, in each of which a pod's address must lie. Raises NotFound without the tenant."""
    query = sa.select(Tenant.allowed_networks).where(tenancy.own(scope, Tenant), Tenant.deleted_at.is_(None))
    found = conn.execute(query).one_or_none()
    if found is None:
        raise NotFound("there is no such tenant")
    return [platform] if found.allowed_networks is None else [platform, found.allowed_networks]


def refuse_strangers(conn: sa.Connection, scope: Scope, rules: PodRules) -> None:
    """Raise InputError naming the policy, node or source of a pod that the tenant has not."""
    if rules.policy_id is not None:
        try:
            tenancy.get_policy(conn, scope, rules.policy_id)
        except NotFound as error:
            raise InputError("policyId", str(error)) from None
    if rules.node_id is not None:
        query = sa.select(Node.id).where(Node.id == rules.node_id, Node.deleted_at.is_(None))
        mine = sa.or_(tenancy.own(scope, Node), Node.tenant_id.is_(None))
        if conn.scalar(query.where(mine)) is None:
            raise InputError("nodeId", "there is no such node")
    if rules.source_id is not None:
        source = sa.select(Source.kind).where(Source.id == rules.source_id, Source.deleted_at.is_(None))
        if conn.scalar(source.where(tenancy.own(scope, Source))) != rules.provider:
            raise InputError("sourceId", "there is no such source of that provider")


def refuse_taken_name(conn: sa.Connection, scope: Scope, name: str) -> None:
    """Raise InputError(name) where a pod of the tenant has that name."""
    _refuse_taken_names(conn, scope, [name])


def columns(rules: PodRules) -> dict[str, Any]:
    """Return the columns that a pod's rules are stored in."""
    return asdict(rules) | {"tags": list(rules.tags)}


def told(rules: PodRules) -> dict[str, Any]:
    """Return what the audit trail holds of a pod: no setting of its provider."""
    return {name: value for name, value in columns(rules).items() if name != NOT_TOLD}


def _refuse_taken_names(conn: sa.Connection, scope: Scope, names: Sequence[str]) -> None:
    query = sa.select(Pod.id).where(tenancy.own(scope, Pod), Pod.deleted_at.is_(None)).limit(1)
    for start in range(0, len(names), _AT_ONCE):
        if conn.scalar(query.where(Pod.name.in_(names[start : start + _AT_ONCE]))) is not None:
            raise InputError("name", "there is a pod of this name already", code="taken")


def _insert(conn: sa.Connection, scope: Scope, rules: Sequence[PodRules], now: datetime) -> list[int]:
    fixed = {"tenant_id": scope.tenant_id, "created_at": now, "updated_at": now, "provider_config": None}
    pods = sa.insert(Pod).returning(Pod.id, sort_by_parameter_order=True)
    ids = list(conn.execute(pods, [columns(one) | fixed for one in rules]).scalars())
    status = {"tenant_id": scope.tenant_id, "since": now, "phase_since": now, "updated_at": now}
    conn.execute(sa.insert(PodStatus), [status | {"pod_id": pod_id} for pod_id in ids])
    for pod_id, one in zip(ids, rules, strict=True):
        if one.provider_config is not None:  # sealed for this row, so not before it has its id
            config = sealing.seal(one.provider_config, pod_id)
            conn.execute(sa.update(Pod).where(Pod.id == pod_id).values(provider_config=config))
    return ids


def _checks(rules: PodRules, one: NewPod, by_tag: Any) -> list[CheckRules]:
    own = [RUNNING] if rules.provider in REPORTING else []
    usual = [PING, *checks_for(rules.tags, by_tag, (PING.name, RUNNING.name))] if one.default_checks else []
    return [*own, *usual, *one.with_checks]


def _first_phases(
    conn: sa.Connection, ids: Sequence[int], rules: Sequence[PodRules], wanted: Sequence[NewPod], now: datetime
) -> list[FeedNote]:
    notes: list[FeedNote] = []
    starting = []
    for pod_id, rule, one in zip(ids, rules, wanted, strict=True):
        if rule.desired_state == DesiredState.STOPPED:
            notes += podstate.set_desired(conn, pod_id, now, DesiredState.STOPPED, one.stopped_because).notes
        else:
            starting.append(pod_id)
    for start in range(0, len(starting), _AT_ONCE):
        notes += podstate.begin_first_start(conn, starting[start : start + _AT_ONCE], now).notes
    return notes


def _entry(pod_id: int, rules: PodRules, one: NewPod) -> audit.Done:
    given = {"checks": [check.as_fields() for check in one.with_checks]} if one.with_checks else {}
    return audit.Done("pod created", "pod", pod_id, None, told(rules) | given)


def _note(scope: Scope, pod_id: int, text: str | None) -> FeedNote:
    toast = None if text is None else {"text": text, "tone": "neutral"}
    return FeedNote(scope.tenant_id, FeedKind.INVENTORY, pod_id, None, toast)
