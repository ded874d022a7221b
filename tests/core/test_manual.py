"""What a run by hand says, in words."""

import pytest

from podhealth.core.manual import meaning
from podhealth.core.words import FailClass, Outcome

CHANGED_NOTHING = " It changed nothing: a run by hand counts for no status."


@pytest.mark.parametrize(
    ("outcome", "fail_class", "says"),
    [
        (Outcome.OK, None, "Good: one such answer and the check is healthy."),
        (Outcome.SLOW, None, "Slow: healthy after one such answer, and degraded while all are slow."),
        (Outcome.FAIL, FailClass.DOWN, "Bad: 3 such answers in a row and the check is unhealthy."),
        (Outcome.ERROR, None, "Trouble of our own: it counts neither for nor against the pod."),
        (Outcome.INVALID, None, "The check cannot be probed as it is set: it would stay unknown."),
    ],
)
def test_each_outcome_says_what_it_would_mean(outcome, fail_class, says):
    assert meaning(outcome, fail_class, 3, 1, is_stored=False) == says
    assert meaning(outcome, fail_class, 3, 1, is_stored=True) == says + CHANGED_NOTHING


@pytest.mark.parametrize("fail_class", [FailClass.CONTENT, FailClass.TLS])
def test_a_pod_that_answers_wrongly_is_up(fail_class):
    assert "The pod is up" in meaning(Outcome.FAIL, fail_class, 3, 1, is_stored=False)
