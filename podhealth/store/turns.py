"""Slots of nodes, shares of tenants, and whose turn it is among the pods that wait (core/turns says who).

Whoever plans a heal calls ``lock`` first: two planners must not see the same place free.
"""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from podhealth.core.facts import Facts, Turn
from podhealth.core.fleet_gates import BUDGET_WITHIN, CHRONIC_WITHIN
from podhealth.core.turns import Waiting, chosen, share_of
from podhealth.core.words import Action, HealState, Phase
from podhealth.models import Heal, HealSlot, Pod, PodStatus
from podhealth.store import advisory
from podhealth.store.advisory import Each
from podhealth.store.db import db_now, read, write
from podhealth.store.limits import limits
from podhealth.store.sql import OPEN_HEALS

Row = sa.Row[Any]

_NOT_BEGUN = (HealState.PLANNED, HealState.RUNNING)
_UNDONE = (HealState.CANCELLED, HealState.SKIPPED)
_MONITORED = (Phase.MONITORED, Phase.STARTING)


def lock(conn: sa.Connection, tenant_id: int, node_id: int | None) -> None:
    """Keep other planners of the node and the tenant out until the end of this transaction.

    Advisory locks, after the pod's own: the tenant's row is the feed's, which is taken last of all.
    """
    if node_id is not None:
        advisory.hold(conn, Each.NODE_PLANS, node_id)
    advisory.hold(conn, Each.TENANT_PLANS, tenant_id)


def take_slot(conn: sa.Connection, node_id: int | None, heal_id: int, pod_id: int, now: datetime) -> None:
    """Take the node's one place for a heal that is planned. Raises IntegrityError where it is taken: who plans has
    seen it free under ``lock``."""
    if node_id is None:
        return
    conn.execute(sa.delete(HealSlot).where(HealSlot.node_id == node_id, HealSlot.node_id.in_(_given_back())))
    values = {"node_id": node_id, "heal_id": heal_id, "pod_id": pod_id, "taken_at": now}
    conn.execute(sa.insert(HealSlot).values(**values))


def _given_back() -> sa.Select[Any]:
    # A place is held to the end of the pod's start, which may be before the end of the heal or after it.
    in_hand = sa.exists().where(Heal.id == HealSlot.heal_id, Heal.state.in_(_NOT_BEGUN))
    starts = sa.exists().where(PodStatus.pod_id == HealSlot.pod_id, PodStatus.starting_since.is_not(None))
    return sa.select(HealSlot.node_id).where(~in_hand, ~starts)


def turn_of(conn: sa.Connection, facts: Facts, pod: Row) -> Turn:
    """Return whether the pod's node and its tenant's share have a place, and which pod comes before it.

    ``pod``: its row as healfacts reads it. Names of other tenants' pods are not told.
    """
    concerned = _is_wanted().where(sa.or_(PodStatus.tenant_id == pod.tenant_id, Pod.node_id == pod.node_id))
    others = concerned.where(PodStatus.pod_id != pod.pod_id)
    under_way = _count_open(pod.tenant_id, pod.pod_id).scalar_subquery()
    monitored = _count_monitored().where(PodStatus.tenant_id == pod.tenant_id).scalar_subquery()
    own, many, has_others = conn.execute(sa.select(under_way, monitored, sa.exists(others))).one()
    most = share_of(many, limits())
    taken_by = _taken_by(conn, pod)
    before = None
    if has_others and taken_by is None and own < most:
        before = _before(conn, facts, pod)
    return Turn(taken_by, own, most, before)


def _taken_by(conn: sa.Connection, pod: Row) -> str | None:
    if pod.node_id is None:
        return None
    query = (
        sa.select(Pod.name, Pod.tenant_id)
        .join(HealSlot, HealSlot.pod_id == Pod.id)
        .where(HealSlot.node_id == pod.node_id, HealSlot.node_id.not_in(_given_back()))
    )
    row = conn.execute(query).one_or_none()
    return None if row is None else _named(row.name, row.tenant_id, pod)


