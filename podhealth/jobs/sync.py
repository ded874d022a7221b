"""The threads that read sources: a slow cluster holds up neither ticks nor heals, nor other tenants' sources.

Woken by the tick, they look in the database for what is due; nothing of it is in Redis, so nothing can be lost there.
"""

import threading
from functools import cache
from typing import Any

import sqlalchemy as sa
import structlog

from podhealth.healing.sync import Synced, claim_next, sync_claimed
from podhealth.jobs.parts import Parts, parts
from podhealth.store import sources
from podhealth.store.db import read

log = structlog.get_logger(__name__)

READERS = 4

Row = sa.Row[Any]


class Readers:
    """The threads of this process that read sources, one a tenant; they end when nothing is due."""

    def __init__(self, here: Parts) -> None:
        self._here = here
        self._lock = threading.Lock()
        self._threads: set[threading.Thread] = set()
        self._taking = threading.Lock()
        self._in_hand: set[int] = set()  # tenants; changed by who holds the lock above

    def wake(self) -> None:
        """Have what is due read; returns at once."""
        with read(self._here.engine) as conn:
            is_due = sources.is_any_due(conn)
        if is_due:
            self._add()

    def join(self) -> None:
        """Wait until what is being read is done; what this process dies over, another reads when its lease is over."""
        with self._lock:
            threads = list(self._threads)
        for thread in threads:
            thread.join()

    def _add(self) -> None:
        with self._lock:
            if len(self._threads) >= READERS or self._here.leaving.is_set():
                return
            thread = threading.Thread(target=self._run, name="sync", daemon=True)
            self._threads.add(thread)
        thread.start()

    def _run(self) -> None:
        try:
            while not self._here.leaving.is_set():
                source = self._take()
                if source is None:
                    return
                self._add()  # another tenant's may be due: the next reader looks while this one waits for its cluster
                self._read(source)
        except sa.exc.DBAPIError as error:
            log.warning("sync put off", error=str(error.orig))
        except Exception:  # the thread's head: nobody would see why it ended
            log.exception("sync failed")
        finally:
            with self._lock:
                self._threads.discard(threading.current_thread())

    def _take(self) -> Row | None:
        # One at a time: two that look at one moment would both find a tenant that nobody reads for.
        with self._taking:
            source = claim_next(self._here.engine, sorted(self._in_hand))
            if source is not None:
                self._in_hand.add(source.tenant_id)
            return source

    def _read(self, source: Row) -> None:
        try:
            with self._here.under_way.at(f"source {source.id}"):
                _log(sync_claimed(self._here.engine, source, self._here.settings.pod_networks, self._here.publish))
        finally:
            with self._taking:
                self._in_hand.discard(source.tenant_id)


def _log(done: Synced) -> None:
    source_id = done.source.id
    if done.error is not None:
        log.warning("source not read", source_id=source_id, error=done.error)
        return
    log.info("source read", source_id=source_id, **{act.value: count for act, count in done.done.items()})
    for why in done.left:
        log.warning("pod not synced", source_id=source_id, why=why)


@cache
def readers() -> Readers:
    """Return the readers of this process."""
    here = parts()
    made = Readers(here)
    here.at_end.append(made.join)
    return made


def look(_engine: sa.Engine) -> None:
    """Read the sources that are due (tick)."""
    readers().wake()
