"""Counts the suspects of all breakers at once: which pods are ill, being healed or held, and how many there are.

What a pod counts as is core/breaker's rule. Where few pods are ill nothing more than an index is looked at.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from podhealth.core.abilities import can
from podhealth.core.breaker import FRESH, Member, Part, Tally, is_all_of_a_tenant, part_of
from podhealth.core.fleet_gates import CHRONIC_OVER, CHRONIC_WITHIN
from podhealth.core.ladder import ladder, strike
from podhealth.core.policy import Candidate, effective_policy
from podhealth.core.words import (
    Action,
    BreakerScope,
    BreakerState,
    Kind,
    Mode,
    Phase,
    ProviderKind,
    Severity,
)
from podhealth.models import Breaker, BreakerHold, Check, CheckState, Episode, Heal, Pod, PodStatus, Policy
from podhealth.store import turns
from podhealth.store.limits import limits
from podhealth.store.policies import rules_of
from podhealth.store.sql import OPEN_HEALS

Row = sa.Row[Any]
IsHealed = Callable[[Any], bool]

# Whatever a pod is asked about by its own words: two pods alike in these are governed alike.
_GOVERNED_BY = (Pod.tenant_id, Pod.policy_id, Pod.provider, sa.cast(Pod.tags, sa.Text).label("tags_text"))


class ScopeKey(NamedTuple):
    """What one breaker guards: the kind of scope, and the id of the tenant or node, or the vantage's name."""

    scope: BreakerScope
    key: str


@dataclass(slots=True)
class Ill:
    """A pod that is ill, being healed or held. ``runs``: the youngest failing run at each vantage."""

    row: Row
    is_healed: bool
    is_chronic: bool
    runs: dict[str, datetime] = field(default_factory=dict)
    vantages: set[str] = field(default_factory=set)
    held_by: set[ScopeKey] = field(default_factory=set)
    whole: Part | None = None

    def scopes(self) -> Iterable[ScopeKey]:
        """The scopes that the pod is in."""
        yield ScopeKey(BreakerScope.TENANT, str(self.row.tenant_id))
        if self.row.node_id is not None:
            yield ScopeKey(BreakerScope.NODE, str(self.row.node_id))
        for vantage in self.vantages:
            yield ScopeKey(BreakerScope.VANTAGE, vantage)

    def part(self, of: ScopeKey, now: datetime) -> Part:
        """What it counts as in one of them: alike in all, but for who holds it and what a vantage sees of it."""
        if of in self.held_by:
            return Part.SUSPECT
        if of.scope == BreakerScope.VANTAGE and (len(self.runs) > 1 or of.key not in self.runs):
            return self._part(self.runs.get(of.key), now)
        if self.whole is None:
            self.whole = self._part(max(self.runs.values(), default=None), now)
        return self.whole

    def _part(self, run: datetime | None, now: datetime) -> Part:
        row = self.row
        is_monitored, is_exhausted = row.phase == Phase.MONITORED, row.exhausted_at is not None
        seen = Member(is_monitored, self.is_healed, run, row.has_heal, False, is_exhausted, self.is_chronic)
        return part_of(seen, now)


@dataclass(frozen=True, slots=True)
class Counts:
    """The scopes that need a look, counted, and the pods that are their suspects."""

    tallies: dict[ScopeKey, Tally]
    suspects: dict[ScopeKey, list[int]]


def count(conn: sa.Connection, now: datetime) -> Counts:
    """Count the scopes that have more suspects than any breaker bears, or whose breaker is not closed."""
    standing = {ScopeKey(row.scope, row.scope_key) for row in conn.execute(_not_closed())}
    if not standing and _few_are_ill(conn, now):
        return Counts({}, {})
    is_healed = _governors(conn)
    ill = _the_ill(conn, now, is_healed)
    parts: dict[ScopeKey, dict[int, Part]] = defaultdict(dict)
    for pod_id, one in ill.items():
        for scope in one.scopes():
            parts[scope][pod_id] = one.part(scope, now)
    wanted = standing | {
        s for s, of in parts.items() if sum(p == Part.SUSPECT for p in of.values()) > limits().breaker_least
    }
    totals = _totals(conn, wanted, is_healed)
    wanted = {scope for scope in wanted if scope in standing or not _is_needless(scope, totals)}
    tallies = {scope: _tally(parts[scope], ill, totals[scope]) for scope in wanted}
    suspects = {s: sorted(p for p, part in parts[s].items() if part == Part.SUSPECT) for s in wanted}
    return Counts(tallies, suspects)


