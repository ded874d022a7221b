"""The world that is watched: machines that die and boot, nodes, networks, and providers that act on them.

It knows the truth, of which the healer only sees probes and the provider's answers. Moments are microseconds.
"""

from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple

from podhealth.core.facts import ProviderFacts
from podhealth.core.probe import Finding
from podhealth.core.words import Action, ActualState, FailClass, Outcome
from podhealth.simulator.lengths import US
from podhealth.simulator.plans import PodPlan

REFUSED = Finding(Outcome.FAIL, FailClass.DOWN, "refused", error="connection refused")
NO_ANSWER = Finding(Outcome.FAIL, FailClass.DOWN, "timeout", error="no answer in time")
NO_HEARTBEAT = Finding(Outcome.FAIL, FailClass.DOWN, "no_heartbeat", error="no heartbeat")
OUR_ERROR = Finding(Outcome.ERROR, None, "prober", error="something of our own failed")
WAITING = Finding(Outcome.ERROR, None, "waiting", error="waiting for a heartbeat")
BEAT_EVERY_US = 60 * US
_FAST_US = 2_000
_CURES_NOTHING: frozenset[Action] = frozenset()


@dataclass(eq=False, slots=True)
class Ailment:
    """A reason why a machine does not answer; ``cured_by``: the actions after which it is gone."""

    cured_by: frozenset[Action] = _CURES_NOTHING
    is_silent: bool = False


class Act(NamedTuple):
    """How a provider takes the call of an action: its task ends at ``ends_at``, or an error says why there is none."""

    ends_at: int
    error: str | None = None
    is_permanent: bool = False
    is_impossible: bool = False


@dataclass(eq=False, slots=True)
class Machine:
    """The guest behind a pod."""

    name: str
    plan: PodPlan
    node: str | None
    boot_us: int
    answers_from: int = 0
    silent_since: int | None = None
    ailments: list[Ailment] = field(default_factory=list)
    dies_again: list[tuple[int, frozenset[Action]]] = field(default_factory=list)
    locks: list[str] = field(default_factory=list)
    refusals: list[bool] = field(default_factory=list)
    actual: ActualState = ActualState.RUNNING
    tried: set[str] = field(default_factory=set)

    def answers(self, now: int) -> bool:
        """Return whether the application answers."""
        return not self.ailments and now >= self.answers_from and self.actual == ActualState.RUNNING


