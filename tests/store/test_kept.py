"""What happened is kept as long as the operator says, and as behaviour §8 says where nothing was said."""

from datetime import timedelta

import pytest
from pydantic import ValidationError

from podhealth.core.kept import DEFAULT, Kept
from podhealth.settings import Settings

NEEDED = {"DATABASE_URL": "sqlite:///x.db", "REDIS_URL": "redis://127.0.0.1:1", "SECRET_KEY": "s" * 32}
DAY = timedelta(days=1)


def test_without_settings_things_are_kept_as_the_contract_says() -> None:
    assert (
        Settings(**NEEDED).kept == DEFAULT == Kept(30 * DAY, 14 * DAY, 400 * DAY, 400 * DAY, 90 * DAY, DAY, 400 * DAY)
    )


def test_settings_reach_what_is_kept() -> None:
    days = {"results_days": 3, "rollups_5min_days": 4, "rollups_1h_days": 50, "transitions_days": 60, "heals_days": 70}

    found = Settings(**NEEDED, **days, feed_hours=48, audit_days=80).kept

    assert found == Kept(3 * DAY, 4 * DAY, 50 * DAY, 60 * DAY, 70 * DAY, 2 * DAY, 80 * DAY)


@pytest.mark.parametrize("name", ["results_days", "rollups_1h_days", "heals_days", "feed_hours", "audit_days"])
def test_less_than_pages_need_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match=name):
        Settings(**NEEDED, **{name: 0})
