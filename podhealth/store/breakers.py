"""The breakers: how each stands, which pods it holds, whose trial it is, and what people override.

Counting is done in ``breakercounts``, once a second for all scopes; when a breaker opens, half-opens and closes is
core/breaker's rule.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa

from podhealth.core.breaker import Standing, advance, next_trial_at
from podhealth.core.facts import BreakerFacts, Facts
from podhealth.core.words import OPEN_HEAL_STATES, BreakerScope, BreakerState, FeedKind, HealState, Kind
from podhealth.models import Breaker, BreakerHold, Check, CheckState, Episode, Heal, Node, Pod, PodStatus, Tenant
from podhealth.store import advisory, incidents, podstate
from podhealth.store.advisory import Each
from podhealth.store.breakercounts import Counts, ScopeKey, count
from podhealth.store.db import db_now, read, write
from podhealth.store.feed import FeedNote, append
from podhealth.store.sql import insert

if TYPE_CHECKING:
    from podhealth.store.healfacts import Gathered

Row = sa.Row[Any]

_NEVER = Standing()
_OTHERS_AFTER = timedelta(seconds=10)
_TABLE: Any = Breaker.__table__  # by the names of its columns, as its rows are read


def lock(conn: sa.Connection, pod: Row) -> None:
    """Keep other planners out of the pod's scopes whose breaker is half-open: one heal at a time is tried there."""
    if conn.dialect.name == "sqlite":
        return
    keys = [f"{row.scope} {row.scope_key}" for row in _of_pod(conn, pod) if row.state == BreakerState.HALF_OPEN]
    for key in sorted(keys):
        advisory.hold(conn, Each.BREAKER, key)


def _of_pod(conn: sa.Connection, pod: Row) -> Sequence[Row]:
    """The breakers of the pod's scopes that are not closed, the tenant's first."""
    sees = sa.select(CheckState.vantage).join(Check, Check.id == CheckState.check_id)
    sees = sees.where(CheckState.pod_id == pod.pod_id, Check.enabled, Check.kind != Kind.RUNNING)
    is_of_it = sa.or_(
        sa.and_(Breaker.scope == BreakerScope.TENANT, Breaker.scope_key == str(pod.tenant_id)),
        sa.and_(Breaker.scope == BreakerScope.NODE, Breaker.scope_key == str(pod.node_id)),
        sa.and_(Breaker.scope == BreakerScope.VANTAGE, Breaker.scope_key.in_(sees)),
    )
    query = sa.select(Breaker.__table__).where(Breaker.state != BreakerState.CLOSED, is_of_it)
    order = list(BreakerScope)
    return sorted(conn.execute(query), key=lambda row: (order.index(row.scope), row.scope_key))


def breakers_of(conn: sa.Connection, facts: Facts, pod: Row, heal: Row | None) -> tuple[BreakerFacts, ...]:
    """Return what the gate asks of the breakers of the pod's scopes; ``heal`` is the pod's own open one."""
    return tuple(
        BreakerFacts(
            scope=row.scope,
            scope_name=name_of(conn, row),
            state=row.state,
            opened_at=row.opened_at,
            suspects=row.suspects,
            limit=row.suspect_limit,
            override_until=row.override_until,
            is_next=row.state == BreakerState.HALF_OPEN and _is_next(conn, row, facts, pod, heal),
            trial_at=row.next_trial_at if row.next_trial_at and row.next_trial_at > facts.now else None,
        )
        for row in _of_pod(conn, pod)
    )


def name_of(conn: sa.Connection, breaker: Row) -> str:
    """Return the name of what the breaker guards."""
    if breaker.scope == BreakerScope.VANTAGE:
        return str(breaker.scope_key)
    model = Tenant if breaker.scope == BreakerScope.TENANT else Node
    name = conn.execute(sa.select(model.name).where(model.id == int(breaker.scope_key))).scalar_one_or_none()
    return str(name or breaker.scope_key)


def _is_next(conn: sa.Connection, breaker: Row, facts: Facts, pod: Row, heal: Row | None) -> bool:
    if conn.execute(_open_heals_in(breaker).where(Heal.pod_id != pod.pod_id).limit(1)).first() is not None:
        return False
    if heal is not None:
        return True
    if breaker.next_trial_at is not None and facts.now < breaker.next_trial_at:
        return False
    since = facts.episode.opened_at if facts.episode else facts.now
    is_older = sa.or_(Episode.opened_at < since, sa.and_(Episode.opened_at == since, BreakerHold.pod_id < pod.pod_id))
    older = _held_by(breaker.id).where(is_older, BreakerHold.pod_id != pod.pod_id).limit(1)
    return conn.execute(older).first() is None


