"""Windows in every time zone whose clocks are turned, over midnight and in the turned hours (hazards F47)."""

from datetime import UTC, date, datetime, timedelta
from itertools import takewhile
from zoneinfo import ZoneInfo, available_timezones

import pytest

from podhealth.core.recurrence import parse_rule
from podhealth.core.windows import Occurrence, Plan, occurrences

YEAR = 2028  # with a 29 February
BEGIN, END = datetime(YEAR, 1, 1, tzinfo=UTC), datetime(YEAR + 1, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def _turns(zone: ZoneInfo) -> list[datetime]:
    """Return the noons (UTC) before which, within a day, the zone's clock was turned."""
    noons = [BEGIN + timedelta(days=n, hours=12) for n in range(-1, 367)]
    pairs = zip(noons, noons[1:], strict=False)
    return [b for a, b in pairs if a.astimezone(zone).utcoffset() != b.astimezone(zone).utcoffset()]


def _daily(zone: ZoneInfo, local: str, minutes: int, since: datetime, until: datetime) -> list[Occurrence]:
    plan = Plan(zone, datetime.fromisoformat(f"{YEAR - 1}-12-01T{local}"), minutes, parse_rule("FREQ=DAILY"))
    return list(takewhile(lambda one: one.since < until, occurrences(plan, since)))


def _night_of(begin: datetime, local: str) -> date:
    """Return which day's window it is: one that the clock jumped over at midnight is of the day before."""
    return begin.date() - (DAY if begin.strftime("%H:%M") < local else timedelta(0))


@pytest.mark.fault("F47")
@pytest.mark.parametrize(("local", "minutes"), [("23:30", 120), ("02:30", 60), ("00:00", 60), ("01:30", 180)])
def test_in_each_zone_a_daily_window_opens_once_a_night_for_as_long_as_it_is_meant(local: str, minutes: int) -> None:
    zones = [ZoneInfo(name) for name in sorted(available_timezones())]
    turning = [(zone, turn) for zone in zones for turn in _turns(zone)]
    wrong = []
    for zone, turn in turning:
        found = _daily(zone, local, minutes, turn - 3 * DAY, turn + 3 * DAY)
        days = [_night_of(one.since.astimezone(zone), local) for one in found]
        lengths = {one.until - one.since for one in found}
        gaps = [b - a for a, b in zip(days, days[1:], strict=False)]
        if lengths != {timedelta(minutes=minutes)} or set(gaps) != {DAY} or not 5 <= len(found) <= 7:
            wrong.append((zone.key, turn, days, lengths))
    print(f"{len(turning)} turns in {len({zone.key for zone, _ in turning})} zones")

    assert len(turning) > 200
    assert wrong == []


@pytest.mark.fault("F47")
def test_the_29th_of_february_is_a_day_like_any_other() -> None:
    leap = datetime(YEAR, 2, 28, tzinfo=UTC)
    found = _daily(ZoneInfo("Europe/Berlin"), "23:30", 60, leap, leap + 3 * DAY)

    assert [one.since.date().isoformat() for one in found] == ["2028-02-28", "2028-02-29", "2028-03-01"]
