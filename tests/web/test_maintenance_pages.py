"""The maintenance pages: what is under way and comes next, and the form that plans, changes and ends a window."""

import re
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from podhealth.core.words import Role
from podhealth.models import Window
from podhealth.store import windows, windowturns
from podhealth.store.db import db_now, read, write
from podhealth.store.tenancy import system_scope
from podhealth.web.installed import installed
from tests.support import build
from tests.support.forms import hidden, refused, value_of
from tests.support.windowing import a_window

GOOD = {
    "name": "kernel update",
    "reason": "new kernel",
    "starts": "2030-11-24T02:00",
    "hours": "2",
    "minutes": "0",
    "zone": "Europe/Berlin",
    "repeat": "once",
    "every": "1",
    "allPods": "on",
    "holds": "heals_and_alerts",
    "enabled": "on",
}


class House:
    """A tenant with two pods, and the people who come to its pages."""

    def __init__(self, engine: sa.Engine, signed_in: Any) -> None:
        self.engine = engine
        with write(engine) as conn:
            self.tenant_id = build.a_tenant(conn, zone="Europe/Berlin")
            self.scope = system_scope(self.tenant_id)
            self.web = build.a_pod(conn, self.tenant_id, "web-1", tags=["web"], status="unhealthy")
            build.a_check(conn, self.web, status="unhealthy", failures=3, fresh_until=db_now(conn) + timedelta(hours=1))
            self.db = build.a_pod(conn, self.tenant_id, "db-1", tags=["db"])
            people = {
                role: build.a_user(conn, self.tenant_id, role.value, role) for role in (Role.OPERATOR, Role.VIEWER)
            }
        self.ann, self.vic = (signed_in(people[role]) for role in (Role.OPERATOR, Role.VIEWER))

    def window(self, **fields: Any) -> int:
        with write(self.engine) as conn:
            window_id = a_window(conn, self.scope, **fields).id
        windowturns.due(self.engine)
        return window_id

    def rows(self) -> list[Any]:
        with read(self.engine) as conn:
            return list(windows.list_windows(conn, self.scope))

    def plan(self, **fields: Any) -> Any:
        return self.ann.post("/maintenance", data=GOOD | fields)


@pytest.fixture
def house(engine, signed_in) -> House:
    return House(engine, signed_in)


def test_without_windows_the_page_says_what_they_are_and_how_to_plan_one(house) -> None:
    text = house.ann.get("/maintenance").get_data(as_text=True)

    assert "No maintenance planned" in text
    assert 'href="/maintenance/new"' in text


def test_the_list_shows_what_is_under_way_next_off_and_over_in_this_order(house) -> None:
    house.window(name="past", starts="2020-01-01T00:00")
    house.window(name="resting", enabled=False)
    house.window(name="coming", begins_in=timedelta(hours=5))
    house.window(name="present", recurrence="FREQ=DAILY")
    text = house.ann.get("/maintenance").get_data(as_text=True)
    board = text[text.index('class="window-rows"') :]

    assert re.findall(r'<a href="/maintenance/\d+">(\w+)</a>', board) == ["present", "coming", "resting", "past"]
    assert re.findall(r'data-state="(\w+)"', board) == ["open", "next", "off", "over"]
    assert "Under way" in board
    assert "Every day at" in board


def test_fifty_windows_are_a_page_and_a_page_that_is_none_the_last_or_the_first(house) -> None:
    with write(house.engine) as conn:
        for n in range(52):
            a_window(conn, house.scope, name=f"w{n:02}", starts=f"2020-01-01T00:{n:02}")

    def shown(query: str) -> tuple[list[str], bool]:
        text = house.ann.get(f"/maintenance{query}").get_data(as_text=True)
        names = re.findall(r'<a href="/maintenance/\d+">(\w+)</a>', text[text.index('class="window-rows"') :])
        return names, "is left out" in text

    first, second = [f"w{n:02}" for n in range(50)], ["w50", "w51"]
    assert [shown(query) for query in ("?view=list", "?page=2&view=list", "?page=9", "?page=x")] == [
        (first, False), (second, False), (second, False), (first, True)
    ]  # fmt: skip


def test_the_list_asks_no_more_for_more_windows(house, app, count_queries) -> None:
    for n in range(12):
        house.window(name=f"window {n}", starts="2020-01-01T00:00")

    with count_queries(installed(app).engine, at_most=16):
        assert house.ann.get("/maintenance").status_code == 200


