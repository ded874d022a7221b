"""Nodes and vantages of a fleet in memory: which are unreachable or blind, and what the gates are told of it.

Reference probes of a vantage that sees are worked out, not made: they come every five seconds and are well.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from podhealth.core.facts import Blind, NodeDown, References
from podhealth.core.places import REFERENCE_EVERY_S, REFERENCE_TIMEOUT_S, ReferenceSight
from podhealth.core.probe import Finding
from podhealth.core.words import Outcome
from podhealth.simulator.fleet import SimPod, micros, moment
from podhealth.simulator.lengths import US
from podhealth.simulator.world import World

BLIND = Finding(Outcome.ERROR, None, "blind", error="the vantage is blind")
REFERENCE_EVERY_US = round(REFERENCE_EVERY_S * US)
REFERENCE_TIMEOUT_US = round(REFERENCE_TIMEOUT_S * US)


@dataclass(eq=False, slots=True)
class SimVantage:
    """A vantage with how many references it has. ``cut_since``: since when they fail, as the world knows."""

    name: str
    references: int
    cut_since: int | None = None
    blind_since: int | None = None

    def good_begun_at(self, now: int) -> int:
        """Return when the newest reference probe that came back well was begun."""
        until = now if self.cut_since is None else self.cut_since
        return until - until % REFERENCE_EVERY_US

    def sights(self, now: int) -> list[ReferenceSight]:
        """Return how the references answered last."""
        good = self.good_begun_at(now)
        # A probe that fails ends with its timeout.
        fails = max(0, (now - REFERENCE_TIMEOUT_US - good) // REFERENCE_EVERY_US)
        begun = moment(good + fails * REFERENCE_EVERY_US)
        return [ReferenceSight(f"reference {n}", begun, moment(good), fails) for n in range(1, self.references + 1)]


@dataclass(eq=False)
class Places:
    """All nodes and vantages."""

    world: World
    vantages: dict[str, SimVantage]
    unreachable: dict[str, tuple[int, str]] = field(default_factory=dict)  # node: since, reason

    def around(self, pod: SimPod, now: datetime) -> dict[str, Any]:
        """Return what the gates are told of the pod's node and vantage."""
        vantage = self.vantages[pod.vantage]
        found: dict[str, Any] = {}
        if pod.machine.node in self.unreachable:
            since, reason = self.unreachable[pod.machine.node]
            found["node"] = NodeDown(pod.machine.node, moment(since), reason)
        if vantage.blind_since is not None:
            found["blind"] = Blind(vantage.name, moment(vantage.blind_since), "its references do not answer")
        if vantage.references:
            found["references"] = References(vantage.name, moment(vantage.good_begun_at(micros(now))))
        return found

    def believed(self, pod: SimPod, finding: Finding) -> Finding:
        """Return what is stored of a finding: the fails of a vantage that is blind are errors of ours."""
        if finding.outcome != Outcome.FAIL or self.vantages[pod.vantage].blind_since is None:
            return finding
        return BLIND
