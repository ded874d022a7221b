"""How PodHealth itself runs, read from what its processes leave in the database. For platform admins alone.

What of it is worrying is core/operation's rule. Redis is asked by the caller: nothing here knows it.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa

from podhealth.core.operation import DeadMan as Pinged
from podhealth.core.operation import Running
from podhealth.core.vantage_names import PROVIDER
from podhealth.core.words import BreakerScope, BreakerState, KillScope, MessageState
from podhealth.models import (
    Breaker,
    BreakerHold,
    Channel,
    CheckState,
    DeadMan,
    KillSwitch,
    Message,
    Node,
    Notice,
    Pod,
    Tenant,
    TickStep,
    Worker,
)
from podhealth.queues import Length
from podhealth.store import breakers, ticks, vantages, workers
from podhealth.store.alarms import alarms
from podhealth.store.claim import DEAD_AFTER_S
from podhealth.store.db import db_now
from podhealth.store.sql import insert

_A_DAY = timedelta(hours=24)
_SHOWN_FOR = timedelta(hours=1)  # how long a process that went without a word is remembered
_MOST = 200

Row = sa.Row[Any]


class WorkerLine(NamedTuple):
    """A process of ours; ``is_gone``: its beat is too old, and its claims have been freed."""

    id: str
    role: str
    vantage: str | None
    host: str
    pid: int
    started_at: datetime
    beat_at: datetime
    in_flight: int
    loop_lag_ms: float
    recorded: int
    lag_p99_ms: float | None
    capacity: int | None
    is_gone: bool


class VantageLine(NamedTuple):
    """A vantage with its checks and probers; ``references``: rows of how each reference target answered last."""

    name: str
    checks: int
    probers: int
    blind_since: datetime | None
    blind_reason: str | None
    references: Sequence[Row]


class NodeLine(NamedTuple):
    """A node that is unreachable, or one of the platform's own; ``tenant`` null: shared."""

    node_id: int
    name: str
    tenant: str | None
    address: str | None
    pods: int
    unreachable_since: datetime | None
    unreachable_reason: str | None


class BreakerLine(NamedTuple):
    """A breaker that is not closed, or overridden; ``held``: pods it holds, of all tenants."""

    breaker_id: int
    scope: BreakerScope
    key: str
    name: str
    state: BreakerState
    opened_at: datetime | None
    suspects: int
    limit: int
    held: int
    override_until: datetime | None
    override_by: str | None
    override_reason: str | None


class DeadLine(NamedTuple):
    """How many messages of a channel died within a day."""

    tenant: str
    channel: str
    many: int
    last_error: str | None


def running(
    conn: sa.Connection, now: datetime, lengths: Sequence[Length] | None, has_dead_man: bool = False
) -> Running:
    """Return the measured figures of the operation at ``now``: a few short queries, each by an index.

    ``lengths``: of the queues; null where Redis does not answer.
    """
    living = [one for one in workers.living(conn) if one.role == "probe"]
    lags = [one.lag_p99_ms for one in living if one.lag_p99_ms is not None]
    seen_from = set(ticks.vantages(conn)) - {PROVIDER}
    late, oldest = _overdue(conn, now)
    told_late, waiting = _outbox(conn, now)
    died = sa.select(sa.func.count()).where(Message.state == MessageState.DEAD, Message.created_at > now - _A_DAY)
    last = conn.scalar(sa.select(sa.func.max(TickStep.ran_at)))
    return Running(
        tick_age_s=None if last is None else max(0.0, (now - last).total_seconds()),
        failing_steps=conn.scalar(sa.select(sa.func.count()).where(TickStep.error.is_not(None))) or 0,
        probers=len(living),
        in_flight=sum(one.in_flight for one in living),
        lag_p99_ms=max(lags, default=None),
        overdue=late,
        overdue_s=oldest,
        outbox_s=told_late,
        waiting=waiting,
        dead_letters=conn.scalar(died) or 0,
        blind=tuple(sorted(name for name, trust in vantages.trusted(conn).items() if trust.is_blind)),
        unmanned=tuple(sorted(seen_from - {one.vantage for one in living})),
        is_redis_there=lengths is not None,
        step_late_s=step_late_s(conn, now),
        longest_queue=max(((one.queue, one.waiting) for one in lengths or ()), key=lambda one: one[1], default=None),
        fullest=_fullest(living),
        dead_man=_dead_man(conn, now) if has_dead_man else None,
    )


