"""Looks after the brakes of a fleet in memory: counts breakers when something changed, and wakes those who wait.

What a pod does when it is woken is the healer's business.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from podhealth.core.words import BreakerState, Gate
from podhealth.simulator.brakes import Brakes, Scope
from podhealth.simulator.fleet import Later, SimPod, SimTenant, micros, moment
from podhealth.simulator.lengths import US


@dataclass(eq=False)
class Watch:
    """The ticks of the brakes. ``judge_soon``: have a pod judged; ``tell``: a breaker has changed."""

    brakes: Brakes
    tenants: Mapping[str, SimTenant]
    later: Later
    judge_soon: Callable[[SimPod, int], None]
    tell: Callable[[Scope, int], None]
    is_waking: bool = False

    def free_slot(self, pod: SimPod, now: int) -> None:
        """Give the pod's place back if it needs it no more, and wake those whose turn it is."""
        is_freed = self.brakes.free_slot(pod)
        if is_freed or pod.heal is None:
            self.wake_soon(now)

    def wake_soon(self, now: int) -> None:
        """Have those judged in a second whose turn it is, as the tick would."""
        if self.brakes.waiting and not self.is_waking:
            self.is_waking = True
            self.later(now + US, self._wake_waiting)

    def _wake_waiting(self, now: int) -> None:
        self.is_waking = False
        for one in self.brakes.chosen(self.brakes.waiting.values(), self.tenants, moment(now)):
            pod = self.brakes.waiting.get(one.pod_id)
            if pod is not None and (pod.hand.judge_at is None or pod.hand.judge_at > now):
                self.judge_soon(pod, now)

    def _wake(self, pod: SimPod, now: int, gate: Gate) -> None:
        if pod.last_said is not None and pod.last_said[1] == gate:
            self.judge_soon(pod, now)

    def recount_of(self, pod: SimPod, now: int) -> None:
        """Count the pod's scopes where that is due."""
        for scope in self.brakes.scopes_of[pod.pod_id]:
            if scope.is_due(now):
                self.recount(scope, now)

    def recount(self, scope: Scope, now: int) -> None:
        """Count a breaker's scope, and follow what comes of it."""
        held = list(scope.held.values())
        was = scope.count(now)
        if scope.standing.state != was:
            scope.next_trial_at = None
            self.tell(scope, now)
            for pod in held:
                self._wake(pod, now, Gate.BREAKER)
            self.wake_scope(scope, now)
        again = scope.looks_again_at()
        if again is not None and (scope.asked_for is None or not now < scope.asked_for <= again):
            scope.asked_for = again
            self.later(again, lambda at: self._look_again(scope, at))

    def _look_again(self, scope: Scope, now: int) -> None:
        if scope.asked_for == now:
            scope.asked_for = None
            self.recount(scope, now)

    def wake_scope(self, scope: Scope, now: int) -> None:
        """Let the next pod of a half-open scope have its turn, now or when it may."""
        if scope.standing.state != BreakerState.HALF_OPEN:
            return
        first = scope.first_in_line()
        if first is not None and scope.open_heal() is None:
            at = now if scope.next_trial_at is None else max(now, micros(scope.next_trial_at))
            self.later(at, lambda then: self._wake(first, then, Gate.BREAKER))
