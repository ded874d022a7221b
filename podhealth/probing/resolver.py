"""Turns DNS names into addresses on a few threads of its own, remembers them for a while, and caps the wait.

Judges no address: whoever connects does.
"""

import contextlib
import queue
import socket
import threading
from collections.abc import Callable, Sequence
from typing import NamedTuple

from podhealth.clock import monotonic

THREADS = 16
CAP_S = 2.0
KEEP_S = 30.0
KEEP_FAILURE_S = 5.0
MAX_NAMES = 20_000
MAX_ADDRESSES = 64

Resolve = Callable[[str], Sequence[str]]


class Answer(NamedTuple):
    """What is known of a name: its addresses, or why there are none; good until ``until`` (monotonic)."""

    addresses: tuple[str, ...]
    error: str | None
    until: float


def system_resolve(name: str) -> list[str]:
    """Return the addresses the operating system knows for a name. Raises OSError if it knows none."""
    found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found[:MAX_ADDRESSES]]


class Resolver:
    """A pool of daemon threads in front of a resolving function that may block for as long as it likes."""

    def __init__(self, resolve: Resolve | None, answered: Callable[[str, Answer], None]) -> None:
        """``answered(name, answer)`` is called from a pool thread when a name that was asked for is known."""
        self._resolve = resolve or system_resolve
        self._answered = answered
        self._names: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._known: dict[str, Answer] = {}
        self._threads = 0

    def known(self, name: str, now: float) -> Answer | None:
        """Return what is remembered of a name, or None if it must be asked for."""
        answer = self._known.get(name)
        return answer if answer is not None and answer.until > now else None

    def ask(self, name: str) -> None:
        """Have a name resolved; ``answered`` tells. The caller waits no longer than CAP_S."""
        if self._threads < THREADS:  # threads come with the first names: most installations have none
            self._begin_thread()
        if self._threads:
            self._names.put(name)

    def _begin_thread(self) -> None:
        thread = threading.Thread(target=self._work, name=f"resolver-{self._threads + 1}", daemon=True)
        # Where the system has no more: those that are there go on, and the next name asks again.
        with contextlib.suppress(RuntimeError):
            thread.start()
            self._threads += 1

    def remember(self, name: str, answer: Answer) -> None:
        """Keep an answer until it is too old (engine thread only)."""
        if len(self._known) >= MAX_NAMES:
            self._known.clear()
        self._known[name] = answer

    def close(self) -> None:
        """Let the threads end once they are through with what they do."""
        for _ in range(self._threads):
            self._names.put(None)

    def _work(self) -> None:
        while (name := self._names.get()) is not None:
            try:
                addresses, error = tuple(self._resolve(name))[:MAX_ADDRESSES], None
            except (OSError, UnicodeError, ValueError) as failure:
                addresses, error = (), getattr(failure, "strerror", None) or str(failure)
            if not addresses and error is None:
                error = "no addresses"
            keep_s = KEEP_S if addresses else KEEP_FAILURE_S
            self._answered(name, Answer(addresses, error, monotonic() + keep_s))
