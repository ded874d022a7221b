"""A pod is snoozed from its page, and the snooze is ended."""

import re
from datetime import timedelta

import pytest
import sqlalchemy as sa

from podhealth.models import Snooze
from podhealth.store.db import db_now, read, write
from tests.support.cast import Caller
from tests.support.past import HOUR
from tests.web.pod_page.stored import HTMX, SNOOZE, audited, count


def test_snoozing_holds_the_pod_and_is_audited(engine, ann: Caller, sick: int):
    answer = ann.post(f"/pods/{sick}/snooze", data=SNOOZE)

    assert (answer.status_code, answer.location) == (303, f"/pods/{sick}")
    with read(engine) as conn:
        row = conn.execute(sa.select(Snooze.__table__)).one()
        assert row.until - row.at == pytest.approx(HOUR, abs=timedelta(seconds=5))
    assert row.reason == "disk"
    assert audited(engine) == [("pod snoozed", "ann@acme.example")]
    page = ann.get(f"/pods/{sick}").text
    assert "In maintenance (snoozed by ann@acme.example: disk)" in page
    assert "End snooze" in page


def test_snoozing_by_htmx_answers_the_panel_and_a_fresh_form(ann: Caller, sick: int):
    answer = ann.post(f"/pods/{sick}/snooze", data=SNOOZE, headers=HTMX)

    assert (answer.status_code, answer.headers["HX-Retarget"]) == (200, f"#pod-healing-{sick}")
    assert answer.text.startswith(f'<section id="pod-healing-{sick}"')
    assert re.search(r'<form id="snooze-form"[^>]* hx-swap-oob="true"', answer.text, re.DOTALL)


@pytest.mark.parametrize(
    ("changed", "field", "message"),
    [
        ({"reason": " "}, "reason", "must be text of 1 to 200 characters"),
        ({"reason": "x" * 201}, "reason", "must be text of 1 to 200 characters"),
        ({"length": "soon"}, "length", "must be one of 15 min, 1 h, 4 h, until"),
        ({"length": "until", "until": "tomorrow"}, "until", "must be a day and a time"),
        ({"length": "until", "until": "2020-01-01T00:00"}, "until", "must lie within the next 31 days"),
        ({"length": "until", "until": "2999-01-01T00:00"}, "until", "must lie within the next 31 days"),
        ({"holds": "everything"}, "holds", "must be one of heals_and_alerts, alerts"),
    ],
)
@pytest.mark.parametrize("headers", [{}, HTMX], ids=["form", "htmx"])
def test_a_bad_snooze_comes_back_with_its_field_named(engine, ann: Caller, sick: int, changed, field, message, headers):
    answer = ann.post(f"/pods/{sick}/snooze", data=SNOOZE | changed, headers=headers)

    assert answer.status_code == 422
    assert re.search(rf'id="snooze-{field}-error"[^§]*?{message}', answer.text)
    assert ("<html" in answer.text) == (not headers)
    assert count(engine, Snooze) == 0


def test_a_refused_form_keeps_what_was_typed_and_opens_its_dialog(ann: Caller, sick: int):
    page = ann.post(f"/pods/{sick}/snooze", data=SNOOZE | {"length": "soon", "reason": "<moving> it"}).text

    assert 'value="&lt;moving&gt; it"' in page
    assert re.search(r'<dialog id="snooze"[^>]* open', page)


def test_a_snooze_until_a_moment_is_in_the_tenants_zone(engine, tenant, ann: Caller, sick: int):
    with write(engine) as conn:
        conn.execute(sa.text("UPDATE tenants SET zone = 'Asia/Kolkata'"))
        until = (db_now(conn) + timedelta(hours=8)).replace(microsecond=0, second=0)
    wall = (until + timedelta(hours=5, minutes=30)).strftime("%Y-%m-%dT%H:%M")

    ann.post(f"/pods/{sick}/snooze", data=SNOOZE | {"length": "until", "until": wall})

    with read(engine) as conn:
        assert conn.scalar(sa.select(Snooze.until)) == until


def test_the_same_form_sent_twice_snoozes_once(engine, ann: Caller, sick: int):
    for _ in range(2):
        answer = ann.post(f"/pods/{sick}/snooze", data=SNOOZE | {"op": "an-op-of-its-own"})
        assert answer.status_code == 303

    assert count(engine, Snooze) == 1


def test_ending_a_snooze_ends_all_of_them(engine, ann: Caller, sick: int):
    ann.post(f"/pods/{sick}/snooze", data=SNOOZE)
    ann.post(f"/pods/{sick}/snooze", data=SNOOZE | {"length": "240"})

    answer = ann.post(f"/pods/{sick}/end-snooze")

    assert answer.status_code == 303
    with read(engine) as conn:
        assert conn.scalar(sa.select(sa.func.count()).where(Snooze.ended_at.is_(None))) == 0
    assert audited(engine)[-1] == ("snooze ended", "ann@acme.example")
    assert ann.post(f"/pods/{sick}/end-snooze", headers=HTMX).status_code == 200
