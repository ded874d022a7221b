"""What is left of a certificate, in words."""

from datetime import UTC, datetime, timedelta

import pytest

from podhealth.core.certificate import certificate_left

NOW = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("hours", "limit", "words", "is_short"),
    [
        (24 * 23 + 5, None, "certificate 23 days", False),
        (24 * 14, 14, "certificate 14 days", False),
        (24 * 14 - 1, 14, "certificate 13 days", True),
        (24, None, "certificate 1 day", False),
        (23, None, "certificate ends within a day", False),
        (23, 1, "certificate ends within a day", True),
        (-1, None, "certificate ended", True),
    ],
)
def test_a_certificate_is_short_under_its_checks_own_limit_and_once_it_has_ended(hours, limit, words, is_short):
    assert certificate_left(NOW + timedelta(hours=hours), NOW, limit) == (words, is_short)
