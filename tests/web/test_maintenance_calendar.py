"""The maintenance calendar: a month as a table, in a zone, through changes of the clock; and what is under way now."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from podhealth import clock
from podhealth.core.words import Role
from podhealth.models import Snooze
from podhealth.store import windows
from podhealth.store.db import db_now, write
from podhealth.store.tenancy import system_scope
from tests.support import build
from tests.support.windowing import a_window, local

NOW = datetime(2026, 11, 24, 12, 0, 30, tzinfo=UTC)
SUNDAYS = {"name": "network", "starts": "2026-01-04T02:00", "minutes": 120, "recurrence": "FREQ=WEEKLY;BYDAY=SU"}


class House:
    """A tenant in Berlin with a pod, seen by an operator and a viewer."""

    def __init__(self, engine: sa.Engine, signed_in: Any) -> None:
        self.engine = engine
        with write(engine) as conn:
            self.tenant_id = build.a_tenant(conn, zone="Europe/Berlin")
            self.pod = build.a_pod(conn, self.tenant_id, "web-1")
            people = [build.a_user(conn, self.tenant_id, role.value, role) for role in (Role.OPERATOR, Role.VIEWER)]
        self.ann, self.vic = (signed_in(one) for one in people)

    def window(self, made: str = "2020-01-01", **fields: Any) -> int:
        given = {"zone": "Europe/Berlin"} | fields
        given = {"starts": local(NOW, given["zone"])} | given
        with self.at(f"{made}T00:00"), write(self.engine) as conn:
            return int(a_window(conn, system_scope(self.tenant_id), **given).id)

    @contextmanager
    def at(self, moment: str) -> Iterator[None]:
        """Have the clock show that time of UTC in the block."""
        before = clock.shifted()
        clock.shift(before + datetime.fromisoformat(moment).replace(tzinfo=UTC) - clock.utcnow())
        yield
        clock.shift(before)

    def snooze(self, *, begins_in: timedelta = timedelta(0), lasts: timedelta, reason: str = "moved") -> None:
        with write(self.engine) as conn:
            at = db_now(conn) + begins_in
            values = {"tenant_id": self.tenant_id, "pod_id": self.pod, "reason": reason, "by": "ann", "at": at}
            conn.execute(sa.insert(Snooze).values(**values, until=at + lasts))

    def page(self, query: str = "") -> str:
        return str(self.ann.get(f"/maintenance{query}").text)


@pytest.fixture
def house(engine, signed_in) -> House:
    clock.shift(NOW - clock.utcnow())
    return House(engine, signed_in)


def cells(page: str) -> dict[str, list[str]]:
    """What stands on each day of the month's table, by its date."""
    found = {}
    for cell in re.findall(r'<td class="day.*?</td>', page, re.S):
        day = re.search(r'<time class="day-name" datetime="([^"]+)"', cell)
        assert day
        entries = re.findall(r'<span class="span">([^<]*)</span>\s*([^<]*)<', cell)
        found[day[1]] = [" ".join(entry).strip() for entry in entries]
    return found


def planned(page: str) -> dict[str, list[str]]:
    return {day: entries for day, entries in cells(page).items() if entries}


def test_a_month_is_a_table_with_whole_weeks_and_a_caption(house) -> None:
    house.window(starts="2026-11-24T10:00")
    page = house.page("?month=2026-11")
    table = page[page.index('<table class="month">') : page.index("</table>")]

    assert "Maintenance in November 2026 by the calendar of Europe/Berlin</caption>" in table
    assert len(re.findall(r'<th scope="col">', table)) == 7
    assert table.count("<tr>") == 7
    assert list(cells(page))[0] == "2026-10-26"
    assert list(cells(page))[-1] == "2026-12-06"


def test_a_window_for_every_sunday_comes_at_2_by_the_wall_in_the_night_the_clock_is_turned_too(house) -> None:
    house.window(**SUNDAYS)

    assert planned(house.page("?month=2026-03")) == {
        "2026-03-01": ["02:00–04:00 network"],
        "2026-03-08": ["02:00–04:00 network"],
        "2026-03-15": ["02:00–04:00 network"],
        "2026-03-22": ["02:00–04:00 network"],
        "2026-03-29": ["03:00–05:00 network"],  # 02:00 is not there that night
        "2026-04-05": ["02:00–04:00 network"],
    }


