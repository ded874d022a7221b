"""The end of a process: the wish for it, what is still under way, and who sees to it that it is over in time.

One budget (core/ending) begins with the wish. Nobody who ends counts seconds of his own: whatever is under way when the
budget is spent is named in the log and left, for others to take over as after a crash.
"""

import os
import select
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from podhealth import clock
from podhealth.core.ending import END_WITHIN_S

log = structlog.get_logger(__name__)

EXIT_LEFT = 75  # sysexits: tried again, by somebody else, it will do


class Leaving:
    """Whether this process has been told to end. May be set in a signal's handler: it takes no lock."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        os.set_blocking(self._write, False)
        self._since: float | None = None

    def set(self) -> None:
        """Wake everybody who waits, now and for ever."""
        if self._since is None:
            self._since = clock.monotonic()
            os.write(self._write, b".")

    def is_set(self) -> bool:
        """Whether the process is to end."""
        return self._since is not None

    def wait(self, for_s: float | None = None) -> bool:
        """Wait at most that long, or until the process is to end; true when it is."""
        if self._since is None and (for_s is None or for_s > 0):
            poll = select.poll()
            poll.register(self._read, select.POLLIN)
            poll.poll(None if for_s is None else for_s * 1000)
        return self._since is not None

    def left_s(self, of_s: float) -> float:
        """Return what is left of ``of_s`` seconds that began when the process was told to end: all, until it is."""
        return of_s if self._since is None else max(0.0, self._since + of_s - clock.monotonic())


class UnderWay:
    """What the threads of this process are at, each in a few words, so that what is left at the end has a name."""

    def __init__(self) -> None:
        self._by_thread: dict[int, list[str]] = {}

    @contextmanager
    def at(self, what: str) -> Iterator[None]:
        """Say what this thread is at while the block lasts; a block in it says it more closely."""
        mine = self._by_thread.setdefault(threading.get_ident(), [])
        mine.append(what)
        try:
            yield
        finally:
            mine.pop()

    def names(self) -> list[str]:
        """Return what is under way now."""
        return sorted(": ".join(words) for words in list(self._by_thread.values()) if words)


class Guard:
    """The thread that ends this process when the budget of its end is spent, whatever its other threads are at."""

    def __init__(self, leaving: Leaving, under_way: UnderWay) -> None:
        self._leaving, self._under_way = leaving, under_way
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="guard", daemon=True)

    def start(self) -> None:
        """Start the thread; it does nothing before the process is told to end."""
        self._thread.start()

    def dismiss(self) -> None:
        """Say that all has ended by itself."""
        self._is_over.set()

    def _run(self) -> None:
        self._leaving.wait()
        if self._is_over.wait(self._leaving.left_s(END_WITHIN_S)):
            return
        log.warning("left at the end, others take it over", what=self._under_way.names(), after_s=END_WITHIN_S)
        os._exit(EXIT_LEFT)
