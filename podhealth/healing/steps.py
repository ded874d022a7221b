"""One short step of one heal: leased, done, stored; whoever comes next goes on from the row.

Nothing waits here: a step that has nothing to do yet says when to look again.
"""

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from podhealth import clock
from podhealth.core.words import HealState
from podhealth.healing import act, reap, verify
from podhealth.models import Pod
from podhealth.store import healsteps
from podhealth.store.db import db_now, read, write
from podhealth.store.sources import SOURCE_CONFIG

_HEALS_A_TICK = 50
_SECONDS_A_TICK = 4.0

Row = sa.Row[Any]
Step = Callable[[sa.Engine, Row, Row], dict[int, int]]


def _running(heal: Row) -> Step:
    return verify.follow_task if heal.provider_task is not None else reap.adopt_or_call


_STEPS: dict[HealState, Callable[[Row], Step]] = {
    HealState.PLANNED: lambda _: act.begin,
    HealState.RUNNING: _running,
    HealState.VERIFYING: lambda _: verify.verify,
}


def step(engine: sa.Engine, heal_id: int) -> dict[int, int] | None:
    """Take the next step of a heal; return the newest feed numbers, or null where there was no step to take."""
    with write(engine) as conn:
        heal = healsteps.take(conn, heal_id, db_now(conn))
        if heal is None:
            return None
        columns = (Pod.__table__, Pod.id.label("pod_id"), SOURCE_CONFIG)
        pod = conn.execute(sa.select(*columns).where(Pod.id == heal.pod_id)).one()
    return _STEPS[heal.state](heal)(engine, heal, pod)


def run_due(engine: sa.Engine, is_over: Callable[[], bool] = lambda: False) -> dict[int, int]:
    """Take one step of each heal whose time has come, for some seconds at most; none begins once ``is_over``."""
    published: dict[int, int] = {}
    ends = clock.monotonic() + _SECONDS_A_TICK
    with read(engine) as conn:
        heals = healsteps.due(conn, db_now(conn), _HEALS_A_TICK)
    for heal_id in heals:
        if clock.monotonic() >= ends or is_over():
            break
        published |= step(engine, heal_id) or {}
    return published
