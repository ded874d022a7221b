"""The thread that reads sources: a slow cluster holds up neither ticks nor heals.

Woken by the tick, it looks in the database for what is due; nothing of it is in Redis, so nothing can be lost there.
"""

import threading
from functools import cache

import sqlalchemy as sa
import structlog

from podhealth.healing.sync import Synced, sync_next
from podhealth.jobs.parts import Parts, parts
from podhealth.store import sources
from podhealth.store.db import read

log = structlog.get_logger(__name__)

STOP_WITHIN_S = 8.0


class Reader:
    """The one thread of this process that reads sources; it ends when none is due."""

    def __init__(self, here: Parts) -> None:
        self._here = here
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def wake(self) -> None:
        """Have what is due read; returns at once."""
        with read(self._here.engine) as conn:
            is_due = sources.is_any_due(conn)
        with self._lock:
            is_at_work = self._thread is not None and self._thread.is_alive()
            if is_due and not is_at_work and not self._here.leaving.is_set():
                self._thread = threading.Thread(target=self._run, name="sync", daemon=True)
                self._thread.start()

    def join(self) -> None:
        """Wait a while until what is being read is done; what is not, another process reads when its lease is over."""
        thread = self._thread
        if thread is not None:
            thread.join(STOP_WITHIN_S)

    def _run(self) -> None:
        networks = self._here.settings.pod_networks
        try:
            while not self._here.leaving.is_set():
                done = sync_next(self._here.engine, networks, self._here.publish)
                if done is None:
                    return
                _log(done)
        except sa.exc.DBAPIError as error:
            log.warning("sync put off", error=str(error.orig))
        except Exception:  # the thread's head: nobody would see why it ended
            log.exception("sync failed")


def _log(done: Synced) -> None:
    source_id = done.source.id
    if done.error is not None:
        log.warning("source not read", source_id=source_id, error=done.error)
        return
    log.info("source read", source_id=source_id, **{act.value: count for act, count in done.done.items()})
    for why in done.left:
        log.warning("pod not synced", source_id=source_id, why=why)


@cache
def reader() -> Reader:
    """Return the reader of this process."""
    here = parts()
    made = Reader(here)
    here.at_end.append(made.join)
    return made


def look(_engine: sa.Engine) -> None:
    """Read the sources that are due (tick)."""
    reader().wake()
