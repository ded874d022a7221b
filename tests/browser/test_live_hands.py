"""Nothing is taken from a person's hands: a push waits for who types, selects, reads or presses, and says so."""

import json
import re
from datetime import timedelta

import pytest
import sqlalchemy as sa
from playwright.sync_api import Page, expect

from podhealth.core.words import HealState
from podhealth.models import Decision, Heal
from podhealth.store.db import db_now, write
from tests.support.build import a_heal
from tests.support.sockets import Line
from tests.support.stage import WELL, Stage

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PUSHES = 100


def pushed_again(stage: Stage, line: Line, page: Page, pod_id: int) -> None:
    """Turn a pod for real, and then say both pushes over and over: a hundred in a moment."""
    for finding in (None, WELL):
        before = len(line.pushes())
        stage.turn([pod_id], *([finding] if finding else []))
        page.wait_for_timeout(1)
        while len(line.pushes()) == before:
            page.wait_for_timeout(10)
    ill, well = line.pushes()[-2:]
    for _ in range(PUSHES // 2):
        line.say_again(ill, 1)
        line.say_again(well, 1)
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


@pytest.fixture
def room(stage, enter):
    context = enter(viewport={"width": 900, "height": 500})
    return context, Line(context)


def test_a_text_being_typed_survives_a_hundred_pushes(stage, room):
    context, line = room
    pod_id = stage.acme.pods[0]
    page = stage.open(context, f"/pods/{pod_id}")
    page.get_by_role("button", name="Snooze…").click()
    field = page.locator("#snooze [name=reason]")
    field.press_sequentially("disk is be")

    pushed_again(stage, line, page, pod_id)
    field.press_sequentially("ing changed")

    assert field.input_value() == "disk is being changed"
    expect(field).to_be_focused()


def test_a_search_being_typed_survives_a_hundred_pushes(stage, room):
    context, line = room
    page = stage.open(context)
    field = page.locator("[data-key-search]")
    field.fill("acme-")
    page.locator("#pod-list .pod-card").first.wait_for()

    pushed_again(stage, line, page, stage.acme.pods[1])

    assert field.input_value() == "acme-"
    expect(field).to_be_focused()


def test_selected_text_survives_and_its_card_changes_once_it_is_let_go(stage, room):
    context, line = room
    pod_id = stage.acme.pods[2]
    page = stage.open(context)
    card = page.locator(f"#pod-card-{pod_id}")
    card.locator("h2").select_text()

    pushed_again(stage, line, page, pod_id)
    stage.turn([pod_id])
    expect(page.locator("#live-chip")).to_have_text("● live, 1 change waits")
    assert page.evaluate("String(getSelection())").strip() == "acme-2"
    page.evaluate("getSelection().removeAllRanges()")

    expect(card).to_contain_text("Unhealthy")
    expect(page.locator("#live-chip")).to_have_text("● live")


def test_the_page_does_not_scroll_and_focus_stays(stage, room):
    context, line = room
    pod_id = stage.acme.pods[3]
    page = stage.open(context)
    link = page.locator(f"#pod-card-{stage.acme.pods[-1]} h2 a")
    link.focus()
    page.evaluate("scrollTo({top: 300, behavior: 'instant'})")
    before = page.evaluate("[scrollY, document.activeElement.getBoundingClientRect().top]")

    pushed_again(stage, line, page, pod_id)

    assert before[0] > 100
    assert page.evaluate("[scrollY, document.activeElement.getBoundingClientRect().top]") == before
    expect(link).to_be_focused()


def test_what_grows_above_the_window_moves_nothing_in_it(stage, room):
    context, _ = room
    pod_id = stage.acme.pods[4]
    page = stage.open(context, f"/pods/{pod_id}")
    page.evaluate("scrollTo({top: 250, behavior: 'instant'})")
    place = "document.querySelector('[id^=uptime-]').getBoundingClientRect().top"
    before = page.evaluate(place)

    stage.turn([pod_id])
    expect(page.locator(f"#pod-head-{pod_id}")).to_contain_text("Unhealthy")
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")

    assert abs(page.evaluate(place) - before) <= 1


@pytest.fixture
def healed(stage):
    """A pod with forty heals behind it, one an hour, and a decision."""
    pod_id = stage.acme.pods[5]
    with write(stage.engine) as conn:
        now = db_now(conn)
        over = {"state": HealState.SUCCEEDED, "next_step_at": None}
        for hours in range(1, 41):
            at = now - timedelta(hours=hours)
            a_heal(conn, pod_id, triggered_at=at, completed_at=at, idempotency_key=f"heal {hours}", **over)
        gates = [{"gate": "budget", "open": False, "reason": "6 of 6 heals", "inputs": {"used": 6}}]
        held = {"tenant_id": stage.acme.tenant_id, "pod_id": pod_id, "at": now, "answer": "hold", "gate": "budget"}
        conn.execute(sa.insert(Decision).values(**held, reason="Budget spent.", inputs={"gates": gates}))
    yield pod_id
    with write(stage.engine) as conn:
        for model in (Heal, Decision):
            conn.execute(sa.delete(model).where(model.pod_id == pod_id))


def test_what_an_event_rests_on_is_loaded_once_when_it_is_opened(stage, room, healed):
    context, _ = room
    page = stage.open(context, f"/pods/{healed}")
    asked = []
    page.on("request", lambda request: asked.append(request.url.removeprefix(stage.web.origin)))

    inputs = page.locator(".event.is-decision details")
    evidence = page.locator(".event.is-heal details").first
    for one in (inputs, evidence):
        one.locator("summary").click()
    expect(inputs).to_contain_text("6 of 6 heals")
    expect(evidence.locator(".heal-detail")).to_contain_text("Nobody was told of it")
    evidence.locator("summary").click()
    evidence.locator("summary").click()

    expect(evidence.locator(".heal-detail")).to_be_visible()
    assert asked == [one.get_attribute("hx-get") for one in (inputs, evidence)]


def test_a_list_that_is_read_in_its_middle_stays_and_says_what_is_new(stage, room, healed):
    context, _ = room
    page = stage.open(context, f"/pods/{healed}")
    events = page.locator(f"#events-{healed}")
    events.locator("> li").nth(20).evaluate(
        "(line) => scrollBy({top: line.getBoundingClientRect().top - 200, behavior: 'instant'})"
    )
    place = f"document.querySelector('#events-{healed} > li:nth-child(21)').getBoundingClientRect().top"
    before = (page.evaluate(place), events.inner_html())

    stage.turn([healed])
    line = page.locator(".events-new")
    expect(line).to_contain_text("2 new events")
    expect(line).to_be_in_viewport()
    assert (page.evaluate(place), events.inner_html()) == before
    line.get_by_role("link", name="Show them").click()

    expect(events.locator("> li").nth(1)).to_contain_text("Healthy → Unhealthy")
    expect(events.locator("> li").first).to_be_in_viewport()
    expect(line).to_be_hidden()
    expect(page.locator("#live-chip")).to_have_text("● live")

    # At its top it takes what comes; a list of one kind says so, and loads it.
    narrow = stage.open(context, f"/pods/{healed}?events=transitions")
    stage.turn([healed], WELL)
    expect(events.locator("> li > div").first).to_contain_text("Unhealthy → Healthy")
    expect(narrow.locator(".events-new")).to_contain_text("1 new event.")
    narrow.locator(".events-new a").click()
    expect(narrow.locator(f"#events-{healed}-part > li").first).to_contain_text("Unhealthy → Healthy")
    expect(narrow.locator(".events-new")).to_be_hidden()


def test_a_paused_page_stands_still_counts_what_waits_and_shows_it_when_it_goes_on(stage, room):
    context, _ = room
    pods = stage.acme.pods[9:12]
    page = stage.open(context)
    chip = page.locator("#live-chip")
    chip.click()
    expect(chip).to_have_text("‖ paused")

    stage.turn(pods)
    # Three cards, the counts of the page and of the head, incidents there, and whatever else the page shows of it.
    expect(chip).to_have_text(re.compile(r"^‖ paused, [6-9] changes$"))
    assert "Unhealthy" not in page.locator(f"#pod-card-{pods[0]}").inner_text()
    assert page.title() == "Pods · acme · PodHealth"
    chip.click()

    expect(page.locator(f"#pod-card-{pods[0]}")).to_contain_text("Unhealthy")
    expect(page).to_have_title("(3) Pods · acme · PodHealth")


def test_a_click_that_began_before_a_push_is_still_a_click(stage, room):
    context, line = room
    pod_id = stage.acme.pods[6]
    page = stage.open(context)
    link = page.locator(f"#pod-card-{pod_id} h2 a")
    link.hover()
    page.mouse.down()

    pushed_again(stage, line, page, pod_id)
    page.mouse.up()

    page.wait_for_url(f"**/pods/{pod_id}")


def test_typed_text_is_there_again_after_access_ended_and_signing_in(stage, room, browser):
    context, _ = room
    pod_id = stage.acme.pods[7]
    page = stage.open(context, f"/pods/{pod_id}")
    page.get_by_role("button", name="Snooze…").click()
    page.locator("#snooze [name=reason]").fill("disk is being changed")

    stage.end_access(stage.acme)
    banner = page.locator("#live-banner")
    expect(banner).to_contain_text("You were signed out", timeout=10_000)
    assert page.locator("#snooze [name=reason]").input_value() == "disk is being changed"
    assert banner.get_by_role("link", name="Sign in").get_attribute("href") == f"/sign-in?next=%2Fpods%2F{pod_id}"
    stored = json.loads(page.evaluate("sessionStorage.getItem('podhealth-typed')"))
    assert "disk is being changed" in json.dumps(stored)

    # Whoever signs in again under another session comes back to the page from there.
    stage.give_access(stage.acme)
    page.keyboard.press("Escape")
    page.route(
        "**/sign-in?*", lambda route: route.fulfill(content_type="text/html", body=f'<a href="/pods/{pod_id}">on</a>')
    )
    banner.get_by_role("link", name="Sign in").click()
    page.get_by_role("link", name="on").click()
    page.wait_for_url(f"**/pods/{pod_id}")
    assert page.locator("#snooze [name=reason]").input_value() == "disk is being changed"
    expect(page.locator("#toasts")).to_contain_text("What you typed is in its form again")
    page.reload()
    assert page.locator("#snooze [name=reason]").input_value() == ""
