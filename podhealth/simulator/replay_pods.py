"""One pod while a policy is replayed over its past: its trouble, its episode, and what a heal of it would come to.

Of other pods nothing is known here, and nothing is decided. Moments are microseconds unless they are datetimes.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from podhealth.core.episode import Previous, relapse
from podhealth.core.facts import CheckFacts, LastHeal, NodeDown, SnoozeFacts
from podhealth.core.ladder import Ladder
from podhealth.core.recorded import US, PodPast, Trouble, Watcher
from podhealth.core.words import FailClass, Gate, Outcome, Phase, Status
from podhealth.simulator.fleet import moment

# A heal after which the pod was up within so long has helped; a later recovery was none of its doing.
HELPED_WITHIN_US = 900 * US
# A heal planned this near to one of then is that one.
SAME_HEAL_US = 120 * US
UNKNOWN_CHECK = Watcher(0, "its check")
_OFTEN = 1 << 20


@dataclass(eq=False, slots=True)
class ReplayedPod:
    """A pod in the run: its past, and where the policy that is tried has come with it."""

    number: int
    past: PodPast
    steps: Ladder
    trouble: Trouble | None = None
    check: Watcher = UNKNOWN_CHECK
    seen: tuple[CheckFacts, ...] = ()
    ends: int = 0
    well_since: int = 0
    opened: int | None = None
    ladder: Ladder = ()
    spent: int = 0
    tries: int = 0
    heals: list[datetime] = field(default_factory=list)
    last: LastHeal | None = None
    is_held: bool = False
    is_exhausted: bool = False
    gate: Gate | None = None
    gate_since: int = 0

    @property
    def age(self) -> tuple[int, int]:
        """By what the oldest trouble comes first."""
        return self.opened or 0, self.past.pod_id

    def open_episode(self, now: int, begin: int, sustained_health_s: int) -> None:
        """Let the trouble open an episode, or go on with the last one where that is not over yet."""
        assert self.trouble is not None
        span = max(sustained_health_s, 2 * self.check.interval_s) * US
        if self.opened is not None and not (self.well_since and self.trouble.since - self.well_since >= span):
            return
        was, self.is_exhausted = None, False
        if self.heals and self.last is not None:
            was = Previous(0, 0, self.ladder, self.spent, self.last.ended_at)
        well = timedelta(microseconds=self.trouble.since - max(self.well_since, begin))
        goes_on = relapse(was, 0, moment(now), [well])
        self.ladder, self.spent = (goes_on[0], goes_on[2]) if goes_on else (self.steps, 0)
        self.opened = now

    def kept_out(self, now: int, end: int) -> tuple[NodeDown | None, SnoozeFacts | None]:
        """Return what kept the healer away from it then: its node, or a phase until ``end`` at the latest."""
        for one in self.past.kept_out:
            if one.begin <= now < one.end:
                if one.phase == Phase.UNREACHABLE:
                    return NodeDown("then", moment(one.begin), "unreachable then"), None
                return None, SnoozeFacts("then", one.phase.value, moment(min(one.end, end)))
        return None, None

    def begin(self, trouble: Trouble, check: Watcher) -> None:
        """Let the pod be in trouble, seen by a check that has failed as often as anybody asks for."""
        self.trouble, self.tries, self.check = trouble, 0, check
        self.seen = (
            CheckFacts(
                check_id=check.check_id,
                name=check.name,
                status=Status.UNHEALTHY,
                stored_status=Status.UNHEALTHY,
                severity=check.severity,
                heal=check.heal,
                heal_on=check.heal_on,
                interval_s=check.interval_s,
                failure_threshold=check.failure_threshold,
                failures=_OFTEN,
                bad_since=moment(trouble.since),
                last_outcome=Outcome.FAIL,
                last_class=FailClass.DOWN,
            ),
        )

    def cured_at(self, now: int) -> int | None:
        """Return when the heal that is made now brings it up; null: it does not."""
        trouble = self.trouble
        assert trouble is not None
        made = trouble.heals
        if not made:
            return now + self.past.boot_us
        if trouble.ends is None or trouble.ends - made[-1] > HELPED_WITHIN_US or self.tries < len(made):
            return None
        at = made[-1] if self.tries == len(made) and abs(now - made[-1]) <= SAME_HEAL_US else now
        return at + trouble.ends - made[-1]