def _held_by(breaker_id: int) -> Any:
    """Its held pods with their episode; not those that another breaker holds while it is open: they cannot go."""
    other, others_hold = sa.orm.aliased(Breaker), sa.orm.aliased(BreakerHold)
    is_stuck = sa.exists().where(
        others_hold.pod_id == BreakerHold.pod_id, other.id == others_hold.breaker_id, other.state == BreakerState.OPEN
    )
    is_open = sa.and_(Episode.pod_id == BreakerHold.pod_id, Episode.closed_at.is_(None))
    query = sa.select(BreakerHold.pod_id, Episode.opened_at).join(Episode, is_open)
    return query.where(BreakerHold.breaker_id == breaker_id, ~is_stuck)


def _open_heals_in(breaker: Row) -> sa.Select[Any]:
    query = sa.select(Heal.pod_id).join(Pod, Pod.id == Heal.pod_id).where(Heal.state.in_(OPEN_HEAL_STATES))
    if breaker.scope == BreakerScope.TENANT:
        return query.where(Heal.tenant_id == int(breaker.scope_key))
    if breaker.scope == BreakerScope.NODE:
        return query.where(sa.or_(Pod.node_id == int(breaker.scope_key), Heal.node_id == int(breaker.scope_key)))
    sees = sa.exists().where(CheckState.pod_id == Heal.pod_id, CheckState.vantage == breaker.scope_key)
    return query.where(sees)


def keep_holds(conn: sa.Connection, g: "Gathered", is_held: bool) -> None:
    """Note which breakers hold the pod after a decision; where none does, that none does any more.

    While one holds it, it stays held also by those that would let it pass: it is as ill as before, and they would
    close over pods that nobody has healed.
    """
    stays: set[int] = set()
    if is_held:
        now = g.facts.now
        rows = [r for r in _of_pod(conn, g.pod) if r.override_until is None or r.override_until <= now]
        passes = {(one.scope, one.scope_name) for one in g.facts.breakers if one.is_next}
        stays = {row.id for row in rows}
        kept = {row.id for row in rows if (row.scope, name_of(conn, row)) not in passes}
        row = {"pod_id": g.pod.pod_id, "tenant_id": g.pod.tenant_id, "since": now}
        for breaker_id in sorted(kept):
            conn.execute(insert(conn, BreakerHold).values(breaker_id=breaker_id, **row).on_conflict_do_nothing())
    gone = sa.delete(BreakerHold).where(BreakerHold.pod_id == g.pod.pod_id, BreakerHold.breaker_id.not_in(stays))
    conn.execute(gone)


def heal_ended(conn: sa.Connection, heal: Row, state: HealState, now: datetime) -> None:
    """Note when the next heal may be tried in the half-open scopes of a heal that ended so; under its pod's lock."""
    pod: Any = sa.select(Pod.id.label("pod_id"), Pod.tenant_id, Pod.node_id).where(Pod.id == heal.pod_id)
    for row in _of_pod(conn, conn.execute(pod).one()):
        if row.state == BreakerState.HALF_OPEN:
            update = sa.update(Breaker).where(Breaker.id == row.id)
            conn.execute(update.values(next_trial_at=next_trial_at(state, now)))


def watch(engine: sa.Engine) -> dict[int, int]:
    """Count all scopes, let breakers open, half-open and close, and have the pods judged whose turn it is (tick)."""
    with read(engine) as conn:
        now = db_now(conn)
        counts = count(conn, now)
        moves = [_next(conn, scope, counts, now) for scope in sorted(counts.tallies, key=_widest_first)]
        firsts = _firsts(conn, now) if counts.tallies else []
    if not firsts and not any(move.is_news for move in moves):
        return {}
    with write(engine, durable=True) as conn:
        changing = [move.scope for move in moves if move.is_change]
        podstate.lock_pods(conn, [*firsts, *(_concerned(conn, changing, counts) if changing else [])])
        now = db_now(conn)
        podstate.judge_by(conn, firsts, now)
        notes = [note for move in moves if move.is_news for note in _move(conn, move.scope, counts, now)]
        return append(conn, notes)


def _concerned(conn: sa.Connection, scopes: Iterable[ScopeKey], counts: Counts) -> list[int]:
    # Those that have something to judge: suspects in the middle of it, and whatever is held.
    suspects = {pod_id for scope in scopes for pod_id in counts.suspects[scope]}
    in_episode = conn.execute(sa.select(Episode.pod_id).where(Episode.closed_at.is_(None))).scalars()
    held = conn.execute(sa.select(BreakerHold.pod_id)).scalars()
    return sorted((suspects & set(in_episode)) | set(held))


def _widest_first(scope: ScopeKey) -> tuple[int, str]:
    # What concerns a whole tenant is told in one incident, which must be there before those of its nodes.
    return list(BreakerScope).index(scope.scope), scope.key


class _Next(NamedTuple):
    """How a breaker is to stand now; ``is_news``: its row says something else, ``is_change``: another state."""

    scope: ScopeKey
    was: Standing
    stands: Standing
    values: dict[str, Any]
    row: Row | None
    is_news: bool
    is_change: bool


