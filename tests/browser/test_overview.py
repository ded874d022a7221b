"""The overview in a real browser: by keyboard, on a phone, in a second browser, and for many pods at once."""

import re

import pytest
import sqlalchemy as sa
from playwright.sync_api import expect

from podhealth.core.words import Role
from podhealth.models import Snooze
from podhealth.store.db import read
from tests.support.pages import PHONE
from tests.support.stage import WELL

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def names(page):
    return page.locator("#pod-list :is([id^=pod-card-] h2 a, [id^=pod-row-] th a)").all_text_contents()


def test_a_view_found_by_keyboard_alone_is_the_same_in_a_second_browser(stage, enter):
    sick = stage.acme.pods[4]
    stage.turn([sick])
    page = stage.open(enter(), "/pods?view=dense&group=node")

    page.keyboard.press("/")
    page.keyboard.type("node-1")
    expect(page.locator("#pod-list")).to_contain_text("4 of 12")
    assert page.evaluate("document.activeElement.id") == "q"
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    expect(page.locator("#pod-list")).to_contain_text("1 of 12")

    other = stage.open(enter(), page.url.removeprefix(stage.web.origin))
    assert re.search(r"q=node-1&status=unhealthy&group=node&view=dense$", page.url)
    assert names(other) == names(page) == ["acme-4"]
    stage.turn([sick], WELL)


def test_pods_are_walked_selected_and_snoozed_by_keys(stage, enter):
    page = stage.open(enter(), "/pods?sort=name")
    for key in ("j", "x", "j", "x", "j", "j", "k", "x"):
        page.keyboard.press(key)
    expect(page.locator("[data-selected]")).to_have_text("3 selected")
    page.get_by_role("button", name="Snooze").click()

    expect(page.get_by_role("heading", name="Snooze 3 pods?")).to_be_visible()
    page.get_by_label("Reason").fill("three of them")
    page.get_by_role("button", name="Snooze 3 pods").click()
    expect(page.locator("td.came.is-done")).to_have_count(3)
    page.get_by_role("link", name="Back to the pods").click()

    expect(page).to_have_url(re.compile(r"/pods\?sort=name$"))
    with read(stage.engine) as conn:
        snoozed = conn.execute(sa.select(Snooze.pod_id).order_by(Snooze.pod_id)).scalars().all()
    assert len(set(snoozed)) == 3


def test_s_asks_to_snooze_the_pod_that_has_the_focus_and_leads_back(stage, enter):
    page = stage.open(enter(), "/pods?sort=name&view=dense")
    page.keyboard.press("s")
    for key in ("j", "j", "s"):
        page.keyboard.press(key)

    expect(page.get_by_role("heading", name="Snooze acme-1?")).to_be_visible()
    expect(page.get_by_role("link", name="Cancel")).to_have_attribute(
        "href", re.compile(r"sort=name.*view=dense|view=dense.*sort=name")
    )


def test_selecting_a_page_takes_all_and_none(stage, enter):
    page = stage.open(enter())

    page.get_by_label("All on this page").check()
    expect(page.locator("[data-selected]")).to_have_text("12 selected")
    page.get_by_label("Select acme-3").uncheck()
    expect(page.locator("[data-selected]")).to_have_text("11 selected")
    assert page.get_by_label("All on this page").evaluate("box => box.indeterminate")


def test_a_selection_outlives_a_push(stage, enter):
    page = stage.open(enter())
    box = page.get_by_label("Select acme-2")
    box.check()

    stage.turn([stage.acme.pods[2]])

    expect(page.locator(f"#pod-card-{stage.acme.pods[2]}")).to_contain_text("Unhealthy")
    expect(box).to_be_checked()
    stage.turn([stage.acme.pods[2]], WELL)


def test_the_list_says_what_loading_it_again_would_change(stage, enter):
    page = stage.open(enter(), "/pods?status=unhealthy")
    expect(page.locator("#pod-list")).to_contain_text("No pod matches")

    stage.turn(stage.acme.pods[6:8])
    expect(page.locator("#list-differs")).to_contain_text("2 more match")
    page.keyboard.press("r")

    expect(page.locator("#pod-list [id^=pod-card-]")).to_have_count(2)
    expect(page.locator("#list-differs")).to_be_hidden()
    stage.turn(stage.acme.pods[6:8], WELL)


def test_on_a_phone_filters_open_as_a_sheet_and_narrow_the_list(stage, enter):
    page = stage.open(enter(viewport=PHONE))
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]

    page.get_by_role("button", name="Filter").click()
    sheet = page.get_by_role("dialog", name="Filter")
    assert sheet.bounding_box()["height"] == PHONE["height"]
    sheet.locator("summary", has_text="Node").click()
    sheet.get_by_label("acme-node-2").check()
    expect(page.locator("#pod-list")).to_contain_text("4 of 12")
    sheet.get_by_role("button", name="Show the pods").click()

    expect(sheet).to_be_hidden()
    expect(page.get_by_role("button", name="Filter 1")).to_be_visible()
    assert sorted(names(page)) == [f"acme-{n}" for n in ("10", "11", "8", "9")]


def test_a_view_is_saved_opened_and_deleted(stage, enter):
    page = stage.open(enter(), "/pods?tag=web&sort=name")
    page.get_by_role("button", name="Views").click()
    page.get_by_role("link", name="Save this view").click()
    page.get_by_label("Name").fill("web by name")
    page.get_by_role("button", name="Save view").click()
    expect(page).to_have_url(re.compile(r"/pods\?tag=web&sort=name$"))

    page.goto(stage.web.origin + "/pods")
    page.get_by_role("button", name="Views").click()
    page.get_by_role("link", name="web by name").click()
    expect(page).to_have_url(re.compile(r"/pods\?tag=web&sort=name$"))

    page.goto(stage.web.origin + "/pods/views")
    page.get_by_text("Change web by name").click()
    page.get_by_role("button", name="Delete view").click()
    expect(page.get_by_role("link", name="web by name")).to_have_count(0)


def test_who_only_looks_has_no_boxes_and_each_tenant_sees_its_own(stage, enter):
    viewer = stage.a_house("lookers", 2, Role.VIEWER)
    theirs, zetas = stage.open(enter(viewer)), stage.open(enter(stage.zeta))

    assert theirs.locator("input[name=ids], .bulk-bar, #answer-buttons").count() == 0
    assert sorted(names(theirs)) == ["lookers-0", "lookers-1"]
    assert sorted(names(zetas)) == ["zeta-0", "zeta-1", "zeta-2"]
    assert zetas.locator("input[name=ids]").count() == 3
