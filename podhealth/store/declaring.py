"""Plans and applies a file of configuration as code, all of it in one transaction or nothing.

Each object is stored by the function that pages and API call, so that it is judged, audited and told as theirs are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from podhealth.core.channel_fields import Platform
from podhealth.core.errors import Conflict, InputError
from podhealth.core.words import Declared, Kind
from podhealth.declared import planning
from podhealth.declared.document import Document
from podhealth.declared.faults import FileError
from podhealth.declared.fields import Ids, by_ids, place_of
from podhealth.declared.plan import Act, Asked, Change, Plan, State
from podhealth.declared.secrets import Secrets
from podhealth.declared.writing import export
from podhealth.models import Check
from podhealth.store import (
    advisory,
    audit,
    channels,
    checks,
    declared,
    inventory,
    newpods,
    ownnodes,
    podstate,
    policies,
    windows,
)
from podhealth.store.db import db_now
from podhealth.store.newpods import NewPod
from podhealth.store.tenancy import Scope

_AT_ONCE = 500
_CHANGED = "the tenant was changed meanwhile, and the file would do something else now: plan again"


@dataclass(frozen=True)
class Terms:
    """What is asked of a file besides its text: what the platform allows, where secrets are, whether to prune."""

    networks: Sequence[str]
    platform: Platform
    secrets: Secrets = Secrets()
    prune: bool = False


def export_tenant(conn: sa.Connection, scope: Scope) -> str:
    """Return the tenant's configuration as YAML, without a secret. Raises Conflict as ``writing.export`` does."""
    return export(declared.state_of(conn, scope))


def plan_file(conn: sa.Connection, scope: Scope, document: Document, terms: Terms) -> Plan:
    """Return what the file would change. Raises FileError naming every place that is refused."""
    return _planned(conn, scope, document, terms)[0]


def apply_file(conn: sa.Connection, scope: Scope, document: Document, terms: Terms, expect: str | None = None) -> Plan:
    """Do what the file asks for, and return what that was; nothing where it is so already.

    ``expect``: the fingerprint of the plan that somebody has seen. Raises FileError, and Conflict where the plan is
    another by now.
    """
    advisory.hold(conn, advisory.Each.DECLARED, scope.tenant_id)
    first = _planned(conn, scope, document, terms)[0]
    # All pods that are touched before anything is written: later, others' locks would be taken the other way round.
    podstate.lock_pods(conn, first.pods())
    if any(change.noun is Declared.POLICY for change in first.changes):
        policies.lock_pods_in_trouble(conn, scope.tenant_id)
    plan, state = _planned(conn, scope, document, terms)
    if plan.fingerprint != (expect or first.fingerprint):
        raise Conflict(_CHANGED)
    if plan.changes:
        _Doing(conn, scope, document, terms, state.ids).all(plan)
        sums = {act.value: plan.count(act) for act in Act}
        audit.write(conn, scope, "configuration applied", "configuration", plan.fingerprint, None, sums)
    return plan


def _planned(conn: sa.Connection, scope: Scope, document: Document, terms: Terms) -> tuple[Plan, State]:
    state = declared.state_of(conn, scope)
    networks = newpods.networks_of(conn, scope, terms.networks)
    plan = planning.plan(document, state, Asked(networks, terms.platform, terms.secrets, terms.prune))
    _refuse_patterns(document, plan)
    return plan, state


def _refuse_patterns(document: Document, plan: Plan) -> None:
    faults = []
    for change in plan.changes:
        if change.noun is Declared.CHECK and change.act is not Act.REMOVE:
            try:
                checks.refuse_bad_pattern(change.rules)
            except InputError as error:
                faults.append(document.fault(place_of(change.noun, change.path, error.field), error.message))
    if faults:
        raise FileError(faults)


