"""The brakes are as tight as the operator says, and as behaviour §6 says where nothing was said."""

from collections.abc import Iterator

import pytest

from podhealth.core.breaker import Standing, Tally, advance
from podhealth.core.limits import DEFAULT, Limits
from podhealth.core.turns import share_of
from podhealth.core.words import BreakerState
from podhealth.settings import Settings
from podhealth.store.limits import hold_limits, limits
from tests.core.healfacts import NOW

NEEDED = {"DATABASE_URL": "sqlite:///x.db", "REDIS_URL": "redis://127.0.0.1:1", "SECRET_KEY": "s" * 32}


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    before = limits()
    yield
    hold_limits(before)


def test_without_settings_the_brakes_are_those_of_the_contract() -> None:
    assert Settings(**NEEDED).limits == DEFAULT == Limits(6, 1, 5, 2, 30)


def test_settings_reach_the_limits() -> None:
    chosen = Settings(
        **NEEDED, heals_an_hour=60, migrations_an_hour=0, heals_at_once_percent=50, breaker_least=4, breaker_percent=10
    )
    hold_limits(chosen.limits)

    assert limits() == Limits(60, 0, 50, 4, 10)


def test_a_breaker_bears_as_many_as_is_set() -> None:
    wide = Limits(breaker_least=4, breaker_percent=10)

    assert advance(Standing(), Tally({1: 4}, 8, limits=wide), NOW).state == BreakerState.CLOSED
    assert advance(Standing(), Tally({1: 5}, 8, limits=wide), NOW).state == BreakerState.OPEN


def test_as_many_heals_at_a_time_as_is_set() -> None:
    assert [share_of(8, Limits(at_once_percent=percent)) for percent in (1, 25, 100)] == [1, 2, 8]
