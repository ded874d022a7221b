"""What there is and how it goes, counted for the whole installation: for /metrics, without a tenant's names.

Counts of rows; ages and lags stand in store/operation.py.
"""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa

from podhealth.core.vantage_names import PROVIDER
from podhealth.core.words import BreakerState, HealState, Status
from podhealth.models import Breaker, CheckState, Heal, KillSwitch, Node, Pod, PodStatus, TickStep, Vantage
from podhealth.store import ticks

_A_DAY = timedelta(hours=24)

Row = sa.Row[Any]


class Brakes(NamedTuple):
    """What holds heals, or keeps results from being believed."""

    breakers: int
    switches: int
    nodes: int


def checks(conn: sa.Connection) -> dict[str, int]:
    """Return how many checks that are probed have each status."""
    query = sa.select(CheckState.status, sa.func.count()).where(CheckState.next_at.is_not(None))
    return _all(Status, conn.execute(query.group_by(CheckState.status)))


def pods(conn: sa.Connection) -> dict[str, int]:
    """Return how many pods have each status."""
    query = sa.select(PodStatus.status, sa.func.count()).join(Pod, Pod.id == PodStatus.pod_id)
    return _all(Status, conn.execute(query.where(Pod.deleted_at.is_(None)).group_by(PodStatus.status)))


def heals(conn: sa.Connection, now: datetime) -> dict[str, int]:
    """Return how many heals of the last 24 hours are in each state."""
    query = sa.select(Heal.state, sa.func.count()).where(Heal.triggered_at > now - _A_DAY)
    return _all(HealState, conn.execute(query.group_by(Heal.state)))


def _all(words: Any, found: Any) -> dict[str, int]:  # noqa: ANN401 - an enum, and rows
    return {str(word.value): 0 for word in words} | {str(row[0].value): int(row[1]) for row in found}


def brakes(conn: sa.Connection, now: datetime) -> Brakes:
    """Return how many breakers are not closed, kill switches in force, and nodes that do not answer."""
    is_open = (Breaker.state != BreakerState.CLOSED,)
    is_on = (KillSwitch.ended_at.is_(None), KillSwitch.until > now)
    is_silent = (Node.unreachable_since.is_not(None), Node.deleted_at.is_(None))
    counts = [conn.scalar(sa.select(sa.func.count()).where(*which)) or 0 for which in (is_open, is_on, is_silent)]
    return Brakes(*counts)


def vantages(conn: sa.Connection) -> dict[str, bool]:
    """Return whether each vantage with checks or references is blind."""
    seen = dict.fromkeys(set(ticks.vantages(conn)) - {PROVIDER}, False)
    rows = conn.execute(sa.select(Vantage.name, Vantage.blind_since.is_not(None)))
    return seen | {row[0]: bool(row[1]) for row in rows if row[0] != PROVIDER}


def steps(conn: sa.Connection) -> list[Row]:
    """Return the steps of the tick: name, when each last ran, how long it took in milliseconds, whether it failed."""
    t = TickStep
    columns = (t.name, t.ran_at, t.took_ms, t.error.is_not(None).label("is_failing"))
    return list(conn.execute(sa.select(*columns).order_by(t.name)))
