"""The frame of every page in a real browser: keys, the menu, what is being loaded, paper."""

import re
from datetime import timedelta

import pytest
from playwright.sync_api import expect

from podhealth import clock
from podhealth.core.words import Role
from podhealth.store.db import write
from tests.support.past import an_outage

pytestmark = [pytest.mark.browser, pytest.mark.slow]

WIDTHS = (721, 900, 1100, 1280, 1600)


@pytest.fixture
def page(stage, enter):
    """A page of acme's operator, on the overview; whatever goes wrong in its scripts fails the test."""
    page = enter(viewport={"width": 1280, "height": 800}).new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(stage.web.origin + "/pods")
    yield page
    assert faults == []


def press(page, *keys):
    for key in keys:
        page.keyboard.press(key)


@pytest.mark.parametrize(
    ("letter", "path"),
    [("i", "/incidents"), ("o", "/policies"), ("h", "/heals"), ("m", "/maintenance"), ("p", "/pods")],
)
def test_g_and_a_letter_go_to_a_page(stage, page, letter, path):
    page.goto(stage.web.origin + "/account")

    press(page, "g", letter)

    page.wait_for_url(stage.web.origin + path)


def test_a_letter_that_comes_long_after_g_stands_for_itself(stage, page):
    page.clock.install()
    page.goto(stage.web.origin + "/account")

    press(page, "g")
    page.clock.run_for(2000)
    press(page, "h")
    press(page, "?")

    expect(page.locator("#keys")).to_be_visible()
    assert page.url == stage.web.origin + "/account"


