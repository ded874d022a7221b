"""The database's clock was set back: what is to come moves with it, and what was seen does not look newer than it is.

Without this nothing would be probed, judged or healed until the clock is where it was, and all would look fresh
meanwhile. The newest moment that any process of ours has stored says that it happened (hazards F44). History stays as
it was written; what people set by the calendar (windows, snoozes, sessions) means the new clock anyway.
"""

from datetime import timedelta
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import DeclarativeBase

from podhealth.core.words import Phase
from podhealth.models import (
    Breaker,
    CheckState,
    Episode,
    Heal,
    Heartbeat,
    Incident,
    Message,
    PodStatus,
    Reference,
    Source,
    TickStep,
    Vantage,
    Worker,
)
from podhealth.models.base import MICROSECOND, UtcTime, from_us, to_us
from podhealth.store.db import db_now, read, write

log = structlog.get_logger(__name__)

# Less is the drift of a good clock, or the age of the newest beat.
LEAST = timedelta(seconds=5)

_Model = type[DeclarativeBase]
# The state of things, in the order in which rows are locked, with what of it is a moment. Since when something is as it
# is stands in history too, and stays; until when a pod is in maintenance is said by people.
_MOVED: tuple[tuple[_Model, str], ...] = (
    (
        PodStatus,
        "bad_since starting_since starting_until unreachable_since last_start_at last_check_at last_healthy_at"
        " last_unhealthy_at last_transition_at last_auto_heal_at cooldown_cleared_at judge_at judge_lease_until"
        " chronic_acknowledged_at hold_since hold_told_at heal_wanted_since tell_at flapping_told_at",
    ),
    (CheckState, "next_at slot_at due_at bad_since fresh_until last_at last_begun_at probe_soon_until"),
    (
        Heal,
        "triggered_at started_at action_ended_at start_deadline_at verify_until held_since completed_at next_step_at"
        " lease_until called_at",
    ),
    (Episode, "opened_at exhausted_at closed_at"),
    (Incident, "opened_at bad_since updated_at recovered_at check_at cause_ended_at"),
    (Breaker, "opened_at half_open_at calm_since next_trial_at updated_at"),
    (Message, "created_at due_at lease_until composed_at"),
    (Source, "next_at lease_until tried_at read_at error_since failing_since"),
    (Reference, "begun_at good_begun_at"),
    (Vantage, "blind_since good_begun_at checked_at"),
    (Heartbeat, "received_at job_started_at job_ended_at"),
    (TickStep, "due_at lease_until ran_at"),
    (Worker, "started_at beat_at"),
)


def follow(engine: sa.Engine) -> None:
    """Move what is to come by as much as the clock was set back, if it was. Idempotent; anybody may call it."""
    with read(engine) as conn:
        if _behind(conn) < LEAST:
            return
    with write(engine) as conn:
        by = _behind(conn)
        if by >= LEAST:
            _move(conn, by)
            log.warning("the clock was set back", seconds=round(by.total_seconds()))


def _behind(conn: sa.Connection) -> timedelta:
    moments = (sa.select(sa.func.max(Worker.beat_at)), sa.select(sa.func.max(TickStep.ran_at)))
    known = [moment for moment in conn.execute(sa.union_all(*moments)).scalars().all() if moment is not None]
    now = db_now(conn)
    return max(known, default=now) - now


def _move(conn: sa.Connection, by: timedelta) -> None:
    now = to_us(db_now(conn))
    for model, names in _MOVED:
        columns = [getattr(model, name) for name in names.split()]
        is_ahead = sa.or_(*(column > from_us(now) for column in columns))
        moved = {column.key: _moved(column, now, by) for column in columns}
        conn.execute(sa.update(model).where(is_ahead).values(moved))
    # A phase that we set ourselves ends with what it waits for.
    until = PodStatus.phase_until
    own = sa.update(PodStatus).where(PodStatus.phase != Phase.MAINTENANCE, until > from_us(now))
    conn.execute(own.values(phase_until=_moved(until, now, by)))


def _moved(column: Any, now: int, by: timedelta) -> sa.ColumnElement[Any]:
    at = sa.type_coerce(column, sa.BigInteger)
    return sa.type_coerce(sa.case((at > now, at - by // MICROSECOND), else_=at), UtcTime)