def _named(name: str, tenant_id: int, pod: Row) -> str:
    return name if tenant_id == pod.tenant_id else "Another pod"


def _before(conn: sa.Connection, facts: Facts, pod: Row) -> str | None:
    concerned = sa.or_(PodStatus.tenant_id == pod.tenant_id, Pod.node_id == pod.node_id)
    rows = [row for row in _waiting(conn, facts.now, concerned) if row.pod_id != pod.pod_id]
    if not rows:
        return None
    since = facts.episode.opened_at if facts.episode else facts.now
    me = Waiting(pod.pod_id, pod.tenant_id, pod.node_id, _heals_of(conn, pod.pod_id, facts.now), since)
    picked = _chosen(conn, [me, *map(_as_waiting, rows)], facts.now)
    if me in picked:
        return None
    names = {row.pod_id: row.name for row in rows}
    same_node = [one for one in picked if one.node_id == pod.node_id and pod.node_id is not None]
    for one in (*same_node, *(one for one in picked if one.tenant_id == pod.tenant_id)):
        return _named(names[one.pod_id], one.tenant_id, pod)
    return None


def _as_waiting(row: Row) -> Waiting:
    return Waiting(row.pod_id, row.tenant_id, row.node_id, row.heals, row.since)


def _chosen(conn: sa.Connection, waiting: Collection[Waiting], now: datetime) -> list[Waiting]:
    tenants = {one.tenant_id for one in waiting}
    monitored = _monitored(conn, tenants)
    used = spent_in(conn, tenants, now)
    room = {
        t: min(
            share_of(monitored.get(t, 0), limits()) - conn.execute(_count_open(t)).scalar_one(),
            limits().heals_an_hour - used.get(t, 0),
        )
        for t in tenants
    }
    nodes = sa.select(HealSlot.node_id).where(HealSlot.node_id.not_in(_given_back()))
    served = (
        sa.select(Heal.tenant_id, sa.func.max(Heal.triggered_at))
        .where(Heal.tenant_id.in_(tenants), Heal.triggered_at > now - CHRONIC_WITHIN, *counts())
        .group_by(Heal.tenant_id)
    )
    return chosen(waiting, room, conn.execute(nodes).scalars(), {t: at for t, at in conn.execute(served)})


def spent_in(conn: sa.Connection, tenants: Collection[int], now: datetime) -> dict[int, int]:
    """Return what each tenant has spent of its budget in the last hour; a planned heal has its place already."""
    query = sa.select(Heal.tenant_id, sa.func.sum(Heal.cost)).where(
        Heal.tenant_id.in_(tenants), Heal.triggered_at > now - CHRONIC_WITHIN, is_spent(now)
    )
    return {tenant_id: int(cost) for tenant_id, cost in conn.execute(query.group_by(Heal.tenant_id))}


def is_spent(now: datetime) -> sa.ColumnElement[bool]:
    """Return the condition for heals that the budget of the last hour counts: called, or about to be."""
    is_reserved = sa.and_(Heal.called_at.is_(None), Heal.state == HealState.PLANNED)
    return sa.or_(Heal.called_at > now - BUDGET_WITHIN, is_reserved)


def counts() -> tuple[Any, ...]:
    """Return the conditions for heals that have done something, or are to: those that count for who waits or is ill."""
    return Heal.action != Action.NOTIFY_ONLY, Heal.state.not_in(_UNDONE)


def _heals_since(pod_id: Any, now: datetime) -> sa.Select[Any]:
    query = sa.select(sa.func.count()).select_from(Heal)
    return query.where(Heal.pod_id == pod_id, Heal.triggered_at > now - CHRONIC_WITHIN, *counts())


def _heals_of(conn: sa.Connection, pod_id: int, now: datetime) -> int:
    return int(conn.execute(_heals_since(pod_id, now)).scalar_one())