def _next(conn: sa.Connection, scope: ScopeKey, counts: Counts, now: datetime, lock: bool = False) -> _Next:
    row, tally = _row_of(conn, scope, lock), counts.tallies[scope]
    was = _NEVER if row is None else Standing(row.state, row.opened_at, row.half_open_at, row.calm_since)
    stands = advance(was, tally, now)
    values: dict[str, Any] = {"state": stands.state, "opened_at": stands.opened_at, "calm_since": stands.calm_since}
    values |= {"half_open_at": stands.half_open_at, "suspects": tally.suspects, "suspect_limit": tally.limit}
    values |= {"rest": tally.counted}
    is_known = row is not None and stands.state != BreakerState.CLOSED
    is_change = stands.state != was.state
    is_news = is_change or (is_known and any(getattr(row, name) != value for name, value in values.items()))
    return _Next(scope, was, stands, values, row, is_news, is_change)


def _row_of(conn: sa.Connection, scope: ScopeKey, lock: bool) -> Row | None:
    query = sa.select(Breaker.__table__).where(Breaker.scope == scope.scope, Breaker.scope_key == scope.key)
    return conn.execute(query.with_for_update() if lock else query).one_or_none()


def _move(conn: sa.Connection, scope: ScopeKey, counts: Counts, now: datetime) -> list[FeedNote]:
    move = _next(conn, scope, counts, now, lock=True)
    if not move.is_news:
        return []
    breaker = _store(conn, scope, move.row, move.values | {"updated_at": now})
    notes = [FeedNote(tenant_id, FeedKind.BREAKER, None, breaker.id) for tenant_id in tenants_in(conn, scope)]
    return notes + (_changed(conn, breaker, counts.suspects[scope], now) if move.is_change else [])


def _store(conn: sa.Connection, scope: ScopeKey, row: Row | None, values: dict[str, Any]) -> Row:
    key = {"scope": scope.scope, "scope_key": scope.key}
    if row is None:
        conn.execute(insert(conn, _TABLE).values(**key, **values).on_conflict_do_nothing())
    else:
        conn.execute(sa.update(_TABLE).where(Breaker.id == row.id).values(**values))
    stored = _row_of(conn, scope, lock=True)
    assert stored is not None  # written just now
    return stored


def _changed(conn: sa.Connection, breaker: Row, suspects: Iterable[int], now: datetime) -> list[FeedNote]:
    """What follows of a new state: the pods concerned are judged at once, and people are told."""
    held = conn.execute(sa.select(BreakerHold.pod_id).where(BreakerHold.breaker_id == breaker.id)).scalars().all()
    if breaker.state == BreakerState.CLOSED:
        conn.execute(sa.delete(BreakerHold).where(BreakerHold.breaker_id == breaker.id))
    conn.execute(sa.update(Breaker).where(Breaker.id == breaker.id).values(next_trial_at=None))
    in_trouble = sa.select(PodStatus.pod_id).join(Episode, Episode.pod_id == PodStatus.pod_id)
    in_trouble = in_trouble.where(PodStatus.pod_id.in_(list(suspects)), Episode.closed_at.is_(None))
    # Half-open, the one whose trial it is is judged by the next count; a thousand others must not be before it.
    at = now + _OTHERS_AFTER if breaker.state == BreakerState.HALF_OPEN else now
    podstate.judge_by(conn, {*held, *conn.execute(in_trouble).scalars()}, at)
    return incidents.breaker_changed(conn, breaker, now)


def tenants_in(conn: sa.Connection, scope: ScopeKey) -> list[int]:
    """Return the tenants that have pods in the scope."""
    if scope.scope == BreakerScope.TENANT:
        return [int(scope.key)]
    query = sa.select(Pod.tenant_id).where(Pod.deleted_at.is_(None)).distinct().order_by(Pod.tenant_id)
    if scope.scope == BreakerScope.NODE:
        return list(conn.execute(query.where(Pod.node_id == int(scope.key))).scalars())
    seen = sa.select(CheckState.tenant_id).where(CheckState.vantage == scope.key).distinct()
    return list(conn.execute(seen.order_by(CheckState.tenant_id)).scalars())


def _firsts(conn: sa.Connection, now: datetime) -> list[int]:
    """The pods whose trial it is in every half-open breaker that holds them."""
    query = sa.select(Breaker.__table__).where(Breaker.state == BreakerState.HALF_OPEN).order_by(Breaker.id)
    first_in: dict[int, set[int]] = defaultdict(set)
    for row in conn.execute(query).all():
        may_try = row.next_trial_at is None or row.next_trial_at <= now
        if may_try and conn.execute(_open_heals_in(row).limit(1)).first() is None:
            oldest = _held_by(row.id).order_by(Episode.opened_at, BreakerHold.pod_id).limit(1)
            for pod_id, _ in conn.execute(oldest):
                first_in[pod_id].add(row.id)
    holds = sa.select(BreakerHold.pod_id, BreakerHold.breaker_id).where(BreakerHold.pod_id.in_(list(first_in)))
    held_by: dict[int, set[int]] = defaultdict(set)
    for pod_id, breaker_id in conn.execute(holds):
        held_by[pod_id].add(breaker_id)
    return [pod_id for pod_id, of in first_in.items() if held_by[pod_id] <= of]