def test_another_zone_shows_the_same_by_its_own_clock_and_days(house) -> None:
    house.window(**SUNDAYS)
    found = planned(house.page("?month=2026-03&zone=America/New_York"))

    assert found["2026-03-07"] == ["20:00–22:00 network"]
    assert found["2026-03-14"] == ["21:00–23:00 network"]  # New York has turned its clocks, Berlin not yet
    assert found["2026-03-28"] == ["21:00–23:00 network"]


def test_a_window_over_several_days_stands_on_each_of_them_and_not_on_the_day_after_midnight(house) -> None:
    house.window(name="move", starts="2026-11-24T22:00", minutes=26 * 60 + 24 * 60)
    house.window(name="late", starts="2026-11-10T22:00", minutes=120)

    assert planned(house.page("?month=2026-11")) == {
        "2026-11-10": ["22:00–00:00 late"],
        "2026-11-24": ["from 22:00 move"],
        "2026-11-25": ["all day move"],
        "2026-11-26": ["until 00:00 move"],
    }


def test_several_a_day_stand_in_order_and_more_than_a_cell_holds_lead_to_the_list(house) -> None:
    for hour in (12, 9, 15, 7, 18):
        house.window(name=f"at-{hour}", starts=f"2026-11-24T{hour:02}:00")
    page = house.page("?month=2026-11")
    listed = house.page("?month=2026-11&view=list")

    assert cells(page)["2026-11-24"] == ["07:00–08:00 at-7", "09:00–10:00 at-9", "12:00–13:00 at-12"]
    assert re.search(r'href="/maintenance\?month=2026-11&amp;view=list#d-2026-11-24">2 more', page)
    assert 'id="d-2026-11-24"' in listed
    assert re.findall(r">(at-\d+)</a>", listed[: listed.index("window-rows")]) == [
        "at-7",
        "at-9",
        "at-12",
        "at-15",
        "at-18",
    ]
    assert "06:00–07:00 UTC" in listed


def test_today_is_marked_in_the_zone_that_is_shown(house) -> None:
    house.window()
    page = house.page("?zone=Pacific/Kiritimati")
    here = re.findall(r'aria-current="date">\s*<time class="day-name" datetime="([^"]+)"', page)

    assert here == ["2026-11-25"]


def test_the_ways_lead_to_the_months_beside_and_back(house) -> None:
    house.window()
    page = house.page("?month=2026-12&view=list&zone=UTC")

    assert re.search(r'href="/maintenance\?month=2026-11&amp;view=list&amp;zone=UTC"\s+rel="prev"', page)
    assert re.search(r'href="/maintenance\?month=2027-01&amp;view=list&amp;zone=UTC"\s+rel="next"', page)
    assert re.search(r'href="/maintenance\?view=list&amp;zone=UTC">\s*today', page)


@pytest.mark.parametrize(
    "query", ["?month=2026-13", "?month=1999-12", "?month=26-1", "?view=year", "?zone=Mars", "?zone=../etc/passwd"]
)
def test_what_the_address_cannot_ask_for_is_left_out_and_said(house, query) -> None:
    house.window()
    page = house.page(query)

    assert "Part of the address was not understood" in page
    assert "November 2026" in page
    assert "By the calendar of Europe/Berlin" in page


def test_what_was_before_a_window_was_made_or_after_it_was_ended_is_not_shown(house) -> None:
    daily = {"zone": "UTC", "starts": "2026-01-01T11:00", "minutes": 120, "recurrence": "FREQ=DAILY"}
    window_id = house.window(made="2026-11-21", **daily)
    with write(house.engine) as conn:
        windows.end_now(conn, system_scope(house.tenant_id), window_id)
    days = planned(house.page("?zone=UTC"))

    assert list(days)[0] == "2026-11-21"
    assert days["2026-11-23"] == ["11:00–13:00 kernel update"]
    assert days["2026-11-24"] == ["11:00–12:00 kernel update"]
    assert days["2026-11-25"] == ["11:00–13:00 kernel update"]


