"""Incidents, maintenance and channels in a real browser: by the keyboard alone, live, and against a real receiver."""

import re
from datetime import date, timedelta

import pytest
import sqlalchemy as sa
from playwright.sync_api import Page, expect

from podhealth import clock, egress
from podhealth.alerting.deliver import Deliverer
from podhealth.core.words import Actor, Role
from podhealth.models import Incident
from podhealth.store import acknowledging, channels, windows, windowturns
from podhealth.store.db import read, write
from podhealth.store.tenancy import Scope, system_scope
from tests.alerting.receiver import a_receiver
from tests.alerting.world import PLATFORM, settings
from tests.support.stage import Stage
from tests.support.windowing import a_window

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def incident_of(stage: Stage, pod: int) -> int:
    stage.turn([pod])
    with read(stage.engine) as conn:
        query = sa.select(Incident.id).where(Incident.cause_key == f"pod:{pod}", Incident.recovered_at.is_(None))
        return int(conn.scalars(query).one())


def tab_to(page: Page, name: str) -> None:
    """Press Tab until the thing of that name has the focus."""
    for _ in range(80):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent.replace(/\\s+/g, ' ').trim()").startswith(name):
            return
    raise AssertionError(f"Tab does not come to {name}")


def test_an_incident_is_taken_on_for_an_hour_by_the_keyboard_alone(stage, enter):
    incident_id = incident_of(stage, stage.acme.pods[5])
    page = stage.open(enter(), "/incidents?q=acme-5")
    row = page.locator(f"#incident-row-{incident_id}")

    tab_to(page, "Acknowledge…")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    for key in ("ArrowRight", "ArrowRight", "Tab"):
        page.keyboard.press(key)
    page.keyboard.type("disk is full")
    page.keyboard.press("Enter")

    expect(row).to_contain_text("has it until")
    expect(row).to_contain_text("disk is full")
    expect(page.get_by_role("dialog")).to_be_hidden()
    assert page.evaluate("document.activeElement.innerText").startswith("Extend…")
    expect(page.get_by_role("navigation", name="State")).to_contain_text("acknowledged 1")
    with read(stage.engine) as conn:
        until = conn.scalar(sa.select(Incident.acknowledged_until).where(Incident.id == incident_id))
    assert timedelta(minutes=58) < until - clock.utcnow() <= timedelta(hours=1)


def test_escape_gives_it_up_and_the_focus_is_where_it_was(stage, enter):
    incident_of(stage, stage.acme.pods[6])
    page = stage.open(enter(), "/incidents?q=acme-6")
    tab_to(page, "Acknowledge…")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")

    expect(page.get_by_role("dialog")).to_be_hidden()
    assert page.evaluate("document.activeElement.innerText").startswith("Acknowledge…")


def test_that_somebody_else_has_it_shows_at_once_and_what_is_typed_stays(stage, enter):
    incident_id = incident_of(stage, stage.acme.pods[7])
    page = stage.open(enter(), f"/incidents/{incident_id}")
    page.get_by_role("button", name="Note…").click()
    page.get_by_label("What is worth knowing").fill("half a thought")
    scope = Scope(stage.acme.tenant_id, Role.OPERATOR, Actor.USER, "bob@acme.example")
    with write(stage.engine) as conn:
        acknowledging.acknowledge(conn, scope, incident_id, None, "bob looks")

    expect(page.locator(f"#incident-head-{incident_id}")).to_contain_text("bob@acme.example has it")
    expect(page.locator(f"#incident-log-{incident_id}")).to_contain_text("bob looks")
    expect(page.get_by_label("What is worth knowing")).to_have_value("half a thought")
    page.get_by_role("button", name="Add note").click()
    expect(page.locator(f"#incident-log-{incident_id}")).to_contain_text("half a thought")


