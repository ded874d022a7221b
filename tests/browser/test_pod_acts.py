"""What people do on a pod's page, by keyboard alone: its menus, and the dialog of heal now."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
from playwright.sync_api import expect

from podhealth.core.words import KillScope, ProviderKind
from podhealth.models import Heal
from podhealth.store.db import db_now, read, write
from podhealth.store.holds import end_kill_switch, set_kill_switch
from podhealth.store.tenancy import system_scope
from tests.support.build import a_check, a_pod
from tests.support.stage import Stage

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def press(page, *keys):
    for key in keys:
        page.keyboard.press(key)


@pytest.fixture
def pod_id(stage: Stage) -> int:
    """A healthy pod that a provider could restart."""
    with write(stage.engine) as conn:
        pod_id = a_pod(conn, stage.acme.tenant_id, "web-1", status="healthy", provider=ProviderKind.WEBHOOK)
        a_check(conn, pod_id, status="healthy", fresh_until=db_now(conn) + timedelta(hours=6), next_at=None)
    return pod_id


@pytest.fixture
def page(stage: Stage, enter, pod_id: int):
    """The pod's page; whatever goes wrong in its scripts fails the test."""
    page = enter(viewport={"width": 1280, "height": 800}).new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(f"{stage.web.origin}/pods/{pod_id}")
    yield page
    assert faults == []


def test_the_acts_are_reached_by_keys_and_heal_now_says_how_things_are_when_it_opens(stage, page, pod_id):
    more, act = page.get_by_role("button", name="More actions"), page.get_by_role("button", name="Act")
    dialog, scope = page.get_by_role("dialog", name="Heal web-1 now"), system_scope(stage.acme.tenant_id)

    more.focus()
    press(page, "ArrowDown", "ArrowDown")
    expect(page.get_by_role("link", name="Stop healing…")).to_be_focused()
    press(page, "ArrowDown", "Home")
    expect(page.get_by_role("button", name="Reset healing…")).to_be_focused()
    press(page, "Escape")
    expect(page.locator("#acts-more")).to_be_hidden()
    expect(more).to_be_focused()
    press(page, "Enter")
    page.mouse.click(640, 780)
    expect(page.locator("#acts-more")).to_be_hidden()

    page.set_viewport_size({"width": 390, "height": 800})
    expect(page.get_by_role("button", name="Heal now…")).to_be_hidden()
    act.click()
    expect(page.get_by_role("link", name="Stop healing…")).to_be_visible()
    expect(more).to_be_hidden()
    press(page, "Escape")
    with write(stage.engine) as conn:
        switch = set_kill_switch(conn, scope, KillScope.POD, db_now(conn) + timedelta(hours=1), "moving", pod_id)
    act.focus()
    press(page, "ArrowDown", "Enter")
    expect(dialog).to_contain_text('"moving"')
    dialog.get_by_label("Reason").fill("it hangs")
    press(page, "Enter")
    expect(dialog.get_by_role("button", name="Heal now")).to_have_attribute("aria-disabled", "true")
    press(page, "Escape")
    expect(act).to_be_focused()

    with write(stage.engine) as conn:
        end_kill_switch(conn, scope, switch)
    press(page, "ArrowDown", "Enter")
    expect(dialog.get_by_role("button", name="Heal anyway")).not_to_have_attribute("aria-disabled", "true")
    expect(dialog).to_contain_text("Nothing fails just now.")
    expect(dialog.get_by_label("Reason")).to_have_value("it hangs")
    dialog.get_by_label("Reason").focus()
    press(page, "Enter")
    expect(dialog).to_be_hidden()
    expect(page.locator(f"#pod-healing-{pod_id}")).to_contain_text("Restart")
    with read(stage.engine) as conn:
        assert conn.scalar(sa.select(sa.func.count()).where(Heal.pod_id == pod_id)) == 1
