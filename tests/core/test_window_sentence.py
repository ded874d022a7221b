"""What a maintenance window says of itself."""

from datetime import UTC, datetime
from typing import Any

import pytest

from podhealth.core.window_rules import parse_window
from podhealth.core.window_sentence import about_sentence, clock_change, window_sentence

BASE: dict[str, Any] = {
    "name": "x",
    "reason": "y",
    "zone": "Europe/Berlin",
    "starts": "2026-11-24T02:00",
    "minutes": 120,
}
AT = "at 02:00 for 2 h, Europe/Berlin"


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (None, f"Once on 24 Nov 2026 {AT}"),
        ("FREQ=DAILY", f"Every day {AT}, from 24 Nov 2026 on"),
        ("FREQ=DAILY;INTERVAL=3;COUNT=5", f"Every 3 days {AT}, from 24 Nov 2026 on, 5 times"),
        ("FREQ=DAILY;COUNT=1", f"Every day {AT}, from 24 Nov 2026 on, once"),
        ("FREQ=WEEKLY", f"Every week on Tuesday {AT}, from 24 Nov 2026 on"),
        (
            "FREQ=WEEKLY;BYDAY=SA,SU,MO;UNTIL=20261231",
            f"Every week on Monday, Saturday and Sunday {AT}, from 24 Nov 2026 on until 31 Dec 2026",
        ),
        ("FREQ=MONTHLY", f"Every month on day 24 {AT}, from 24 Nov 2026 on"),
        ("FREQ=MONTHLY;BYMONTHDAY=-1,1", f"Every month on the last day and day 1 {AT}, from 24 Nov 2026 on"),
        ("FREQ=MONTHLY;BYDAY=-1FR", f"Every month on the last Friday {AT}, from 24 Nov 2026 on"),
        ("FREQ=MONTHLY;INTERVAL=2;BYDAY=1SU", f"Every 2 months on the first Sunday {AT}, from 24 Nov 2026 on"),
        ("FREQ=MONTHLY;BYDAY=-2MO", f"Every month on the second to last Monday {AT}, from 24 Nov 2026 on"),
        (
            "FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13",
            f"Every month on each Friday if that is day 13 {AT}, from 24 Nov 2026 on",
        ),
    ],
)
def test_a_window_says_when_it_is(rule: str | None, said: str) -> None:
    assert window_sentence(parse_window(BASE | {"allPods": True, "recurrence": rule})) == said


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"allPods": True, "tags": ["web"]}, "all pods"),
        ({"tags": ["web"]}, "pods with the tag web"),
        ({"tags": ["web", "prod"], "podIds": [1, 2]}, "pods with the tags web and prod, and 2 chosen pods"),
        ({"nodeIds": [4]}, "pods on 1 node"),
    ],
)
def test_a_window_says_which_pods_it_is_about(fields: dict[str, Any], said: str) -> None:
    assert about_sentence(parse_window(BASE | fields)) == said


@pytest.mark.parametrize(
    ("starts", "since", "until", "said"),
    [
        ("2026-11-24T02:00", "2026-11-24T01:00", "2026-11-24T03:00", None),
        (
            "2026-03-29T01:00",
            "2026-03-29T00:00",
            "2026-03-29T02:00",
            "The clock is turned: it ends at 04:00, after 2 h all the same",
        ),
        (
            "2026-03-29T02:30",
            "2026-03-29T01:00",
            "2026-03-29T03:00",
            "The clock jumps over 02:30: it begins at 03:00 and ends at 05:00",
        ),
    ],
)
def test_a_turn_of_the_clock_is_told(starts: str, since: str, until: str, said: str | None) -> None:
    rules = parse_window(BASE | {"allPods": True, "starts": starts})
    begins, ends = (datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (since, until))

    assert clock_change(rules, begins, ends) == said
