"""What a run by hand says, in words."""

import pytest

from podhealth.core.manual import Asked, meaning
from podhealth.core.status import FRESH_START, Counters
from podhealth.core.words import FailClass, Outcome, Phase, Status

OK, SLOW, FAIL, ERROR, INVALID = Outcome.OK, Outcome.SLOW, Outcome.FAIL, Outcome.ERROR, Outcome.INVALID
WELL = Counters(Status.HEALTHY, 0, 40, 0)
DOUBTED = Counters(Status.DEGRADED, 2, 0, 0)
SICK = Counters(Status.UNHEALTHY, 9, 0, 0)
CHANGED_NOTHING = " A run by hand changes nothing."


@pytest.mark.parametrize(
    ("before", "outcome", "thresholds", "says"),
    [
        (WELL, OK, (3, 1), "It would stay healthy."),
        (WELL, FAIL, (3, 1), "It would be degraded, and unhealthy after 2 more like it."),
        (WELL, FAIL, (1, 1), "It would be unhealthy."),
        (WELL, SLOW, (3, 1), "It would stay healthy, and be degraded after 1 more like it."),
        (DOUBTED, FAIL, (3, 1), "It would be unhealthy."),
        (DOUBTED, FAIL, (20, 1), "It would stay degraded, and be unhealthy after 17 more like it."),
        (DOUBTED, OK, (3, 2), "It would stay degraded, and be healthy after 1 more like it."),
        (SICK, FAIL, (3, 1), "It would stay unhealthy."),
        (SICK, OK, (3, 1), "It would be healthy."),
        (FRESH_START, OK, (3, 1), "It would be healthy."),
        (FRESH_START, OK, (3, 20), "It would stay unknown, and be healthy after 19 more like it."),
        (FRESH_START, FAIL, (20, 1), "It would be degraded, and unhealthy after 19 more like it."),
        (WELL, ERROR, (3, 1), "It would stay healthy: trouble of our own counts neither for nor against the pod."),
        (FRESH_START, INVALID, (3, 1), "It would stay unknown: it cannot be probed as it is set."),
    ],
)
def test_a_run_says_which_status_the_check_would_have_after_it(before, outcome, thresholds, says):
    asked = Asked(before, *thresholds)

    assert meaning(asked._replace(is_stored=False), outcome, FailClass.DOWN) == says
    assert meaning(asked, outcome, FailClass.DOWN) == says + CHANGED_NOTHING


def test_failures_of_a_pod_in_maintenance_would_not_count_and_successes_would():
    asked = Asked(SICK, 3, 1, Phase.MAINTENANCE, is_stored=False)

    assert meaning(asked, OK, None) == "It would be healthy."
    assert (
        meaning(asked._replace(before=WELL), FAIL, FailClass.DOWN)
        == "It would stay healthy: failures do not count while the pod is in maintenance."
    )


@pytest.mark.parametrize("fail_class", [FailClass.CONTENT, FailClass.TLS])
def test_a_pod_that_answers_wrongly_is_up(fail_class):
    assert "The pod is up" in meaning(Asked(WELL, 3, 1), FAIL, fail_class)
