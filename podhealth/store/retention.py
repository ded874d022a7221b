"""What is old goes: days of results, and rows of history in small batches. What is open stays, however old.

Safe beside writes: on PostgreSQL a day is detached before it is dropped, on SQLite no transaction holds the one write
lock for longer than about 50 ms, and between two others get their turn (hazards F91). When it runs is unknown here.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from threading import Event
from typing import Any

import sqlalchemy as sa

from podhealth import clock
from podhealth.core.words import OPEN_HEAL_STATES, MessageState
from podhealth.models import (
    Approval,
    AuditEntry,
    CheckRun,
    Decision,
    Delivery,
    Episode,
    FeedEntry,
    FiveMinutes,
    Heal,
    Hour,
    Incident,
    IncidentEntry,
    IncidentMember,
    IncidentUpdate,
    Invitation,
    Letter,
    Message,
    Notice,
    PhaseChange,
    PolicyDraft,
    Result,
    Session,
    ShadowHeal,
    SignInLink,
    Submission,
    Telling,
    Transition,
)
from podhealth.store import audit, partitions
from podhealth.store.db import db_now, read, write
from podhealth.store.kept import kept

SUBMISSIONS_KEPT = timedelta(hours=24)
ENTRIES_KEPT = timedelta(days=30)  # sessions and sign-in links that are over

_BUDGET_S = 5.0
_AIM_S = 0.025
_SMALLEST, _FIRST, _LARGEST = 20, 200, 5_000


@dataclass
class _Pace:
    """How much to delete next, so that a transaction takes 25 ms, and how long to go on in all."""

    ends_at: float
    size: int = _FIRST
    rest: Event = field(default_factory=Event)

    def is_over(self) -> bool:
        return clock.monotonic() >= self.ends_at

    def took(self, seconds: float) -> None:
        grown = self.size * _AIM_S / max(seconds, 0.001)
        self.size = int(min(max(grown, _SMALLEST), 2 * self.size, _LARGEST))
        # Others wait for the lock by trying again after up to 100 ms: without a rest they would never meet it open.
        self.rest.wait(max(2 * seconds, 0.01))


def clean(engine: sa.Engine) -> None:
    """Remove what is past its time, for at most about five seconds; the next call goes on (behaviour §8)."""
    with read(engine) as conn:
        now = db_now(conn)
    of = kept()
    pace = _Pace(clock.monotonic() + _BUDGET_S)
    _clean_results(engine, now - of.results, pace)
    _clean_feed(engine, now - of.feed, pace)
    _clean_rollups(engine, FiveMinutes, now - of.five_minutes, pace)
    _clean_rollups(engine, Hour, now - of.hours, pace)
    heals_until = now - of.heals
    _by_id(engine, Decision, Decision.at < heals_until, _of_open_episode(Decision.episode_id), pace)
    _by_id(engine, Heal, Heal.triggered_at < heals_until, Heal.state.in_(OPEN_HEAL_STATES), pace)
    _by_id(engine, Approval, Approval.wanted_at < heals_until, _of_open_episode(Approval.episode_id), pace)
    _by_id(engine, ShadowHeal, ShadowHeal.at < heals_until, _of_open_episode(ShadowHeal.episode_id), pace)
    _by_id(engine, Episode, Episode.opened_at < heals_until, _is_needed_episode(heals_until), pace)
    never = sa.false()
    _by_id(engine, Transition, Transition.at < now - of.transitions, never, pace)
    _by_id(engine, PhaseChange, PhaseChange.at < now - of.transitions, never, pace)
    _by_id(engine, Session, Session.created_at < now - ENTRIES_KEPT, Session.expires_at >= now - ENTRIES_KEPT, pace)
    links_until = now - ENTRIES_KEPT
    _by_id(engine, Letter, Letter.created_at < links_until, sa.false(), pace)
    _by_id(engine, Invitation, Invitation.created_at < links_until, Invitation.expires_at >= links_until, pace)
    _by_id(engine, SignInLink, SignInLink.created_at < links_until, SignInLink.expires_at >= links_until, pace)
    _clean_messages(engine, heals_until, pace)
    _clean_incidents(engine, heals_until, pace)
    _clean_trails(engine, now - of.audit, pace)
    with write(engine) as conn:
        conn.execute(sa.delete(Submission).where(Submission.at < now - SUBMISSIONS_KEPT))
        conn.execute(sa.delete(CheckRun).where(CheckRun.asked_at < now - SUBMISSIONS_KEPT))
        conn.execute(sa.delete(PolicyDraft).where(PolicyDraft.expires_at <= now))


def _clean_messages(engine: sa.Engine, until: datetime, pace: _Pace) -> None:
    on_its_way = Message.state.in_((MessageState.GATHERING, MessageState.WAITING))
    goes_on = sa.exists().where(Telling.thread_id == Message.thread_id, Telling.ended_at.is_(None)).correlate(Message)
    _by_id(engine, Delivery, Delivery.at < until, sa.false(), pace)
    _by_id(engine, Message, Message.created_at < until, sa.or_(on_its_way, goes_on), pace)
    _by_id(engine, Notice, Notice.at < until, Notice.grouped_at.is_(None), pace)
    with write(engine) as conn:
        conn.execute(sa.delete(Telling).where(Telling.ended_at < until))


def _clean_trails(engine: sa.Engine, until: datetime, pace: _Pace) -> None:
    with read(engine) as conn:
        chains = audit.to_cut(conn, until)
    for chain in chains:
        with write(engine) as conn:
            cut_seq = audit.cut(conn, chain, until)
        cut_off = sa.select(AuditEntry.id).where(AuditEntry.chain == chain, AuditEntry.seq <= cut_seq)
        while not pace.is_over():
            with read(engine) as conn:
                ids = list(conn.scalars(cut_off.order_by(AuditEntry.seq).limit(pace.size)))
            if not ids:
                break
            _delete(engine, AuditEntry, AuditEntry.id, ids, pace)


def _of_open_episode(episode_id: Any) -> sa.ColumnElement[bool]:
    return sa.exists().where(Episode.id == episode_id, Episode.closed_at.is_(None)).correlate_except(Episode)


def _is_needed_episode(until: datetime) -> sa.ColumnElement[bool]:
    # Rows that point to it go first, but a budget of time may end between them and it.
    needed = [sa.exists().where(of.episode_id == Episode.id).correlate(Episode) for of in (Heal, Approval, ShadowHeal)]
    return sa.or_(Episode.closed_at.is_(None), Episode.closed_at >= until, *needed)


def _clean_incidents(engine: sa.Engine, until: datetime, pace: _Pace) -> None:
    is_needed = sa.or_(Incident.recovered_at.is_(None), Incident.recovered_at >= until)
    _by_id(engine, Incident, Incident.opened_at < until, is_needed, pace, _forget_parts)


def _forget_parts(conn: sa.Connection, incident_ids: list[int]) -> None:
    for part in (Telling, IncidentMember, IncidentEntry, IncidentUpdate):
        conn.execute(sa.delete(part).where(part.incident_id.in_(incident_ids)))


def _by_id(
    engine: sa.Engine,
    model: Any,
    is_old: sa.ColumnElement[bool],
    is_kept: sa.ColumnElement[bool],
    pace: _Pace,
    before: Callable[[sa.Connection, list[int]], None] | None = None,
) -> None:
    """Delete the old rows of a table whose ids grow with time, walking up from the lowest until none is old.

    ``before``: removes what hangs on the rows that go.
    """
    after = 0
    while not pace.is_over():
        window = sa.select(model.id, is_old.label("is_old"), sa.and_(is_old, sa.not_(is_kept)).label("goes"))
        with read(engine) as conn:
            rows = conn.execute(window.where(model.id > after).order_by(model.id).limit(pace.size)).all()
        _delete(engine, model, model.id, [row.id for row in rows if row.goes], pace, before)
        if not any(row.is_old for row in rows):
            return
        after = rows[-1].id


def _delete(
    engine: sa.Engine,
    model: Any,
    key: Any,
    ids: list[int],
    pace: _Pace,
    before: Callable[[sa.Connection, list[int]], None] | None = None,
) -> None:
    if not ids:
        return
    begun = clock.monotonic()
    with write(engine) as conn:
        if before is not None:
            before(conn, ids)
        conn.execute(sa.delete(model).where(key.in_(ids)))
    pace.took(clock.monotonic() - begun)


def _clean_feed(engine: sa.Engine, until: datetime, pace: _Pace) -> None:
    # By number, not by time: a clock that was set back must not leave a hole in the middle.
    oldest = sa.select(FeedEntry.tenant_id, FeedEntry.seq).where(FeedEntry.at < until).order_by(FeedEntry.at)
    while not pace.is_over():
        with read(engine) as conn:
            rows = conn.execute(oldest.limit(pace.size)).all()
        if not rows:
            return
        begun = clock.monotonic()
        with write(engine) as conn:
            for tenant_id in {row.tenant_id for row in rows}:
                last = max(row.seq for row in rows if row.tenant_id == tenant_id)
                mine = sa.delete(FeedEntry).where(FeedEntry.tenant_id == tenant_id, FeedEntry.seq <= last)
                conn.execute(mine)
        pace.took(clock.monotonic() - begun)


def _clean_rollups(engine: sa.Engine, model: Any, until: datetime, pace: _Pace) -> None:
    """Delete the oldest rollups, a bucket of some checks at a time."""
    oldest = sa.select(model.at, model.check_id).where(model.at < until).order_by(model.at, model.check_id)
    while not pace.is_over():
        with read(engine) as conn:
            rows = conn.execute(oldest.limit(pace.size)).all()
        if not rows:
            return
        of_bucket: dict[datetime, list[int]] = {}
        for row in rows:
            of_bucket.setdefault(row.at, []).append(row.check_id)
        begun = clock.monotonic()
        with write(engine) as conn:
            for at, check_ids in of_bucket.items():
                conn.execute(sa.delete(model).where(model.at == at, model.check_id.in_(check_ids)))
        pace.took(clock.monotonic() - begun)


def _clean_results(engine: sa.Engine, until: datetime, pace: _Pace) -> None:
    if engine.dialect.name == "postgresql":
        _drop_days(engine, until.date())
        return
    # No index by time: rows were added in the order of time, so the old ones are those with the lowest rowids.
    rowid = sa.literal_column("rowid", sa.Integer)
    oldest = sa.select(rowid.label("id"), Result.scheduled_at).order_by(rowid)
    while not pace.is_over():
        with read(engine) as conn:
            rows = conn.execute(oldest.limit(pace.size)).all()
        old = [row.id for row in rows if row.scheduled_at < until]
        _delete(engine, Result, rowid, old, pace)
        if len(old) < len(rows) or not rows:
            return


_OLD_TABLES = sa.text(
    "SELECT c.relname, i.inhrelid IS NOT NULL AS attached, coalesce(i.inhdetachpending, false) AS pending"
    " FROM pg_class c LEFT JOIN pg_inherits i ON i.inhrelid = c.oid"
    " WHERE c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace"
    " AND c.relname ~ '^cloud_pod_health_results_p[0-9]{8}$' ORDER BY 1"
)


def _drop_days(engine: sa.Engine, before: date) -> None:
    """Detach and drop the days before ``before``; one that is in use now is dropped by a later call."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        conn.exec_driver_sql("SET lock_timeout = '2s'")
        conn.exec_driver_sql("SET statement_timeout = '20s'")
        try:
            for row in conn.execute(_OLD_TABLES).all():
                if partitions.day_of(row.relname) < before:
                    _try_each(conn, _steps(row))
        finally:
            conn.exec_driver_sql("RESET lock_timeout")
            conn.exec_driver_sql("RESET statement_timeout")


def _steps(row: Any) -> Iterable[str]:
    detach = f"ALTER TABLE {partitions.RESULTS} DETACH PARTITION {row.relname} "
    if row.pending:
        yield detach + "FINALIZE"  # an earlier try was cut short
    elif row.attached:
        yield detach + "CONCURRENTLY"
    yield f"DROP TABLE {row.relname}"


def _try_each(conn: sa.Connection, statements: Iterable[str]) -> None:
    for statement in statements:
        try:
            conn.exec_driver_sql(statement)
        except sa.exc.OperationalError as error:
            # lock_timeout, or statement_timeout while older readers finish: nothing is lost by waiting for the next.
            if getattr(error.orig, "sqlstate", None) not in ("55P03", "57014"):
                raise
            return