def test_the_keys_are_told_closed_by_escape_and_can_be_switched_off(page):
    press(page, "?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    told = set(page.locator("#keys dt kbd").all_text_contents())
    assert told == {*"/?gpiohmjkxasrt", "Enter", "Esc"}
    press(page, "Escape")
    expect(page.locator("#keys")).to_be_hidden()

    press(page, "?")
    page.locator("#keys").get_by_role("button", name="Off").click()
    press(page, "Escape", "j", "?", "/")

    expect(page.locator("#keys")).to_be_hidden()
    assert page.evaluate("document.activeElement.id") != "q"


def test_no_key_acts_while_somebody_types(page):
    press(page, "/")
    page.keyboard.type("ghj?t")

    expect(page.locator("#q")).to_have_value("ghj?t")
    expect(page.locator("#keys")).to_be_hidden()


def test_j_and_k_walk_a_table_and_enter_opens_what_has_the_focus(stage, page):
    page.goto(stage.web.origin + "/pods?view=dense&sort=name")
    names = page.locator("tbody th a").all_text_contents()

    press(page, "j", "j", "j", "k")
    assert page.evaluate("document.activeElement.textContent") == names[1]
    press(page, "Enter")

    expect(page.locator("h1")).to_have_text(re.compile(names[1]))


def test_s_snoozes_a_pod_for_whom_may_and_does_nothing_for_others(stage, enter, page):
    path = f"{stage.web.origin}/pods/{stage.acme.pods[0]}"
    page.goto(path)
    press(page, "s")
    expect(page.get_by_role("dialog", name=re.compile("^Snooze"))).to_be_visible()

    viewer = enter(stage.a_house("lookers", 1, Role.VIEWER)).new_page()
    viewer.goto(stage.web.origin + "/pods")
    press(viewer, "j", "Enter")
    viewer.wait_for_url("**/pods/*")
    press(viewer, "s")
    expect(viewer.locator("dialog[open]")).to_have_count(0)


def test_t_says_all_times_as_moments_and_keeps_that(page):
    since = page.locator(".pod-card time[data-t=for]").first
    expect(since).to_have_text(re.compile("^for "))

    press(page, "t")
    expect(since).to_have_text(re.compile("^since "))
    page.reload()
    expect(since).to_have_text(re.compile("^since "))


def test_the_menu_behind_more_opens_and_is_left_by_keyboard(stage, page):
    more = page.get_by_role("button", name="More")
    more.focus()
    press(page, "Enter")
    expect(page.locator("#more-menu")).to_be_visible()
    press(page, "Tab")
    assert page.evaluate("document.activeElement.closest('#more-menu') !== null")
    press(page, "Escape")
    expect(page.locator("#more-menu")).to_be_hidden()
    expect(more).to_be_focused()

    press(page, "Enter", "Tab", "Enter")
    expect(page).not_to_have_url(re.compile("/pods$"))
    expect(page.get_by_role("button", name="More")).to_have_class(re.compile("is-here"))


@pytest.mark.parametrize("width", WIDTHS)
def test_the_bar_is_one_line_whatever_stands_in_it(stage, page, width):
    stage.turn(stage.acme.pods[:10])
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(stage.web.origin + "/heals")

    heights = page.evaluate("[...document.querySelectorAll('.bar a, .bar button')].map(one => one.offsetHeight)")
    assert page.locator(".bar").evaluate("bar => bar.offsetHeight") <= 49
    assert max(heights) <= 49
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    missing = {"Policies", "Maintenance"} - set(page.locator(".nav-main a:visible").all_text_contents())
    page.get_by_role("button", name="More").click()
    assert missing <= set(page.locator("#more-menu a:visible").all_text_contents())


# What is being loaded


def test_a_list_that_takes_long_to_come_is_marked_as_busy_and_stays(page):
    held = []
    page.route("**/pods?**", lambda route: held.append(route))

    page.locator("#q").fill("acme-1")
    expect(page.locator("#pod-list")).to_have_attribute("aria-busy", "true")
    assert page.locator("#pod-list .pod-card").count() == 12
    held.pop(0).continue_()

    expect(page.locator("#pod-list")).to_contain_text("3 of 12")
    expect(page.locator("#pod-list")).not_to_have_attribute("aria-busy", "true")


@pytest.mark.parametrize("is_answered", [True, False], ids=["broken", "silent"])
def test_an_error_keeps_what_was_there_says_since_when_and_asks_again(page, is_answered):
    def spoil(route):
        if is_answered:
            route.fulfill(status=500, headers={"X-Request-Id": "abc123"})
        else:
            route.abort()

    page.route("**/pods?q=**", spoil)
    page.locator("#q").fill("acme-1")

    line = page.locator("#pod-list-failed")
    expect(line).to_contain_text("error 500, request abc123" if is_answered else "The server did not answer")
    expect(line).to_contain_text(re.compile(r"What you see is from \d\d:\d\d\."))
    assert page.locator("#pod-list .pod-card").count() == 12
    page.unroute("**/pods?q=**")
    line.get_by_role("button", name="Try again").click()

    expect(page.locator("#pod-list")).to_contain_text("3 of 12")
    expect(line).to_have_count(0)


# Paper


def test_a_printed_pod_has_no_controls_is_light_and_says_where_and_when(stage, enter):
    page = stage.open(enter(color_scheme="dark"), f"/pods/{stage.acme.pods[0]}?range=7d")
    page.emulate_media(media="print", color_scheme="dark")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")

    shown = page.locator(".bar, .nav-main, #live-chip, #toasts, .skip, main .btn, dialog").filter(visible=True)
    assert shown.count() == 0
    expect(page.locator("#history-" + str(stage.acme.pods[0]))).to_be_visible()
    expect(page.locator(".foot")).to_contain_text(f"/pods/{stage.acme.pods[0]}?range=7d")
    expect(page.locator(".foot")).to_contain_text(re.compile(r"Printed \d+ \w+ \d{4}, \d\d:\d\d:\d\d"))
    assert page.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--surface')") == "#FFFFFF"


def test_a_pod_with_a_long_past_is_two_sheets(stage, enter):
    pod_id = stage.acme.pods[3]
    with write(stage.engine) as conn:
        for number in range(60):
            an_outage(conn, pod_id, clock.utcnow() - timedelta(hours=number + 1), timedelta(minutes=20))
    page = stage.open(enter(), f"/pods/{pod_id}")

    sheets = len(re.findall(rb"/Type\s*/Page[^s]", page.pdf(format="A4")))
    page.emulate_media(media="print")

    assert sheets == 2
    assert page.locator(".event").filter(visible=True).count() == 24
    assert "not on paper" in page.evaluate("getComputedStyle(document.querySelector('.events'), '::after').content")


def test_motion_that_is_not_wanted_is_none(stage, enter):
    page = stage.open(enter(reduced_motion="reduce"))

    moving = """() => [...document.querySelectorAll("*")].map((one) => getComputedStyle(one))
      .filter((style) => style.animationName !== "none" || Number.parseFloat(style.transitionDuration) > 0).length"""
    page.locator(".healing, .pod-card .doing").first.evaluate("one => one.classList.add('is-breathing')")
    assert page.evaluate(moving) == 0
