"""What a run of a check that a person asked for says, in words. It changes no status, whatever it found.

Knows neither who asked nor where it ran.
"""

from podhealth.core.words import FailClass, Outcome

TAKEN_WITHIN_S = 30  # after that nobody takes it: no prober is there
A_MINUTE = 120  # so many may be asked for in a minute by one tenant


def meaning(
    outcome: Outcome, fail_class: FailClass | None, failures_wanted: int, successes_wanted: int, is_stored: bool
) -> str:
    """Return what such an answer would mean for the check; ``is_stored``: there is one, so it goes on as it was."""
    after = {
        Outcome.OK: f"Good: {_in_a_row(successes_wanted)} and the check is healthy.",
        Outcome.SLOW: f"Slow: healthy after {_in_a_row(successes_wanted)}, and degraded while all are slow.",
        Outcome.FAIL: f"Bad: {_in_a_row(failures_wanted)} and the check is unhealthy.",
        Outcome.ERROR: "Trouble of our own: it counts neither for nor against the pod.",
        Outcome.INVALID: "The check cannot be probed as it is set: it would stay unknown.",
    }[outcome]
    if outcome is Outcome.FAIL and fail_class is not FailClass.DOWN:
        after += " The pod is up, so nothing is healed for it unless the check says so."
    return after + (" It changed nothing: a run by hand counts for no status." if is_stored else "")


def _in_a_row(count: int) -> str:
    return "one such answer" if count == 1 else f"{count} such answers in a row"