def step_late_s(conn: sa.Connection, now: datetime) -> float:
    """Return how long the most overdue step of the tick has waited for somebody to run it."""
    is_free = sa.or_(TickStep.lease_until.is_(None), TickStep.lease_until <= now)
    due_at = conn.scalar(sa.select(sa.func.min(TickStep.due_at)).where(is_free))
    return 0.0 if due_at is None else max(0.0, (now - due_at).total_seconds())


def _fullest(living: Sequence[workers.Living]) -> tuple[str, int, int] | None:
    sums: dict[str, tuple[int, int]] = {}
    for one in living:
        if one.vantage is not None and one.capacity:
            in_flight, most = sums.get(one.vantage, (0, 0))
            sums[one.vantage] = in_flight + one.in_flight, most + one.capacity
    full = [(name, in_flight, most) for name, (in_flight, most) in sums.items()]
    return max(full, key=lambda one: one[1] / one[2], default=None)


def _dead_man(conn: sa.Connection, now: datetime) -> Pinged:
    row = conn.execute(sa.select(DeadMan.pinged_at, DeadMan.said)).one_or_none()
    if row is None:
        return Pinged(None, None)
    return Pinged(None if row.pinged_at is None else max(0.0, (now - row.pinged_at).total_seconds()), row.said)


def note_dead_man(conn: sa.Connection, said: str | None) -> None:
    """Store that the dead-man URL answered just now, or why it was not pinged."""
    now = db_now(conn)
    values = {"tried_at": now, "said": said} | ({"pinged_at": now} if said is None else {})
    statement = insert(conn, DeadMan).values(id=1, **values)
    conn.execute(statement.on_conflict_do_update(index_elements=[DeadMan.id], set_=values))


def _overdue(conn: sa.Connection, now: datetime) -> tuple[int, float]:
    """Count the checks that have waited for a prober longer than they should, and how long the first has."""
    many, first = 0, now
    for vantage in ticks.vantages(conn):
        if vantage == PROVIDER:
            continue
        late = (CheckState.vantage == vantage, CheckState.next_at < now - timedelta(seconds=alarms().overdue_s))
        count, oldest = conn.execute(sa.select(sa.func.count(), sa.func.min(CheckState.next_at)).where(*late)).one()
        many, first = many + count, min(first, oldest or now)
    return many, (now - first).total_seconds() if many else 0.0


def _outbox(conn: sa.Connection, now: datetime) -> tuple[float, int]:
    new = conn.execute(sa.select(sa.func.min(Notice.at), sa.func.count()).where(Notice.grouped_at.is_(None))).one()
    is_due = (Message.state == MessageState.WAITING, Message.due_at <= now)
    due = conn.execute(sa.select(sa.func.min(Message.due_at), sa.func.count()).where(*is_due)).one()
    ages = [(now - oldest).total_seconds() for oldest, _ in (new, due) if oldest is not None]
    return max(0.0, *ages) if ages else 0.0, int(new[1] + due[1])


def worker_lines(conn: sa.Connection, now: datetime) -> list[WorkerLine]:
    """Return the processes that live, and those that went within the hour without a word."""
    names = WorkerLine._fields[:-1]
    table = Worker.__table__
    rows = conn.execute(
        sa.select(*(table.c[name] for name in names))
        .where(Worker.beat_at > now - _SHOWN_FOR)
        .order_by(Worker.role, Worker.vantage, Worker.id)
        .limit(_MOST)
    )
    dead = now - timedelta(seconds=DEAD_AFTER_S)
    return [WorkerLine._make((*row, row.beat_at < dead)) for row in rows]