def test_a_window_is_planned_by_its_form(house) -> None:
    answer = house.plan()

    (row,) = house.rows()
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/maintenance/{row.id}?saved=1")
    assert (row.starts, row.minutes, row.zone, row.recurrence) == ("2030-11-24T02:00", 120, "Europe/Berlin", None)
    assert "Saved." in house.ann.get(answer.headers["Location"]).get_data(as_text=True)


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        pytest.param({"repeat": "daily", "every": "2"}, "FREQ=DAILY;INTERVAL=2", id="every second day"),
        pytest.param({"repeat": "daily", "lastDay": "2030-12-31"}, "FREQ=DAILY;UNTIL=20301231", id="with a last day"),
        pytest.param(
            {"repeat": "weekly", "days-SU": "on", "days-WE": "on"}, "FREQ=WEEKLY;BYDAY=WE,SU", id="days of the week"
        ),
        pytest.param({"repeat": "monthly", "monthly": "day"}, "FREQ=MONTHLY;BYMONTHDAY=24", id="day of the month"),
        pytest.param({"repeat": "monthly", "monthly": "weekday"}, "FREQ=MONTHLY;BYDAY=4SU", id="fourth Sunday"),
        pytest.param(
            {"repeat": "monthly", "monthly": "weekday", "starts": "2030-12-31T02:00"},
            "FREQ=MONTHLY;BYDAY=-1TU",
            id="a fifth is the last",
        ),
        pytest.param(
            {"repeat": "rule", "rule": "freq=monthly;byday=2tu;count=6"}, "FREQ=MONTHLY;BYDAY=2TU;COUNT=6", id="by rule"
        ),
    ],
)
def test_how_often_it_comes_is_chosen_in_plain_words_and_comes_back_so(house, fields, rule) -> None:
    house.plan(**fields)
    (row,) = house.rows()
    text = house.ann.get(f"/maintenance/{row.id}").get_data(as_text=True)

    assert row.recurrence == rule
    assert re.search(rf'id="repeat-{fields["repeat"]}"[^>]*\schecked', text)


@pytest.mark.parametrize(
    ("fields", "field", "said"),
    [
        ({"name": ""}, "name", "must be text of 1 to 63 characters"),
        ({"reason": "x" * 201}, "reason", "must be text of 1 to 200 characters"),
        ({"starts": "tomorrow"}, "starts", "must be a local day and time"),
        ({"starts": "1970-01-01T00:00"}, "starts", "must be a local day and time"),
        ({"zone": "Mars"}, "zone", "must be the name of a time zone"),
        ({"hours": "x"}, "hours", "must be a whole number from 0 to 168"),
        ({"hours": "0", "minutes": "0"}, "minutes", "it must last a minute at least"),
        ({"hours": "168", "minutes": "1"}, "minutes", "it must last a minute at least, and a week at most"),
        ({"repeat": "yearly"}, "repeat", "must be one of"),
        ({"repeat": "daily", "every": "0"}, "every", "must be a whole number from 1 to 366"),
        ({"repeat": "weekly"}, "days", "choose at least one day"),
        ({"repeat": "monthly", "monthly": "x"}, "monthly", "must be one of"),
        ({"repeat": "daily", "lastDay": "x"}, "lastDay", "must be a day"),
        ({"repeat": "daily", "lastDay": "2020-01-01"}, "lastDay", "no day from the begin on fits this rule"),
        ({"repeat": "rule", "rule": "FREQ=YEARLY"}, "rule", "FREQ must be one of"),
        ({"repeat": "rule", "rule": ""}, "rule", "must be a rule such as"),
        ({"allPods": ""}, "allPods", "choose all pods, or name tags, pods or nodes"),
        ({"allPods": "", "pods": "web-1\nweb-77"}, "pods", "there is no pod called web-77"),
        ({"holds": "x"}, "holds", "must be one of"),
    ],
)
def test_a_bad_value_is_told_beside_its_field_and_nothing_is_stored(house, fields, field, said) -> None:
    answer = house.plan(**fields)
    text = answer.get_data(as_text=True)

    told = refused(text)
    assert answer.status_code == 422
    assert list(told) == [field]
    assert said.lower() in told[field].lower()
    assert house.rows() == []
    assert value_of(text, "zone") == fields.get("zone", "Europe/Berlin")


def test_all_that_is_wrong_is_told_at_once(house) -> None:
    answer = house.plan(name="", zone="Mars", hours="x", repeat="weekly")

    assert set(refused(answer.get_data(as_text=True))) == {"name", "zone", "hours", "days"}


def test_a_taken_name_is_told_beside_the_name(house) -> None:
    house.plan()
    answer = house.plan()

    assert answer.status_code == 422
    assert "window of this name" in refused(answer.get_data(as_text=True))["name"]


def test_pods_are_chosen_by_name(house) -> None:
    house.plan(allPods="", pods="web-1\r\n\r\ndb-1 ")
    (row,) = house.rows()
    text = house.ann.get(f"/maintenance/{row.id}").get_data(as_text=True)

    assert row.pod_ids == [house.web, house.db]
    assert re.search(r'<textarea[^>]*id="pods"[^>]*>\s*db-1\nweb-1</textarea>', text)


def test_the_same_form_sent_twice_makes_one_window(house) -> None:
    op = hidden(house.ann.get("/maintenance/new").get_data(as_text=True), "op")
    first, second = house.plan(op=op), house.plan(op=op)

    assert first.headers["Location"] == second.headers["Location"]
    assert len(house.rows()) == 1


