"""The relay: takes what is to be told out of the outbox and makes messages of it (a step of the tick).

Idempotent and safe beside others: all it does is one transaction at a time under one lock.
"""

import sqlalchemy as sa

from podhealth import clock
from podhealth.crashpoints import crashpoint
from podhealth.store import composing, messages
from podhealth.store.db import db_now, write

_SECONDS_A_TICK = 3.0


def run(engine: sa.Engine) -> None:
    """Group the notices that are new, end and remind of what is due, and give words to what has gathered (tick)."""
    ends = clock.monotonic() + _SECONDS_A_TICK
    while _gather(engine) and clock.monotonic() < ends:
        pass
    with write(engine) as conn:
        messages.lock_relay(conn)
        now = db_now(conn)
        messages.end_threads(conn, now)
        messages.remind(conn, now)
    with write(engine) as conn:
        messages.lock_relay(conn)
        composing.compose_due(conn, db_now(conn))
        crashpoint("alert.composed")


def _gather(engine: sa.Engine) -> int:
    with write(engine) as conn:
        messages.lock_relay(conn)
        taken = messages.gather(conn, db_now(conn))
        crashpoint("alert.gathered")
    return taken