def vantage_lines(conn: sa.Connection) -> list[VantageLine]:
    """Return the vantages by name."""
    counted = sa.select(CheckState.vantage, sa.func.count()).where(CheckState.next_at.is_not(None))
    checks = {row[0]: row[1] for row in conn.execute(counted.group_by(CheckState.vantage))}
    probers = [one.vantage for one in workers.living(conn, "probe")]
    return [
        VantageLine(
            one.name,
            checks.get(one.name, 0),
            probers.count(one.name),
            one.row.blind_since if one.row is not None else None,
            one.row.blind_reason if one.row is not None else None,
            one.references,
        )
        for one in vantages.list_all(conn)
    ]


def node_lines(conn: sa.Connection) -> list[NodeLine]:
    """Return the platform's shared nodes and all unreachable ones, those first."""
    pods = sa.select(sa.func.count()).where(Pod.node_id == Node.id, Pod.deleted_at.is_(None)).scalar_subquery()
    rows = conn.execute(
        sa.select(
            Node.id,
            Node.name,
            Tenant.name.label("tenant"),
            Node.address,
            pods.label("pods"),
            Node.unreachable_since,
            Node.unreachable_reason,
        )
        .outerjoin(Tenant, Tenant.id == Node.tenant_id)
        .where(Node.deleted_at.is_(None), sa.or_(Node.tenant_id.is_(None), Node.unreachable_since.is_not(None)))
        .order_by(Node.unreachable_since.is_(None), Node.name, Node.id)
        .limit(_MOST)
    )
    return [NodeLine(*row) for row in rows]


def breaker_lines(conn: sa.Connection, now: datetime) -> list[BreakerLine]:
    """Return the breakers that hold, are half-open, or are overridden."""
    held = sa.select(sa.func.count()).where(BreakerHold.breaker_id == Breaker.id).scalar_subquery()
    is_news = sa.or_(Breaker.state != BreakerState.CLOSED, Breaker.override_until > now)
    query = sa.select(Breaker.__table__, held.label("held")).where(is_news)
    rows = conn.execute(query.order_by(Breaker.scope, Breaker.id).limit(_MOST)).all()
    return [_breaker(conn, row, now) for row in rows]


def _breaker(conn: sa.Connection, row: Row, now: datetime) -> BreakerLine:
    is_over = row.override_until is not None and row.override_until > now
    over = (row.override_until, row.override_by, row.override_reason) if is_over else (None, None, None)
    what = (row.id, row.scope, row.scope_key, breakers.name_of(conn, row))
    return BreakerLine(*what, row.state, row.opened_at, row.suspects, row.suspect_limit, row.held, *over)


def system_switches(conn: sa.Connection, now: datetime) -> list[Row]:
    """Return the kill switches in force that stop all healing: id, by, reason, at, until."""
    k = KillSwitch
    query = sa.select(k.id, k.by, k.reason, k.at, k.until).where(
        k.scope == KillScope.SYSTEM, k.ended_at.is_(None), k.until > now
    )
    return list(conn.execute(query.order_by(k.id)))


def dead_lines(conn: sa.Connection, now: datetime) -> list[DeadLine]:
    """Return which channels had messages die within a day, the most first."""
    many = sa.func.count().label("many")
    query = (
        sa.select(Tenant.name.label("tenant"), Channel.name.label("channel"), many, sa.func.max(Message.last_error))
        .join(Channel, Channel.id == Message.channel_id)
        .join(Tenant, Tenant.id == Message.tenant_id)
        .where(Message.state == MessageState.DEAD, Message.created_at > now - _A_DAY)
        .group_by(Tenant.name, Channel.name)
        .order_by(many.desc())
        .limit(_MOST)
    )
    return [DeadLine(*row) for row in conn.execute(query)]


def step_lines(conn: sa.Connection) -> list[Row]:
    """Return the steps of the tick by name: when each is due, when it last ran, how long it took, why it failed."""
    t = TickStep
    return list(conn.execute(sa.select(t.name, t.due_at, t.ran_at, t.took_ms, t.error).order_by(t.name)))