def test_an_edit_of_an_older_version_is_told_with_what_differs_and_keeps_what_was_typed(house) -> None:
    window_id = house.window(name="kernel update", minutes=60)
    with write(house.engine) as conn:
        windows.save_window(conn, house.scope, {"reason": "another"}, window_id)
    answer = house.ann.post(f"/maintenance/{window_id}", data=GOOD | {"version": "1", "reason": "mine"})
    text = answer.get_data(as_text=True)

    assert answer.status_code == 409
    assert "Reason: stored is another, yours is mine" in text
    assert value_of(text, "reason") == "mine"
    assert hidden(text, "version") == "2"


def test_an_edit_changes_the_window(house) -> None:
    window_id = house.window(name="kernel update")
    answer = house.ann.post(f"/maintenance/{window_id}", data=GOOD | {"version": "1", "minutes": "30"})

    assert answer.status_code == 303
    assert house.rows()[0].minutes == 150


def test_the_preview_says_when_it_would_be_with_the_next_five_times(house) -> None:
    asked = GOOD | {
        "repeat": "daily",
        "starts": "2030-03-29T02:30",
        "hours": "1",
        "name": "",
        "allPods": "",
        "tags": "web",
    }
    text = house.ann.post("/maintenance/preview", data=asked, headers={"HX-Request": "true"}).get_data(as_text=True)

    assert text.startswith('<div class="window-preview" id="window-preview">')
    assert "Every day at 02:30 for 1 h, Europe/Berlin, from 29 Mar 2030 on." in text
    assert "For pods with the tag web — 1 now" in text
    assert text.count("<li>") == 5
    assert "Sun 31 Mar 2030, 03:00–04:00" in text
    assert "The clock jumps over 02:30" in text


def test_the_preview_of_half_a_form_says_what_is_missing(house) -> None:
    text = house.ann.post("/maintenance/preview", data=GOOD | {"zone": ""}, headers={"HX-Request": "true"}).get_data(
        as_text=True
    )

    assert "Time zone: must be the name of a time zone" in text


def test_without_scripts_the_preview_answers_the_page_without_blame(house) -> None:
    text = house.ann.post("/maintenance/preview", data=GOOD | {"name": ""}).get_data(as_text=True)

    assert refused(text) == {}
    assert "Once on 24 Nov 2030 at 02:00 for 2 h, Europe/Berlin" in text


def test_what_is_under_way_can_be_ended_and_the_page_says_what_resumes(house) -> None:
    window_id = house.window()
    asked = house.ann.get(f"/maintenance/{window_id}/end").get_data(as_text=True)
    answer = house.ann.post(f"/maintenance/{window_id}/end")

    assert "2 pods are started anew and judged at once; 1 is unhealthy now." in asked
    assert answer.status_code == 303
    assert house.rows()[0].skip_until is not None
    assert house.ann.post(f"/maintenance/{window_id}/end").status_code == 409


def test_what_is_under_way_can_be_lengthened(house) -> None:
    window_id = house.window()
    before = house.rows()[0].open_until
    answer = house.ann.post(f"/maintenance/{window_id}/extend", data={"minutes": "30"})

    assert answer.status_code == 303
    assert house.rows()[0].extended_until == before + timedelta(minutes=30)


def test_a_window_is_deleted_after_a_question(house) -> None:
    window_id = house.window()
    asked = house.ann.get(f"/maintenance/{window_id}/delete").get_data(as_text=True)
    answer = house.ann.post(f"/maintenance/{window_id}/delete")

    assert "Delete kernel update?" in asked
    assert (answer.status_code, answer.headers["Location"]) == (303, "/maintenance")
    assert house.rows() == []


def test_a_viewer_reads_and_may_not_change(house) -> None:
    window_id = house.window()
    text = house.vic.get(f"/maintenance/{window_id}").get_data(as_text=True)

    assert "Changing it needs the role operator" in text
    assert "End now" not in text
    assert "End now" not in house.vic.get("/maintenance").get_data(as_text=True)
    assert house.vic.post(f"/maintenance/{window_id}/end").status_code == 403


def test_the_pods_page_says_why_it_is_in_maintenance(house) -> None:
    house.window()
    text = house.ann.get(f"/pods/{house.web}").get_data(as_text=True)

    assert "In maintenance (window kernel update: new kernel)." in text


def test_a_window_called_like_markup_stays_text(house) -> None:
    house.plan(name="<b>x</b>", reason="<script>y</script>")
    (row,) = house.rows()

    for path in ("/maintenance", f"/maintenance/{row.id}", f"/maintenance/{row.id}/delete"):
        text = house.ann.get(path).get_data(as_text=True)
        assert "<b>x</b>" not in text
        assert "<script>y" not in text


def test_a_window_that_was_deleted_meanwhile_is_gone(house) -> None:
    window_id = house.window()
    with write(house.engine) as conn:
        conn.execute(sa.update(Window).values(deleted_at=Window.created_at))

    assert house.ann.post(f"/maintenance/{window_id}", data=GOOD).status_code == 404
