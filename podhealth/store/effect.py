"""Reads what core/effect counts: the heals of a tenant's policies in the last 30 days, with what came before and after.

Nothing is counted here.
"""

from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa

from podhealth.core.effect import Effect, Happened, effect
from podhealth.core.words import Action, Status
from podhealth.models import Episode, Heal, Pod, ShadowHeal, Transition
from podhealth.models.base import UtcTime
from podhealth.store.tenancy import Scope, own

SPAN = timedelta(days=30)
_MOST = 10_000


class PolicyEffect(NamedTuple):
    """What a policy did in the span, the names of its chronic pods, and how often it would have acted in shadow."""

    effect: Effect
    chronic: tuple[str, ...]
    shadow: int


def effects_of(
    conn: sa.Connection, scope: Scope, now: datetime, policy_id: int | None = None
) -> dict[int, PolicyEffect]:
    """Return the effect of each of the tenant's policies that did anything in the last 30 days, or of one of them.

    The newest 10,000 heals are counted. The caller has seen to it that a policy it names is the scope's own.
    """
    since = now - SPAN
    by_policy: dict[int, list[Happened]] = defaultdict(list)
    for row in conn.execute(_heals(scope, since, policy_id).where(Heal.policy_id.is_not(None))).all():
        by_policy[row.policy_id].append(_happened(row))
    shadows = {row[0]: int(row[1]) for row in conn.execute(_shadows(scope, since, policy_id))}
    found = {each: effect(by_policy[each]) for each in {*by_policy, *shadows}}
    names = names_of(conn, {pod for one in found.values() for pod in one.chronic_pods})
    return {
        each: PolicyEffect(one, tuple(names[pod] for pod in one.chronic_pods if pod in names), shadows.get(each, 0))
        for each, one in found.items()
    }


NOTHING = PolicyEffect(effect(()), (), 0)


def _heals(scope: Scope, since: datetime, policy_id: int | None) -> sa.Select[Any]:
    query = sa.select(
        Heal.policy_id,
        Heal.pod_id,
        Heal.action,
        Heal.state,
        Heal.triggered_at,
        Heal.completed_at,
        _bad_since(),
        _healthy_at(),
        *_next_troubles(),
    ).where(own(scope, Heal), Heal.triggered_at > since)
    if policy_id is not None:
        query = query.where(Heal.policy_id == policy_id)
    return query.order_by(Heal.triggered_at.desc()).limit(_MOST)


def _happened(row: Any) -> Happened:
    *known, opened_at, healed_at = row[1:]
    first = min((at for at in (opened_at, healed_at) if at is not None), default=None)
    return Happened(*known)._replace(next_trouble_at=first)


def _of_pod() -> tuple[Any, ...]:
    # Not by the tenant too, whose the heal's pod is: SQLite would then look through all that fell ill before.
    return Transition.pod_id == Heal.pod_id, Transition.check_id.is_(None)


def _bad_since() -> Any:
    fell_ill = (*_of_pod(), Transition.to_status == Status.UNHEALTHY, Transition.at <= Heal.triggered_at)
    query = sa.select(sa.func.coalesce(Transition.bad_since, Transition.at)).where(*fell_ill)
    newest = query.order_by(Transition.at.desc()).limit(1).correlate(Heal).scalar_subquery()
    return sa.type_coerce(newest, UtcTime())


def _healthy_at() -> Any:
    is_well = (*_of_pod(), Transition.to_status == Status.HEALTHY, Transition.at > Heal.triggered_at)
    query = sa.select(sa.func.min(Transition.at)).where(*is_well)
    return sa.type_coerce(query.correlate(Heal).scalar_subquery(), UtcTime())


def _next_troubles() -> tuple[Any, Any]:
    """The pod's next episode, and its next heal that did something."""
    other = sa.orm.aliased(Heal)
    opened = sa.select(sa.func.min(Episode.opened_at)).where(
        Episode.pod_id == Heal.pod_id, Episode.opened_at > Heal.completed_at
    )
    healed = sa.select(sa.func.min(other.triggered_at)).where(
        other.pod_id == Heal.pod_id, other.triggered_at > Heal.completed_at, other.action != Action.NOTIFY_ONLY
    )
    first, second = (query.correlate(Heal).scalar_subquery() for query in (opened, healed))
    return sa.type_coerce(first, UtcTime()), sa.type_coerce(second, UtcTime())


def _shadows(scope: Scope, since: datetime, policy_id: int | None) -> sa.Select[Any]:
    columns: tuple[Any, ...] = (ShadowHeal.policy_id, sa.func.count())
    query = sa.select(*columns).where(
        own(scope, ShadowHeal), ShadowHeal.at > since, ShadowHeal.action != Action.NOTIFY_ONLY
    )
    if policy_id is not None:
        query = query.where(ShadowHeal.policy_id == policy_id)
    return query.group_by(ShadowHeal.policy_id)


def heals_since(conn: sa.Connection, scope: Scope, since: datetime) -> list[Happened]:
    """Return the tenant's heals since then, whatever policy they were of; the newest 10,000."""
    return [_happened(row) for row in conn.execute(_heals(scope, since, None))]


def shadow_heals(conn: sa.Connection, scope: Scope, policy_id: int, now: datetime) -> int:
    """Return how often the policy would have acted in the last 30 days while it was in shadow."""
    found = conn.execute(_shadows(scope, now - SPAN, policy_id)).one_or_none()
    return 0 if found is None else int(found[1])


def names_of(conn: sa.Connection, pod_ids: set[int]) -> dict[int, str]:
    """Return the names of pods by their ids. The caller's scope owns them."""
    if not pod_ids:
        return {}
    rows = conn.execute(sa.select(Pod.id, Pod.name).where(Pod.id.in_(sorted(pod_ids))))
    return {row.id: row.name for row in rows}
