"""The breaker: how many pods may fall ill at once before healing them one by one would do harm (behaviour §6).

One breaker guards one scope: a tenant, a node or a vantage. Counting is given here as a rule for one pod and one for
a scope; where the pods come from, and who is told, is unknown.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from podhealth.core.limits import DEFAULT, Limits
from podhealth.core.words import BreakerScope, BreakerState, HealState

FRESH = timedelta(minutes=15)
CALM = timedelta(minutes=5)
HALF_OPEN_AFTER = timedelta(minutes=15)
AFTER_A_FAILURE = timedelta(minutes=15)
LONGEST_OVERRIDE = timedelta(hours=24)


class Part(StrEnum):
    """What a pod counts as in a scope: ``rest`` is well, ``neither`` is left out of both counts."""

    SUSPECT = "suspect"
    REST = "rest"
    NEITHER = "neither"


@dataclass(frozen=True, slots=True)
class Member:
    """A pod as a breaker sees it. ``newest_run`` is the youngest first fail of its failing critical checks.

    ``is_healed``: a policy that is not off governs it, with a step that does something. ``is_held``: by this breaker.
    """

    is_monitored: bool = True
    is_healed: bool = True
    newest_run: datetime | None = None
    has_open_heal: bool = False
    is_held: bool = False
    is_exhausted: bool = False
    is_chronic: bool = False


def part_of(pod: Member, now: datetime) -> Part:
    """Return what the pod counts as (behaviour §6, Breaker).

    A run that began longer ago is an old trouble that this outage did not bring; one failure of a new run suffices,
    so that the breaker is open before the first pod of an outage is unhealthy.
    """
    if pod.has_open_heal or pod.is_held:
        return Part.SUSPECT
    if not pod.is_monitored or not pod.is_healed or pod.is_exhausted or pod.is_chronic:
        return Part.NEITHER
    if pod.newest_run is None:
        return Part.REST
    return Part.SUSPECT if now - pod.newest_run < FRESH else Part.NEITHER


@dataclass(frozen=True, slots=True)
class Tally:
    """A scope counted: suspects by tenant, and all pods that count, suspects among them.

    ``is_shared``: pods of several tenants are in it, so that one of them alone must not hold the others.
    """

    suspects_of: Mapping[int, int]
    counted: int
    is_shared: bool = False
    limits: Limits = DEFAULT

    @property
    def limit(self) -> int:
        """How many suspects the scope bears: two, or 30 % of the pods that count, rounded down (as set)."""
        return max(self.limits.breaker_least, self.counted * self.limits.breaker_percent // 100)

    @property
    def suspects(self) -> int:
        """The suspects as they count: in a shared scope those of one tenant fill at most half of the limit.

        Half of what passes it, rounded up: one tenant alone cannot open it, two can.
        """
        if not self.is_shared:
            return sum(self.suspects_of.values())
        return sum(min(many, (self.limit + 2) // 2) for many in self.suspects_of.values())


def is_all_of_a_tenant(scope: BreakerScope, pods: int, in_all: Sequence[int]) -> bool:
    """Return whether a node or vantage has all pods of one tenant and nothing else: it needs no breaker of its own.

    The tenant's says the same of the same pods: people would be told twice, and override one of two. ``pods`` are in
    the scope; ``in_all`` is how many each tenant with pods in it has everywhere.
    """
    return scope != BreakerScope.TENANT and len(in_all) == 1 and pods == in_all[0]


@dataclass(frozen=True, slots=True)
class Standing:
    """A breaker's state, since when, and since when its suspects have been at or under the limit."""

    state: BreakerState = BreakerState.CLOSED
    opened_at: datetime | None = None
    half_open_at: datetime | None = None
    calm_since: datetime | None = None


def advance(was: Standing, tally: Tally, now: datetime) -> Standing:
    """Return how the breaker stands after this count: opened, half-open, closed, or as it was."""
    if tally.suspects > tally.limit:
        was = replace(was, calm_since=None)
        if was.state == BreakerState.CLOSED:
            return Standing(BreakerState.OPEN, now)
    elif was.state != BreakerState.CLOSED:
        was = replace(was, calm_since=was.calm_since or now)
        if was.calm_since is not None and now - was.calm_since >= CALM:
            return Standing()
    is_due = was.opened_at is not None and now - was.opened_at >= HALF_OPEN_AFTER
    if was.state == BreakerState.OPEN and is_due:
        return replace(was, state=BreakerState.HALF_OPEN, half_open_at=now)
    return was


def next_trial_at(ended: HealState, now: datetime) -> datetime | None:
    """Return the earliest moment of the next heal in a half-open scope after one has ended so; null: at once."""
    return now + AFTER_A_FAILURE if ended in (HealState.FAILED, HealState.TIMED_OUT) else None
