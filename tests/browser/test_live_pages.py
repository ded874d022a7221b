"""A page that is open stays true by itself."""

from datetime import timedelta

import pytest
from playwright.sync_api import expect

from podhealth.core.words import KillScope
from podhealth.store import holds
from podhealth.store.db import db_now, write
from podhealth.store.tenancy import system_scope
from tests.support.stage import WELL, Stage

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.mark.parametrize("view", ["cards", "dense"])
def test_a_pod_that_falls_ill_shows_it_on_the_open_overview(stage, enter, view):
    page = stage.open(enter(), f"/pods?view={view}")
    shown = page.locator(f"#pod-{'card' if view == 'cards' else 'row'}-{stage.acme.pods[0]}")

    stage.turn(stage.acme.pods[:1])
    expect(shown).to_contain_text("Unhealthy")
    expect(page.locator("#overview-counts .is-unhealthy")).to_contain_text("1")
    expect(page).to_have_title("(1) Pods · acme · PodHealth")
    stage.turn(stage.acme.pods[:1], WELL)

    expect(shown).to_contain_text("Healthy")
    expect(page).to_have_title("Pods · acme · PodHealth")


def test_a_pods_own_page_turns_with_it(stage, enter):
    pod_id = stage.acme.pods[1]
    page = stage.open(enter(), f"/pods/{pod_id}")

    stage.turn([pod_id])

    expect(page.locator(f"#pod-head-{pod_id}")).to_contain_text("Unhealthy")
    expect(page).to_have_title("Unhealthy · acme-1 · acme · PodHealth")


def switched_off(stage: Stage, length: timedelta) -> int:
    scope = system_scope(stage.acme.tenant_id, "bob")
    with write(stage.engine) as conn:
        return holds.set_kill_switch(conn, scope, KillScope.POD, db_now(conn) + length, "disk", stage.acme.pods[2])


def test_what_differs_between_viewers_each_page_loads_itself(stage, enter):
    page = stage.open(enter(), "/brakes")
    page.get_by_text("Switch healing off…").click()
    page.locator("#switch-form [name=reason]").fill("storage")

    switch = switched_off(stage, timedelta(hours=1))
    expect(page.locator("#live-chip")).to_have_text("● live, 1 change waits")
    assert page.locator("#switch-form [name=reason]").input_value() == "storage"
    page.locator("#switch-form [name=reason]").fill("")
    page.get_by_text("Switch healing off…").click()
    page.get_by_text("Switch healing off…").blur()

    expect(page.locator("#switches li")).to_contain_text("acme-2")
    expect(page.locator("#switches").get_by_role("button", name="End now")).to_be_visible()
    with write(stage.engine) as conn:
        holds.end_kill_switch(conn, system_scope(stage.acme.tenant_id, "bob"), switch)
    expect(page.locator("#switches")).to_contain_text("Healing is on")


def test_a_hold_that_ends_by_itself_leaves_the_page_when_its_time_is_over(stage, enter):
    switched_off(stage, timedelta(seconds=4))
    page = stage.open(enter(), "/brakes")
    expect(page.locator("#switches li")).to_contain_text("acme-2")

    expect(page.locator("#switches")).to_contain_text("Healing is on", timeout=15_000)