def _is_needless(scope: ScopeKey, totals: Mapping[ScopeKey, "_Total"]) -> bool:
    in_all = [totals[ScopeKey(BreakerScope.TENANT, str(tenant))].pods for tenant in totals[scope].tenants]
    return is_all_of_a_tenant(scope.scope, totals[scope].pods, in_all)


def _not_closed() -> Any:
    return sa.select(Breaker.scope, Breaker.scope_key).where(Breaker.state != BreakerState.CLOSED)


def _few_are_ill(conn: sa.Connection, now: datetime) -> bool:
    ill = sa.select(CheckState.pod_id).where(CheckState.bad_since > now - FRESH).distinct()
    healed = sa.select(Heal.pod_id).where(Heal.state.in_(OPEN_HEALS))
    most = limits().breaker_least + 1
    query = sa.union_all(ill.limit(most).subquery().select(), healed.limit(most).subquery().select())
    return len(conn.execute(query.limit(most)).all()) < most


def _governors(conn: sa.Connection) -> IsHealed:
    """Return the question whether a pod's row is governed by a policy that does something."""
    by_tenant: dict[int, list[Row]] = defaultdict(list)
    for row in conn.execute(sa.select(Policy.__table__).where(Policy.deleted_at.is_(None))):
        by_tenant[row.tenant_id].append(row)
    rules = {row.id: rules_of(row) for rows in by_tenant.values() for row in rows}
    candidates = {
        tenant: [Candidate(r.id, r.name, r.selector, r.priority, r.is_default) for r in rows]
        for tenant, rows in by_tenant.items()
    }
    known: dict[Any, bool] = {}

    def is_healed(pod: Any) -> bool:
        key = (pod.tenant_id, pod.policy_id, pod.tags_text, pod.provider)
        if key not in known:
            bound = effective_policy(pod.policy_id, json.loads(pod.tags_text), candidates.get(pod.tenant_id, []))
            known[key] = bound.policy_id is not None and _does_something(rules[bound.policy_id], pod.provider)
        return known[key]

    return is_healed


def _does_something(rules: Any, provider: ProviderKind) -> bool:
    if rules.effective_mode == Mode.OFF:
        return False
    kept, _ = strike(ladder(rules), lambda action: can(provider, action), "")
    return any(step.action != Action.NOTIFY_ONLY for step in kept)


def _the_ill(conn: sa.Connection, now: datetime, is_healed: IsHealed) -> dict[int, Ill]:
    chronic = _chronic(conn, now)
    found = {row.pod_id: Ill(row, is_healed(row), row.pod_id in chronic) for row in conn.execute(_rows())}
    runs: Any = (
        sa.select(CheckState.pod_id, CheckState.vantage, sa.func.max(CheckState.bad_since, type_=CheckState.since.type))
        .join(Check, Check.id == CheckState.check_id)
        .where(CheckState.bad_since.is_not(None), Check.enabled, Check.severity == Severity.CRITICAL)
        .group_by(CheckState.pod_id, CheckState.vantage)
    )
    for pod_id, vantage, run in conn.execute(runs):
        if pod_id in found:
            found[pod_id].runs[vantage] = run
    for pod_id, vantage in conn.execute(_vantages().where(CheckState.pod_id.in_(_interesting()))):
        if pod_id in found:
            found[pod_id].vantages.add(vantage)
    held = sa.select(BreakerHold.pod_id, Breaker.scope, Breaker.scope_key)
    for pod_id, scope, key in conn.execute(held.join(Breaker, Breaker.id == BreakerHold.breaker_id)):
        if pod_id in found:
            found[pod_id].held_by.add(ScopeKey(scope, key))
    return found


def _interesting() -> Any:
    failing = sa.select(CheckState.pod_id).where(CheckState.bad_since.is_not(None))
    healed = sa.select(Heal.pod_id).where(Heal.state.in_(OPEN_HEALS))
    return sa.union(failing, healed, sa.select(BreakerHold.pod_id))