def test_past_days_show_what_was_in_force_then_whatever_was_changed_or_deleted_since(house, signed_in) -> None:
    daily = {"zone": "UTC", "starts": "2026-01-01T02:00", "minutes": 60, "recurrence": "FREQ=DAILY"}
    moved, gone = house.window(made="2026-11-02", **daily), house.window(made="2026-11-02", **daily | {"name": "<b>"})
    scope = system_scope(house.tenant_id)
    changes = {
        "2026-11-04T02:30": lambda conn: windows.save_window(conn, scope, {"minutes": 120}, moved),
        "2026-11-05T12:00": lambda conn: windows.save_window(
            conn, scope, {"starts": "2026-01-01T20:00", "name": "disks"}, moved
        ),
        "2026-11-04T02:45": lambda conn: windows.delete_window(conn, scope, gone),
    }
    for at, change in sorted(changes.items()):
        with house.at(at), write(house.engine) as conn:
            change(conn)
    with write(house.engine) as conn:
        zoe = build.a_user(conn, build.a_tenant(conn, "zeta"), "zoe", Role.ADMIN)
    page = house.page("?zone=UTC")
    days = planned(page)

    assert days["2026-11-02"] == ["02:00–03:00 &lt;b&gt;", "02:00–03:00 kernel update"]
    assert days["2026-11-04"] == ["02:00–02:45 &lt;b&gt;", "02:00–04:00 kernel update"]
    assert days["2026-11-05"] == ["02:00–04:00 kernel update", "20:00–22:00 disks"]
    assert days["2026-11-06"] == days["2026-12-06"] == ["20:00–22:00 disks"]
    assert page.count("Deleted since: </span>") == 3
    assert f"/maintenance/{gone}" not in page
    assert not planned(signed_in(zoe).get("/maintenance?zone=UTC").text)


def test_snoozes_are_thin_entries_and_those_made_at_once_are_one(house) -> None:
    house.window(starts="2026-01-01T00:00")
    house.snooze(lasts=timedelta(minutes=1), reason="alone")
    with write(house.engine) as conn:
        now = db_now(conn)
        for name in ("db-1", "db-2"):
            pod = build.a_pod(conn, house.tenant_id, name)
            values = {"tenant_id": house.tenant_id, "pod_id": pod, "reason": "both", "by": "ann", "at": now}
            conn.execute(sa.insert(Snooze).values(**values, until=now + timedelta(minutes=2)))
    page = house.page()

    assert "web-1 snoozed</a>" in page
    assert "2 pods snoozed</a>" in page
    assert page.count("is-snooze") >= 2


def test_what_is_under_way_is_told_on_top_with_the_way_to_end_it_for_operators_only(house) -> None:
    house.window(name="kernel update", recurrence="FREQ=DAILY")
    top = re.compile(r'<section id="windows-now".*?</section>', re.S)
    page, seen = house.page(), str(house.vic.get("/maintenance").text)

    assert "Active now:" in top.search(page)[0]  # type: ignore[index]
    assert "(1 pod)" in top.search(page)[0]  # type: ignore[index]
    assert "End now…" in page
    assert "Active now:" in seen
    assert "End now…" not in seen
    assert "New window" not in seen


def test_another_tenants_windows_and_snoozes_are_not_in_it(house, signed_in) -> None:
    house.window(name="acmes own")
    house.snooze(lasts=timedelta(hours=1))
    with write(house.engine) as conn:
        zeta = build.a_tenant(conn, "zeta")
        zoe = build.a_user(conn, zeta, "zoe", Role.ADMIN)
        a_window(conn, system_scope(zeta), name="zetas own")
    page = signed_in(zoe).get("/maintenance").text

    assert "zetas own" in page
    assert "acmes own" not in page
    assert "web-1" not in page
