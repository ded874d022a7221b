"""Which results may change what the healer decides of their pod: only these have it judged again.

A judgement costs a hundred times what a result does, and a pod that is ill says the same thing many times over. What
depends on the clock alone (cooldown, settling, the end of an episode) has its moment stored and is not asked here.
"""

from typing import NamedTuple

from podhealth.core.words import Outcome, Status

# No policy asks for more failures than this before it acts; further ones can change no decision.
MOST_FAILURES_ASKED = 100
# Judged by then: several checks of one pod that fail within a second are one judgement.
SOON_US = 1_000_000


class Evidence(NamedTuple):
    """What a judgement reads of a check, as it was before a result or is after it."""

    status: str
    failures: int
    last_outcome: str | None
    last_class: str | None

    @property
    def says(self) -> tuple[bool, str | None]:
        """Whether the newest result is a fail, and of what class."""
        is_fail = self.last_outcome == Outcome.FAIL.value
        return is_fail, self.last_class if is_fail else None


def is_news(before: Evidence, after: Evidence, failure_threshold: int, most_asked: int) -> bool:
    """Return whether a judgement after the result may end otherwise than one before it.

    ``most_asked``: the most failures in a row that a policy of the tenant asks for. Failures are counted for the
    healer from the check's own threshold up to the level that triggers; how many there are beyond, or on the way to
    the threshold, is the same to all gates (core/trigger).
    """
    if after.status != before.status or after.says != before.says:
        return True
    if after.failures == before.failures:
        return False
    is_counted = after.status == Status.UNHEALTHY and after.failures >= failure_threshold
    return is_counted and after.failures <= max(failure_threshold, most_asked)