class _Doing:
    """Does the changes of one plan; ids of what is made are known to what comes later."""

    def __init__(self, conn: sa.Connection, scope: Scope, document: Document, terms: Terms, ids: Ids) -> None:
        self._conn, self._scope, self._document, self._terms, self._ids = conn, scope, document, terms, ids
        self._now = db_now(conn)
        self._has_checks = {entry.name for entry in document.of(Declared.POD) if entry.checks is not None}

    def all(self, plan: Plan) -> None:
        """Do all of them, in their order. Raises FileError where the store refuses what the plan allowed."""
        firsts: dict[str, list[Change]] = {}
        for change in plan.changes:
            if change.noun is Declared.CHECK and change.pod_id is None and change.pod is not None:
                firsts.setdefault(change.pod, []).append(change)
        new = [one for one in plan.changes if one.noun is Declared.POD and one.act is Act.ADD]
        for change in plan.changes:
            if change.noun is Declared.CHECK and change.pod_id is None:
                continue  # made with its pod
            try:
                if (change.noun, change.act) != (Declared.POD, Act.ADD):
                    self._one(change)
                elif change is new[0]:
                    self._new_pods(new, firsts)
            except InputError as error:
                place = place_of(change.noun, change.path, error.field)
                raise FileError([self._document.fault(place, error.message)]) from None

    def _one(self, change: Change) -> None:
        if change.act is Act.REMOVE:
            self._remove(change)
            return
        object_id = {
            Declared.NODE: self._node,
            Declared.POLICY: self._policy,
            Declared.POD: self._pod,
            Declared.CHECK: self._check,
            Declared.WINDOW: self._window,
            Declared.CHANNEL: self._channel,
        }[change.noun](change)
        if change.act is Act.ADD:
            self._mark(change.noun, [object_id])
            if change.noun in (Declared.NODE, Declared.POLICY):
                self._ids.by_name[change.noun.value][change.name] = object_id

    def _mark(self, noun: Declared, ids: Sequence[int]) -> None:
        declared.mark_added(self._conn, self._scope, noun, ids, self._now)

    def _node(self, change: Change) -> int:
        conn, scope, networks = self._conn, self._scope, self._terms.networks
        if change.object_id is None:
            return ownnodes.add_own_node(conn, scope, change.wanted, networks)
        ownnodes.change_own_node(conn, scope, change.object_id, change.wanted, networks, change.version)
        return change.object_id

    def _policy(self, change: Change) -> int:
        # The one that becomes the default takes it from another, whose version has grown then.
        version = None if any(one.field == "isDefault" for one in change.fields) else change.version
        return int(policies.save_policy(self._conn, self._scope, change.wanted, change.object_id, version).id)

    def _pod(self, change: Change) -> int:
        assert change.object_id is not None  # new ones are made all at once
        fields, networks = by_ids(change.wanted, self._ids), self._terms.networks
        inventory.update_pod(self._conn, self._scope, change.object_id, fields, change.version, networks=networks)
        return change.object_id

    def _new_pods(self, new: Sequence[Change], firsts: Mapping[str, Sequence[Change]]) -> None:
        wanted = []
        for change in new:
            rules = [one.rules for one in firsts.get(change.name, ()) if one.rules.kind != Kind.RUNNING]
            fields = by_ids(change.wanted, self._ids)
            wanted.append(NewPod(fields, change.name not in self._has_checks, rules))
        ids = newpods.create_pods(self._conn, self._scope, wanted, networks=self._terms.networks)
        self._mark(Declared.POD, ids)
        for change, pod_id in zip(new, ids, strict=True):
            self._ids.by_name["pod"][change.name] = pod_id
            # The check running comes switched on; a change of it says that it is to be off.
            if any(one.rules.kind == Kind.RUNNING for one in firsts.get(change.name, ())):
                checks.disable_check(self._conn, self._scope, pod_id, Kind.RUNNING.value)
        asked = [pod_id for change, pod_id in zip(new, ids, strict=True) if change.name in self._has_checks]
        for start in range(0, len(asked), _AT_ONCE):
            query = sa.select(Check.id).where(Check.pod_id.in_(asked[start : start + _AT_ONCE]))
            self._mark(Declared.CHECK, self._conn.scalars(query.where(Check.kind != Kind.RUNNING)).all())

    def _check(self, change: Change) -> int:
        assert change.pod_id is not None  # those of new pods are made with them
        row = checks.put_check(self._conn, self._scope, change.pod_id, change.rules, change.object_id)
        return int(row.id)

    def _window(self, change: Change) -> int:
        fields = by_ids(change.wanted, self._ids)
        return int(windows.save_window(self._conn, self._scope, fields, change.object_id, change.version).id)

    def _channel(self, change: Change) -> int:
        conn, scope, platform = self._conn, self._scope, self._terms.platform
        if change.object_id is None:
            return int(channels.create_channel(conn, scope, change.wanted, platform).row.id)
        channels.update_channel(conn, scope, change.object_id, change.wanted, platform, change.version)
        return change.object_id

    def _remove(self, change: Change) -> None:
        conn, scope, object_id = self._conn, self._scope, change.object_id
        assert object_id is not None  # only what is stored can go
        if change.noun is Declared.NODE:
            ownnodes.remove_own_node(conn, scope, object_id, change.version)
        elif change.noun is Declared.POLICY:
            policies.delete_policy(conn, scope, object_id)
        elif change.noun is Declared.POD:
            inventory.delete_pod(conn, scope, object_id)
        elif change.noun is Declared.CHECK:
            assert change.pod_id is not None
            checks.delete_check(conn, scope, change.pod_id, change.name)
        elif change.noun is Declared.WINDOW:
            windows.delete_window(conn, scope, object_id, change.version)
        else:
            channels.delete_channel(conn, scope, object_id)
        declared.forget_added(conn, scope, change.noun, object_id)