@dataclass(eq=False)
class World:
    """All machines, with what is down around them."""

    machines: dict[int, Machine]
    nodes: list[str]
    random: Random
    down_nodes: dict[str, str] = field(default_factory=dict)  # what the provider says of them
    cut: dict[str, list[frozenset[str]]] = field(default_factory=dict)  # vantage: the nodes out of reach; empty: all
    _down_since: dict[str, int] = field(default_factory=dict)

    def fall_ill(self, machine: Machine, ailment: Ailment, now: int) -> None:
        """Let a machine stop answering."""
        if machine.silent_since is None and machine.answers(now):
            machine.silent_since = now
        machine.ailments.append(ailment)

    def get_well(self, machine: Machine, ailment: Ailment, now: int) -> None:
        """Let one reason not to answer end by itself."""
        if ailment in machine.ailments:
            machine.ailments.remove(ailment)
            if not machine.ailments:
                machine.answers_from, machine.silent_since = now, None

    def is_cut(self, vantage: str, node: str | None) -> bool:
        """Return whether a vantage does not reach the pods of a node."""
        return any(not nodes or node in nodes for nodes in self.cut.get(vantage, ()))

    def sees(self, vantage: str) -> bool:
        """Return whether a vantage reaches its references."""
        return all(self.cut.get(vantage, ()))

    def probe(self, machine: Machine, vantage: str, now: int, timeout_us: int) -> tuple[Finding, int]:
        """Return what a probe begun now finds, and when it ends."""
        if machine.node in self.down_nodes or (self.cut and self.is_cut(vantage, machine.node)):
            return NO_ANSWER, now + timeout_us
        if not machine.answers(now):
            if any(one.is_silent for one in machine.ailments):
                return NO_ANSWER, now + timeout_us
            return REFUSED, now + _FAST_US
        noise, chance = machine.plan.noise, self.random.random()
        if chance < noise.fail:
            return NO_ANSWER, now + timeout_us
        if chance > 1.0 - noise.error:
            return OUR_ERROR, now + _FAST_US
        latency_ms = noise.latency_ms * (0.5 + chance)
        return Finding(Outcome.OK, None, None, latency_ms), now + round(latency_ms * 1_000)

    def heartbeat(self, machine: Machine, started_at: int | None, now: int, grace: tuple[int, int]) -> Finding:
        """Return what a check of kind agent finds; ``grace``: its own, and how long after a start none is missed."""
        grace_us, start_grace_us = grace
        until = now if machine.silent_since is None else machine.silent_since
        beat = until - (until - machine.answers_from) % BEAT_EVERY_US if until >= machine.answers_from else None
        if machine.node in self.down_nodes and beat is not None:
            beat = min(beat, self._down_since.get(machine.node or "", now))
        if beat is None or (started_at is not None and beat < started_at):
            return NO_HEARTBEAT if started_at is not None and now > started_at + start_grace_us else WAITING
        return Finding(Outcome.OK) if now - beat <= BEAT_EVERY_US + grace_us else NO_HEARTBEAT

    def node_down(self, node: str, says: str, now: int) -> None:
        """Let a node vanish with all its machines."""
        self.down_nodes[node] = says
        self._down_since[node] = now

    def node_up(self, node: str, now: int) -> list[Machine]:
        """Let a node come back; its machines boot, and are returned."""
        self.down_nodes.pop(node, None)
        self._down_since.pop(node, None)
        back = [m for m in self.machines.values() if m.node == node]
        for machine in back:
            machine.answers_from, machine.silent_since = now + machine.boot_us, None
        return back

    def ask(self, machine: Machine) -> ProviderFacts:
        """Return what the provider says when it is asked."""
        says = self.down_nodes.get(machine.node or "")
        if says == "nothing" or any(not permanent for permanent in machine.refusals):
            return ProviderFacts(error="the provider does not answer")
        if any(machine.refusals):
            return ProviderFacts(error="403 forbidden", is_permanent=True)
        return ProviderFacts(node_is_up=says is None, lock=machine.locks[-1] if machine.locks else None)

    def act(self, machine: Machine, action: Action, now: int) -> Act:
        """Take the call of an action; what it does is done when its task ends (``act_ends``)."""
        if machine.refusals:
            permanent = any(machine.refusals)
            return Act(now, "403 forbidden" if permanent else "the provider does not answer", permanent)
        if machine.node in self.down_nodes:
            return Act(now, "the node is down")
        if action == Action.MIGRATE and self._target(machine) is None:
            return Act(now, "no node is left that was not tried", is_impossible=True)
        machine.silent_since = now if machine.silent_since is None else machine.silent_since
        machine.answers_from = 1 << 62
        return Act(now + machine.plan.action_takes)

    def act_ends(self, machine: Machine, action: Action, now: int) -> None:
        """Let an action have its effect."""
        if action == Action.STOP:
            machine.actual = ActualState.STOPPED
            return
        if action == Action.MIGRATE and (target := self._target(machine)) is not None:
            machine.tried.add(machine.node or "")
            machine.node = target
        machine.ailments = [one for one in machine.ailments if action not in one.cured_by]
        machine.answers_from = now + machine.boot_us
        if not machine.ailments:
            machine.silent_since = None

    def _target(self, machine: Machine) -> str | None:
        fit = (n for n in self.nodes if n != machine.node and n not in machine.tried and n not in self.down_nodes)
        return next(fit, None)
