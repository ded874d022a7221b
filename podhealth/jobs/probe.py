"""The ticket: permission to probe one vantage's checks for 30 s. Which checks, the worker asks the database.

The probing itself is a thread that lives as long as the process and needs no Redis: without any ticket it goes on for
10 minutes, so that Redis may be away.
"""

import threading
from typing import NamedTuple

import structlog

from podhealth import clock
from podhealth.core.ending import END_WITHIN_S, IN_FLIGHT_S
from podhealth.jobs.parts import Parts, parts
from podhealth.jobs.tickets import waiting
from podhealth.probing.loop import ProbeLoop
from podhealth.queues import enqueue

log = structlog.get_logger(__name__)

TICKET_S = 30.0
CARRY_ON_S = 600.0
_SLICE_S = 0.5


class Prober:
    """The one loop of this process for one vantage, and until when it may claim."""

    def __init__(self, here: Parts, vantage: str) -> None:
        self.vantage = vantage
        self._leaving, self._under_way = here.leaving, here.under_way
        self._loop = ProbeLoop(here.engine, here.settings, vantage, publish=here.publish, hint=here.hint)
        self._until = clock.monotonic() + CARRY_ON_S
        self._thread = threading.Thread(target=self._run, name=f"probe {vantage}", daemon=True)
        self._thread.start()

    def is_alive(self) -> bool:
        """Whether it still works; one that fell over takes its process down, which is then started anew."""
        return self._thread.is_alive()

    def carry_on(self) -> None:
        """Prolong the permission: 10 minutes from now, whether or not Redis has another ticket by then."""
        self._until = clock.monotonic() + CARRY_ON_S

    def join(self) -> None:
        """Wait until what was in flight is recorded, or given back; only after the process was told to end."""
        self._thread.join()

    def _run(self) -> None:
        with self._under_way.at(f"probes from {self.vantage}"):
            self._probe()

    def _probe(self) -> None:
        while not self._leaving.is_set():
            now = clock.monotonic()
            if now < self._until:
                self._loop.run(min(now + _SLICE_S, self._until))
            else:
                self._leaving.wait(_SLICE_S)
        self._loop.stop(self._leaving.left_s(END_WITHIN_S), self._leaving.left_s(IN_FLIGHT_S))


class Probers(NamedTuple):
    """All probers of this process, by vantage."""

    running: dict[str, Prober]

    def of(self, vantage: str) -> Prober:
        """Return the prober of a vantage, started if there is none yet."""
        if vantage not in self.running:
            self.running[vantage] = Prober(parts(), vantage)
        return self.running[vantage]


probers = Probers({})


def run(vantage: str) -> None:
    """Take a ticket: let the prober go on, hold the ticket for its time, and leave another behind (``probe.run``)."""
    here = parts()
    probers.of(vantage).carry_on()
    if here.leaving.wait(TICKET_S):
        return
    if waiting(here.hurried, vantage) == 0:
        enqueue(here.hurried, "probe.run", vantage)
