"""What holds the pods of a replay for each other's sake: one breaker, one budget, shares and slots, as for one tenant.

The rules stand in core; which pod is judged, and when, is unknown here. Moments are microseconds.
"""

from datetime import datetime, timedelta

from podhealth.core import breaker
from podhealth.core.breaker import Standing, Tally
from podhealth.core.facts import BreakerFacts, Spent, Turn
from podhealth.core.fleet_gates import BUDGET_WITHIN
from podhealth.core.limits import DEFAULT
from podhealth.core.recorded import US
from podhealth.core.turns import share_of
from podhealth.core.words import Action, BreakerScope, BreakerState
from podhealth.simulator.fleet import micros, moment
from podhealth.simulator.replay_pods import ReplayedPod

_FRESH_US = breaker.FRESH // timedelta(microseconds=1)


class ReplayBrakes:
    """The brakes. ``in_trouble`` and ``healing``: the pods that are, by number; ``spent``: the last hour's heals."""

    def __init__(self, pods: int) -> None:
        self.in_trouble: dict[int, ReplayedPod] = {}
        self.healing: set[int] = set()
        self.spent: list[Spent] = []
        self._pods = pods
        self._most = share_of(pods)
        self._nodes: dict[int, int] = {}
        self._standing = Standing()
        self._tally = Tally({}, 0)
        self._counted_at = -US
        self._next_trial_at: datetime | None = None

    def heal_begins(self, pod: ReplayedPod, action: Action, now: int, node_until: int) -> None:
        """Take in that a heal begins; it takes the slot of its node until then."""
        at = moment(now)
        self.spent = [one for one in self.spent if at - one.at < BUDGET_WITHIN]
        self.spent.append(Spent(at, 1, action == Action.MIGRATE))
        self.healing.add(pod.number)
        if pod.past.node_id is not None:
            self._nodes[pod.past.node_id] = node_until

    def heal_ends(self, pod: ReplayedPod, now: int) -> None:
        """Take in that a heal ends; where the pod is still in trouble, the next trial of a half-open breaker waits."""
        self.healing.discard(pod.number)
        if pod.trouble is not None and self._standing.state == BreakerState.HALF_OPEN:
            self._next_trial_at = moment(now) + breaker.AFTER_A_FAILURE

    def turn(self, pod: ReplayedPod, now: int) -> Turn:
        """Return whether it is the pod's turn."""
        node = pod.past.node_id
        taken = node is not None and self._nodes.get(node, 0) > now
        return Turn("another pod" if taken else None, len(self.healing), self._most)

    def breakers(self, pod: ReplayedPod, now: int) -> tuple[BreakerFacts, ...]:
        """Return the breaker as it stands towards the pod, counted anew where that is due; none where it is closed."""
        self._recount(now)
        standing = self._standing
        if standing.state == BreakerState.CLOSED or standing.opened_at is None:
            return ()
        is_next = False
        if standing.state == BreakerState.HALF_OPEN and not self.healing:
            is_due = self._next_trial_at is None or moment(now) >= self._next_trial_at
            older = (p for p in self.in_trouble.values() if p.is_held and p is not pod and p.age < pod.age)
            is_next = is_due and next(older, None) is None
        suspects, limit = self._tally.suspects, self._tally.limit
        opened, trial = standing.opened_at, self._next_trial_at
        trial = trial if trial is not None and micros(trial) > now else None
        return (
            BreakerFacts(BreakerScope.TENANT, "then", standing.state, opened, suspects, limit, None, is_next, trial),
        )

    def _recount(self, now: int) -> None:
        if len(self.in_trouble) <= DEFAULT.breaker_least and self._standing.state == BreakerState.CLOSED:
            return
        if now - self._counted_at < US * max(1, len(self.in_trouble) // 100):
            return
        suspects = neither = 0
        for pod in self.in_trouble.values():
            is_suspect = pod.is_held or pod.number in self.healing
            is_new = not pod.is_exhausted and now - (pod.trouble.since if pod.trouble else 0) < _FRESH_US
            suspects += is_suspect or is_new
            neither += not (is_suspect or is_new)
        self._counted_at = now
        self._tally = Tally({0: suspects}, self._pods - neither)
        self._standing = breaker.advance(self._standing, self._tally, moment(now))
        if self._standing.state != BreakerState.HALF_OPEN:
            self._next_trial_at = None
