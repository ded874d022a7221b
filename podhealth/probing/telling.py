"""Tells others after a commit what has changed: on a thread of its own, so that a slow Redis delays no probe.

Nothing told here is needed for correctness: the database has it all, and its readers look by themselves too.
"""

import threading
from collections.abc import Callable, Iterable, Mapping

import structlog

log = structlog.get_logger(__name__)

Publish = Callable[[Mapping[int, int]], None]
Hint = Callable[[int], None]

_MOST_HINTS = 1_000


class Teller:
    """Passes on the newest feed numbers and the pods to judge; while it is busy, newer ones replace older ones."""

    def __init__(self, publish: Publish, hint: Hint) -> None:
        """``publish({tenant_id: seq})`` and ``hint(pod_id)`` must not raise on an unreachable Redis."""
        self._publish = publish
        self._hint = hint
        self._changed = threading.Condition()
        self._numbers: dict[int, int] = {}
        self._pods: dict[int, None] = {}
        self._is_over = False
        self._thread = threading.Thread(target=self._run, name="telling", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def tell(self, published: Mapping[int, int], judged_pod_ids: Iterable[int]) -> None:
        """Take what is to be told; returns at once. Over 1,000 waiting hints are dropped: the tick finds the pods."""
        with self._changed:
            self._numbers.update(published)
            for pod_id in judged_pod_ids:
                if len(self._pods) < _MOST_HINTS:
                    self._pods[pod_id] = None
            if self._numbers or self._pods:
                self._changed.notify()

    def stop(self, within_s: float) -> None:
        """Tell what is waiting, as far as the time allows, and end the thread."""
        with self._changed:
            self._is_over = True
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join(within_s)

    def _run(self) -> None:
        while True:
            with self._changed:
                while not (self._numbers or self._pods or self._is_over):
                    self._changed.wait()
                if not (self._numbers or self._pods):
                    return
                numbers, self._numbers = self._numbers, {}
                pods, self._pods = self._pods, {}
            if numbers:
                self._publish(numbers)
            for pod_id in pods:
                self._hint(pod_id)
