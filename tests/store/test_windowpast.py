"""When windows truly were under way, told afterwards from the audit trail; by the clock, deed by deed."""

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from podhealth import clock
from podhealth.models import Window
from podhealth.store import windows, windowturns
from podhealth.store.db import db_now, read, write
from podhealth.store.tenancy import system_scope
from podhealth.store.windowpast import windows_in_force
from tests.support import build
from tests.support.windowing import a_window

BEGIN = datetime(2026, 11, 2, tzinfo=UTC)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
DAILY = {"zone": "UTC", "starts": "2026-11-01T02:00", "minutes": 60, "recurrence": "FREQ=DAILY"}


def change(**fields):
    return lambda conn, scope, window_id: windows.save_window(conn, scope, fields, window_id)


def extend(conn, scope, window_id):
    windows.extend(conn, scope, window_id, 45)


# What is done to a window that is under way from 2:00 to 3:00, by the minute of the day it is done at.
STORIES = {
    "nothing": {},
    "ended": {155: windows.end_now},
    "ended, then longer": {155: windows.end_now, 165: change(minutes=90)},
    "lengthened": {155: extend},
    "lengthened twice, then ended": {155: extend, 175: extend, 205: windows.end_now},
    "lengthened, then switched off and on again": {155: extend, 165: change(enabled=False), 185: change(enabled=True)},
    "shorter meanwhile": {155: change(minutes=30)},
    "later meanwhile": {155: change(starts="2026-11-01T02:50")},
    "another zone": {155: change(zone="Europe/Berlin"), 175: change(zone="UTC")},
    "deleted": {155: windows.delete_window},
    "renamed and twice a day": {
        105: change(name="twice", starts="2026-11-01T01:45"),
        235: change(starts="2026-11-01T04:00"),
    },
}


@pytest.mark.parametrize("story", STORIES)
def test_what_is_told_afterwards_is_what_was_so_at_each_moment(sqlite_engine, story) -> None:
    engine, real = sqlite_engine, clock.utcnow()
    with write(engine) as conn:
        scope = system_scope(build.a_tenant(conn))
    was_open = {}
    window_id = None
    for minute in range(65, 325, 10):
        now = BEGIN + minute * MINUTE
        clock.shift(now - real)
        with write(engine) as conn:
            if window_id is None:
                window_id = a_window(conn, scope, **DAILY).id
            if minute in STORIES[story]:
                STORIES[story][minute](conn, scope, window_id)
        windowturns.due(engine)
        with read(engine) as conn:
            rows = windows.list_windows(conn, scope)
            was_open[now + 2 * MINUTE] = bool(rows) and windows.now_open(rows[0], now + 2 * MINUTE) is not None

    with read(engine) as conn:
        (told,) = windows_in_force(conn, scope, BEGIN, BEGIN + DAY, now)
        later = windows_in_force(conn, scope, BEGIN, BEGIN + timedelta(minutes=170), BEGIN + 9 * DAY)
    said = {at: any(one.since <= at < one.until for one in told.times) for at in was_open if at < now}
    assert said == {at: was_open[at] for at in said}
    assert any(was_open.values())
    assert told.is_deleted is (story == "deleted")
    assert max(one.until for each in later for one in each.times) <= BEGIN + timedelta(minutes=170)


def test_a_window_of_whose_making_nothing_is_kept_is_left_out(sqlite_engine) -> None:
    engine = sqlite_engine
    with write(engine) as conn:
        scope = system_scope(build.a_tenant(conn))
        known = a_window(conn, scope, **DAILY | {"starts": "2026-01-01T02:00"})
        copy = {name: value for name, value in known._mapping.items() if name != "id"} | {"name": "copied"}
        copied = conn.execute(sa.insert(Window).values(**copy)).inserted_primary_key[0]
        windows.save_window(conn, scope, {"minutes": 90}, copied)
    with read(engine) as conn:
        now = db_now(conn)
        told = windows_in_force(conn, scope, now - MINUTE, now + 9 * DAY, now + 2 * DAY)

    assert [one.window_id for one in told] == [known.id]
