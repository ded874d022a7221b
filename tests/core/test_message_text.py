"""The words of messages: the first line says what and since when, and long lists end."""

from datetime import UTC, datetime, timedelta

import pytest

from podhealth.core import message_text as text
from podhealth.core.message_text import MOST_LINES, News, Trouble
from podhealth.core.words import Severity

NOW = datetime(2026, 11, 24, 10, 30, tzinfo=UTC)
SINCE = datetime(2026, 11, 24, 10, 1, tzinfo=UTC)


def trouble(number: int = 1, **columns) -> Trouble:
    return Trouble(number, f"web-{number} is unhealthy", Severity.CRITICAL, SINCE, **columns)


def news(said: str, number: int = 1, approval_id: int | None = None, is_end: bool = False) -> News:
    return News(number, NOW - timedelta(minutes=5), said, approval_id, is_end)


def test_the_first_line_says_what_and_since_when() -> None:
    words = text.begins([trouble()], [news("http failed 3 times: refused")], NOW)

    assert words.subject == "web-1 is unhealthy since 10:01 UTC"
    assert words.lines == ("web-1 is unhealthy since 10:01 UTC.", "10:25 UTC: http failed 3 times: refused")


def test_another_day_is_named() -> None:
    words = text.reminds([trouble()], NOW + timedelta(days=1))

    assert words.subject == "Reminder: web-1 is unhealthy since 2026-11-24 10:01 UTC"


def test_many_incidents_are_counted_and_listed_up_to_a_length() -> None:
    words = text.begins([trouble(number) for number in range(1, 161)], [], NOW)

    assert words.subject.startswith("160 incidents since 10:01 UTC: web-1 is unhealthy, web-2 is unhealthy")
    assert words.lines[0] == "160 incidents are open, the first since 10:01 UTC."
    assert len(words.lines) <= MOST_LINES + 2
    assert words.lines[-1].startswith("and ")


def test_the_end_says_what_its_notice_says() -> None:
    over = trouble(over_at=NOW, why_over="recovered")
    words = text.ends([over], [news("restarted", 1), news("web-1 is healthy again after 29 min.", 2, is_end=True)], NOW)

    assert words.subject == "web-1 is healthy again after 29 min"
    assert words.lines == ("web-1 is healthy again after 29 min.", "10:25 UTC: restarted")


def test_an_end_without_a_notice_tells_the_downtime_and_why() -> None:
    words = text.ends([trouble(over_at=NOW, why_over="stopped by policy")], [], NOW)

    assert words.subject == "web-1 is unhealthy: over at 10:30 UTC, after 29 min (stopped by policy)"


def test_the_end_of_many_tells_each_downtime() -> None:
    words = text.ends([trouble(1, over_at=NOW), trouble(2, over_at=NOW - timedelta(minutes=9))], [], NOW)

    assert words.subject == "All 2 incidents are over: 10:01 UTC to 10:30 UTC, 29 min"
    assert words.lines[1:] == (
        "web-1 is unhealthy: over at 10:30 UTC, after 29 min.",
        "web-2 is unhealthy: over at 10:21 UTC, after 20 min.",
    )


def test_a_change_says_first_what_still_stands() -> None:
    words = text.changes([trouble(1), trouble(2, over_at=NOW), trouble(3, is_new=True)], [news("restart failed")], NOW)

    assert words.subject.startswith("Still: 2 incidents since 10:01 UTC: web-1")
    assert words.lines[0] == "2 of 3 incidents are open, the first since 10:01 UTC."
    assert "web-3 is unhealthy since 10:01 UTC." in words.lines
    assert words.lines[-1] == "10:25 UTC: restart failed"


def test_a_question_says_in_which_line_it_stands() -> None:
    words = text.tells([news("web-2 is flapping", 1), news("web-1: a restart waits for you", 2, approval_id=7)], NOW)

    assert words.lines == ("10:25 UTC: web-2 is flapping", "10:25 UTC: web-1: a restart waits for you")
    assert words.answers == ((1, 7),)


def test_several_notices_are_counted() -> None:
    words = text.tells([news("web-1 is flapping", 1), news("web-2 is flapping", 2)], NOW)

    assert words.subject == "2 notices: web-1 is flapping"
    assert len(words.lines) == 2


@pytest.mark.attack("A55")
def test_no_text_breaks_a_subject_or_makes_it_too_long() -> None:
    long = Trouble(1, "a\nb " + "x" * 300, Severity.CRITICAL, SINCE)

    words = text.begins([long], [], NOW)

    assert "\n" not in words.subject
    assert len(words.subject) == 200
