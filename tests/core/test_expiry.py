"""How long evidence is believed."""

from datetime import UTC, datetime, timedelta

import pytest

from podhealth.core.expiry import believed, effective_status, fresh_span_us
from podhealth.core.status import FRESH_START, Counters
from podhealth.core.words import Status

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = NOW + timedelta(seconds=1)


@pytest.mark.parametrize(
    ("interval_s", "timeout_s", "span_s"),
    [
        pytest.param(60, 10, 190, id="three intervals and the timeout"),
        pytest.param(5, 0.5, 15.5, id="shortest"),
        pytest.param(3_600, 60, 10_860, id="where both bounds meet"),
        pytest.param(86_400, 60, 93_660, id="long intervals: one and two hours"),
    ],
)
def test_the_span(interval_s: int, timeout_s: float, span_s: float) -> None:
    assert fresh_span_us(interval_s, timeout_s) == span_s * 1_000_000


@pytest.mark.parametrize("status", Status, ids=str)
def test_fresh_evidence_is_shown_as_it_is(status: Status) -> None:
    assert effective_status(status, LATER, NOW) == status
    assert effective_status(status, 101, 100) == status


@pytest.mark.parametrize("status", Status, ids=str)
def test_from_its_end_on_it_is_unknown(status: Status) -> None:
    assert effective_status(status, NOW, NOW) == Status.UNKNOWN
    assert effective_status(status, 100, 101) == Status.UNKNOWN


def test_without_evidence_it_is_unknown() -> None:
    assert effective_status(Status.HEALTHY, None, NOW) == Status.UNKNOWN


def test_stale_failures_do_not_count_on() -> None:
    assert believed(Counters(Status.DEGRADED, 2, 0, 0), NOW, LATER) == FRESH_START


def test_fresh_failures_count_on() -> None:
    counters = Counters(Status.DEGRADED, 2, 0, 0)

    assert believed(counters, LATER, NOW) is counters


def test_successes_on_the_way_from_unknown_are_not_entered_anew() -> None:
    counters = Counters(Status.UNKNOWN, 0, 1, 0)

    assert believed(counters, NOW, LATER) is counters
