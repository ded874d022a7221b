"""Real deadlocks on PostgreSQL, of ours and another's transaction, in which it is always ours that is ended (F38).

The results of a batch are written in one statement. So: hold the row of a check that is being probed, until the batch
with its result waits for it; ask for a row that the batch has by then; and each waits for the other.
"""

import sqlalchemy as sa

from tests.proofs.living import wait_out
from tests.support.wait import wait_for

_PILE_UP_S = 3.0
_STATES = sa.table("check_states", sa.column("check_id"), sa.column("due_at"))
_LAST_FIRST = sa.select(_STATES.c.check_id).order_by(_STATES.c.check_id.desc())
_PROBED = _LAST_FIRST.where(_STATES.c.due_at.is_not(None))
_WAITING = sa.text("SELECT count(*) FROM pg_stat_activity WHERE :pid = ANY(pg_blocking_pids(pid))")


def cross(engine: sa.Engine) -> bool:
    """Make one deadlock that ends ours; false where none came of it: where the batch had no other row, the next has."""
    try:
        return _cross(engine)
    except sa.exc.OperationalError as error:
        if "deadlock" not in str(error):
            raise
        return False  # theirs had looked before there was one, on a busy machine


def _cross(engine: sa.Engine) -> bool:
    looking = engine.execution_options(isolation_level="AUTOCOMMIT")  # what others do is looked up once a transaction
    with looking.connect() as look, engine.connect() as conn, conn.begin():
        conn.exec_driver_sql("SET LOCAL deadlock_timeout = '5s'")  # who looks first finds it, and is ended
        pid = conn.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
        last = _PROBED.limit(1).with_for_update(skip_locked=True)
        wait_for(lambda: conn.scalars(last).all(), 10, 0.001, what="a check is probed")
        wait_for(lambda: look.execute(_WAITING, {"pid": pid}).scalar_one(), 10, 0.01, what="its result waits for us")
        with conn.begin_nested() as looked:
            free = set(conn.scalars(_LAST_FIRST.with_for_update(skip_locked=True)))
            looked.rollback()  # lets go all but the one
        held = [check_id for check_id in look.scalars(_LAST_FIRST) if check_id not in free]
        if held:
            conn.execute(sa.select(_STATES).where(_STATES.c.check_id == held[0]).with_for_update()).all()
        else:
            wait_out(_PILE_UP_S)  # meanwhile nothing is claimed, and then many checks at once
        return bool(held)