def _waiting(conn: sa.Connection, now: datetime, *concerned: Any) -> list[Row]:
    query = (
        sa.select(
            PodStatus.pod_id,
            PodStatus.tenant_id,
            Pod.node_id,
            Pod.name,
            PodStatus.heal_wanted_since.label("since"),
            PodStatus.judge_at,
            _heals_since(PodStatus.pod_id, now).correlate(PodStatus).scalar_subquery().label("heals"),
        )
        .join(Pod, Pod.id == PodStatus.pod_id)
        .where(
            PodStatus.heal_wanted_since.is_not(None),
            Pod.deleted_at.is_(None),
            *concerned,
        )
    )
    return list(conn.execute(query))


def _is_wanted() -> Any:
    query = sa.select(PodStatus.pod_id).join(Pod, Pod.id == PodStatus.pod_id)
    return query.where(PodStatus.heal_wanted_since.is_not(None), Pod.deleted_at.is_(None))


def _count_open(tenant_id: int, but_pod: int = 0) -> Any:
    query = sa.select(sa.func.count()).select_from(Heal)
    return query.where(Heal.state.in_(OPEN_HEALS), Heal.tenant_id == tenant_id, Heal.pod_id != but_pod)


def _count_monitored() -> Any:
    # A pod that starts is one that is watched: a heal under way must not make the tenant's share smaller.
    query = sa.select(sa.func.count()).select_from(PodStatus).join(Pod, Pod.id == PodStatus.pod_id)
    return query.where(PodStatus.phase.in_(_MONITORED), Pod.deleted_at.is_(None))


def _monitored(conn: sa.Connection, tenants: Collection[int]) -> dict[int, int]:
    query = _count_monitored().add_columns(PodStatus.tenant_id).where(PodStatus.tenant_id.in_(tenants))
    return {tenant_id: many for many, tenant_id in conn.execute(query.group_by(PodStatus.tenant_id))}


def most_of(conn: sa.Connection, tenant_id: int) -> int:
    """Return how many heals the tenant may have under way at a time."""
    return share_of(_monitored(conn, [tenant_id]).get(tenant_id, 0), limits())


def wake(engine: sa.Engine) -> None:
    """Give back the places of heals that are over, and have the pods judged whose turn it is (tick)."""
    with read(engine) as conn:
        wanted = sa.select(PodStatus.pod_id).where(PodStatus.heal_wanted_since.is_not(None)).limit(1)
        if conn.execute(wanted).first() is None and conn.execute(_given_back().limit(1)).first() is None:
            return
    with write(engine) as conn:
        now = db_now(conn)
        conn.execute(sa.delete(HealSlot).where(HealSlot.node_id.in_(_given_back())))
        rows = _waiting(conn, now)
        asleep = {row.pod_id for row in rows if row.judge_at is None or row.judge_at > now}
        if asleep:
            _judge_now(conn, (one.pod_id for one in _chosen(conn, [*map(_as_waiting, rows)], now)), asleep, now)


def _judge_now(conn: sa.Connection, chosen_ids: Iterable[int], asleep: set[int], now: datetime) -> None:
    wake_up = [pod_id for pod_id in chosen_ids if pod_id in asleep]
    # Who holds a pod's lock at this moment is judging it already.
    free = sa.select(PodStatus.pod_id).where(PodStatus.pod_id.in_(wake_up)).with_for_update(skip_locked=True)
    ids = conn.execute(free).scalars().all()
    if ids:
        conn.execute(sa.update(PodStatus).where(PodStatus.pod_id.in_(ids)).values(judge_at=now))


def in_turn(query: sa.Select[Any], tenant_id: Any, due_at: Any) -> sa.Select[Any]:
    """Order what is due round robin between tenants, and inside one by how long it has been due.

    What is due since the same moment goes by the query's first column, its id: never by chance.
    """
    order = (due_at, query.selected_columns[0])
    nth = sa.func.row_number().over(partition_by=tenant_id, order_by=order)
    return query.order_by(nth, *order)