def test_what_visitors_would_see_is_shown_while_it_is_typed(stage, enter):
    incident_id = incident_of(stage, stage.acme.pods[8])
    page = stage.open(enter(), f"/incidents/{incident_id}")
    page.get_by_label("Text", exact=True).fill("Checkout answers slowly.")
    page.get_by_text("Identified", exact=True).click()

    expect(page.locator("#public-preview")).to_contain_text("Identified")
    expect(page.locator("#public-preview")).to_contain_text("Checkout answers slowly.")
    page.get_by_role("button", name="Tell visitors").click()
    expect(page.locator(f"#incident-public-{incident_id}")).to_contain_text("Checkout answers slowly.")


def last_sunday_of_march(year: int) -> date:
    day = date(year, 3, 31)
    return day - timedelta(days=(day.weekday() + 1) % 7)


def test_a_window_for_every_sunday_is_planned_across_the_turn_of_the_clock(stage, enter):
    turn = last_sunday_of_march(clock.utcnow().year + 1)
    page = stage.open(enter(), "/maintenance/new")
    page.get_by_label("Name", exact=True).fill("network")
    page.get_by_label("Reason").fill("new switch")
    page.locator("#starts").fill(f"{turn - timedelta(days=7)}T02:00")
    page.locator("#zone").fill("Europe/Berlin")
    page.locator("#hours").fill("2")
    page.get_by_text("On days of the week").click()
    page.locator("#days-SU").check()
    page.get_by_label("All pods").check()

    expect(page.locator("#window-preview")).to_contain_text("Every week on Sunday at 02:00 for 2 h, Europe/Berlin")
    expect(page.locator("#window-preview")).to_contain_text("The clock jumps over 02:00: it begins at 03:00")
    page.get_by_role("button", name="Plan this window").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    page.goto(f"{stage.web.origin}/maintenance?month={turn:%Y-%m}&zone=Europe/Berlin")

    def on(day: date) -> str:
        return page.locator(f'td:has(time[datetime="{day}"])').inner_text()

    assert "02:00–04:00 network" in on(turn - timedelta(days=7))
    assert "03:00–05:00 network" in on(turn)
    page.goto(f"{stage.web.origin}/maintenance?month={turn + timedelta(days=7):%Y-%m}&zone=Europe/Berlin")
    assert "02:00–04:00 network" in on(turn + timedelta(days=7))


def test_a_window_that_begins_and_ends_shows_on_the_open_calendar(stage, enter):
    page = stage.open(enter(), "/maintenance")
    scope = system_scope(stage.acme.tenant_id)
    with write(stage.engine) as conn:
        window_id = a_window(conn, scope, name="kernel update").id
    windowturns.due(stage.engine)

    expect(page.locator("#windows-now")).to_contain_text("kernel update until")
    expect(page.locator(".month .is-today")).to_contain_text("kernel update")
    expect(page.locator("#windows-ends")).to_contain_text("End now…")
    with write(stage.engine) as conn:
        windows.end_now(conn, scope, window_id)
    expect(page.locator("#windows-now")).not_to_contain_text("kernel update")


@pytest.mark.parametrize(
    ("reply", "said"),
    [(200, r"Test: sent\. Web hook answered 200 in \d+ ms"), (403, r"the web hook answered 403, after \d+ ms")],
)
def test_a_channel_is_tested_in_its_row_against_a_real_receiver(stage, enter, reply, said):
    egress.open_networks(["127.0.0.0/8"])
    with a_receiver() as receiver:
        receiver.says(reply)
        fields = {"name": f"hook-{reply}", "kind": "webhook", "config": {"url": receiver.url}}
        with write(stage.engine) as conn:
            row = channels.create_channel(conn, system_scope(stage.zeta.tenant_id), fields, PLATFORM).row
        page = stage.open(enter(stage.zeta), "/channels")
        page.get_by_role("button", name=f"Test hook-{reply}").click()
        result = page.locator(f"#test-of-{row.id}")
        expect(result).to_contain_text("Test is on its way")
        deliverer = Deliverer(stage.engine, settings(stage.engine))
        message = deliverer.take()
        assert message is not None
        deliverer.tell(message)
        expect(result).to_have_text(re.compile(said), use_inner_text=True)
        assert len(receiver.got) == 1
    egress.open_networks([])
    expect(page.locator(f"#channel-row-{row.id}")).to_contain_text("Sent" if reply == 200 else "Failed")