def _rows() -> Any:
    has_heal = sa.exists().where(Heal.pod_id == Pod.id, Heal.state.in_(OPEN_HEALS))
    is_open = sa.and_(Episode.pod_id == Pod.id, Episode.closed_at.is_(None))
    columns = (Pod.id.label("pod_id"), Pod.node_id, *_GOVERNED_BY, PodStatus.phase, Episode.exhausted_at)
    return (
        sa.select(*columns, has_heal.label("has_heal"))
        .join(PodStatus, PodStatus.pod_id == Pod.id)
        .outerjoin(Episode, is_open)
        .where(Pod.id.in_(_interesting()), Pod.deleted_at.is_(None))
    )


def _chronic(conn: sa.Connection, now: datetime) -> set[int]:
    query = (
        sa.select(Heal.pod_id)
        .join(PodStatus, PodStatus.pod_id == Heal.pod_id)
        .where(
            Heal.pod_id.in_(_interesting()),
            Heal.triggered_at > now - CHRONIC_WITHIN,
            *turns.counts(),
            sa.or_(PodStatus.chronic_acknowledged_at.is_(None), Heal.triggered_at > PodStatus.chronic_acknowledged_at),
        )
        .group_by(Heal.pod_id)
        .having(sa.func.count() > CHRONIC_OVER)
    )
    return set(conn.execute(query).scalars())


def _vantages() -> Any:
    # The provider sees its own guests; that is no vantage that could lose its network.
    query = sa.select(CheckState.pod_id, CheckState.vantage).join(Check, Check.id == CheckState.check_id)
    return query.where(Check.enabled, Check.kind != Kind.RUNNING).distinct()


class _Total(NamedTuple):
    pods: int
    tenants: frozenset[int]


_NONE = _Total(0, frozenset())


def _totals(conn: sa.Connection, wanted: Iterable[ScopeKey], is_healed: IsHealed) -> dict[ScopeKey, _Total]:
    """Return of each scope how many monitored pods there are whose policy does something, and whose they are."""
    found: dict[ScopeKey, _Total] = defaultdict(lambda: _NONE)
    kinds = {scope for scope, _ in wanted}
    for row in conn.execute(_groups(Pod.node_id)) if kinds else ():
        if is_healed(row):
            _add(found, ScopeKey(BreakerScope.TENANT, str(row.tenant_id)), row)
            _add(found, ScopeKey(BreakerScope.NODE, str(row.node_id)), row)
    if BreakerScope.VANTAGE in kinds:
        seen = _vantages().subquery()
        for row in conn.execute(_groups(seen.c.vantage).join(seen, seen.c.pod_id == Pod.id)):
            if is_healed(row):
                _add(found, ScopeKey(BreakerScope.VANTAGE, row.vantage), row)
    return found


def _add(found: dict[ScopeKey, _Total], scope: ScopeKey, row: Row) -> None:
    was = found[scope]
    found[scope] = _Total(was.pods + row.pods, was.tenants | {row.tenant_id})


def _groups(column: Any) -> sa.Select[Any]:
    return (
        sa.select(column, *_GOVERNED_BY, sa.func.count().label("pods"))
        .select_from(Pod)
        .join(PodStatus, PodStatus.pod_id == Pod.id)
        .where(Pod.deleted_at.is_(None), PodStatus.phase == Phase.MONITORED)
        .group_by(column, *_GOVERNED_BY)
    )


def _tally(parts: dict[int, Part], ill: dict[int, Ill], total: _Total) -> Tally:
    suspects_of: dict[int, int] = defaultdict(int)
    counted = total.pods
    for pod_id, part in parts.items():
        one = ill[pod_id]
        is_in_total = one.is_healed and one.row.phase == Phase.MONITORED
        if part == Part.SUSPECT:
            suspects_of[one.row.tenant_id] += 1
        # A pod that is being healed starts, so it is not among the monitored; one left out is.
        counted += int(part != Part.NEITHER) - int(is_in_total)
    return Tally(dict(suspects_of), counted, len(total.tenants | set(suspects_of)) > 1, limits())
