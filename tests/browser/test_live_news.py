"""Toasts, the log behind the bell, and the calls that a browser may be asked for."""

import re

import pytest
import sqlalchemy as sa
from playwright.sync_api import expect

from podhealth.core.words import FeedKind
from podhealth.live.publish import publish
from podhealth.models import Node
from podhealth.store import feed
from podhealth.store.db import db_now, write
from podhealth.store.feed import FeedNote
from tests.support.stage import WELL

pytestmark = [pytest.mark.browser, pytest.mark.slow]

# What a notification would show, without a desktop to show it on.
_NOTIFICATIONS = """
window.called = [];
window.Notification = class {
  static permission = "default";
  static async requestPermission() { return (window.Notification.permission = "granted"); }
  constructor(title, options) { window.called.push([title, options.tag]); }
};
"""

_BEHIND_CALLS = """() => new Promise((resolve, reject) => {
  const asked = indexedDB.open("podhealth-called", 1);
  asked.onerror = reject;
  asked.onupgradeneeded = () => asked.result.createObjectStore("podhealth-called");
  asked.onsuccess = () => {
    const work = asked.result.transaction("podhealth-called", "readwrite");
    work.objectStore("podhealth-called").count();
    work.oncomplete = () => { asked.result.close(); resolve(); };
  };
})"""


def test_pods_of_one_node_that_fall_ill_are_one_toast_where_they_are_not_on_screen(stage, enter):
    page = stage.open(enter(), "/incidents")

    stage.turn(stage.acme.pods[:4])

    expect(page.locator("[data-drift=incidents]")).to_contain_text("There is a new incident")
    toast = page.locator("#toasts .toast")
    expect(toast).to_have_text(["4 pods of acme-node-0 unhealthy"])
    expect(toast).to_have_attribute("role", "alert")
    expect(toast.get_by_role("link")).to_have_attribute("href", "/pods?status=unhealthy")


def test_a_line_below_the_head_is_read_out_once_when_it_comes(stage, enter):
    def silent(*numbers):
        names = [f"acme-node-{number}" for number in numbers]
        with write(stage.engine) as conn:
            since = sa.case((Node.name.in_(names), db_now(conn)), else_=None)
            conn.execute(sa.update(Node).values(unreachable_since=since))
            newest = feed.append(conn, [FeedNote(stage.acme.tenant_id, FeedKind.INVENTORY)])
        publish(stage.redis, newest)

    silent(0)
    page = stage.open(enter(), "/incidents")
    page.evaluate(
        """() => {
          const said = document.getElementById("live-said");
          window.heard = [];
          new MutationObserver(() => window.heard.push(said.textContent)).observe(said, { childList: true });
        }"""
    )
    said = page.get_by_role("status").and_(page.locator("#live-said"))
    for numbers in ((0, 1), (0, 1), (0, 1, 2)):
        silent(*numbers)
        expect(page.locator("#banners [data-banner]")).to_have_count(len(numbers))
    expect(said).to_contain_text("acme-node-2")
    silent()

    means = "does not answer. To heal a pod on it cannot help, so they wait."
    assert page.evaluate("window.heard") == [f"Node acme-node-{number} {means}" for number in (1, 2)]


def test_what_is_on_screen_is_no_toast(stage, enter):
    page = stage.open(enter(), "/pods?view=cards")

    stage.turn(stage.acme.pods[:1])
    expect(page.locator(f"#pod-card-{stage.acme.pods[0]}")).to_contain_text("Unhealthy")

    expect(page.locator("#toasts .toast")).to_have_count(0)


def test_a_second_word_of_trouble_within_ten_seconds_does_not_interrupt(stage, enter):
    page = stage.open(enter(), "/incidents")
    stage.turn(stage.acme.pods[:1])
    expect(page.locator("#toasts [role=alert]")).to_have_text(["acme-0 is unhealthy: http: refused"])

    stage.turn(stage.acme.pods[:1], WELL)
    expect(page.locator("#toasts [role=status]")).to_have_text(["acme-0 is healthy again"])
    stage.turn(stage.acme.pods[4:6])

    expect(page.locator("#toasts [role=alert]")).to_have_text(["3 pods unhealthy"])
    expect(page.locator("#toasts .toast")).to_have_count(2)


def test_a_toast_leaves_after_eight_seconds_unless_somebody_is_at_it(stage, enter):
    context = enter()
    page = context.new_page()
    page.clock.install()
    page.goto(stage.web.origin + "/incidents")
    page.locator("html[data-live=live]").wait_for(state="attached")
    stage.turn(stage.acme.pods[:1])
    toast = page.locator("#toasts .toast")
    toast.get_by_role("link").focus()

    page.clock.run_for(9000)
    expect(toast).to_have_count(1)
    page.evaluate("document.activeElement.blur()")
    page.clock.run_for(2000)

    expect(toast).to_have_count(0)


def test_all_that_was_told_stays_behind_the_bell_across_pages_and_by_keyboard(stage, enter):
    page = stage.open(enter(), "/incidents")
    stage.turn(stage.acme.pods[:1])
    bell = page.locator("#news-bell")
    expect(bell).to_have_attribute("aria-label", "News: 1 not looked at")

    page.goto(stage.web.origin + "/policies")
    bell.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#news li")).to_contain_text(["acme-0 is unhealthy: http: refused"])
    page.keyboard.press("Escape")

    expect(page.locator("#news")).to_be_hidden()
    expect(bell).to_be_focused()


def test_calls_are_off_until_switched_on_and_come_once_for_each_incident(stage, enter):
    context = enter()
    context.add_init_script(_NOTIFICATIONS)
    page, other = stage.open(context, "/account"), stage.open(context, "/pods")
    stage.turn(stage.acme.pods[:1])
    expect(other).to_have_title("(1) Pods · acme · PodHealth")
    assert (page.evaluate("window.called"), other.evaluate("window.called")) == ([], [])

    page.get_by_label("A notification of the system").check()
    expect(page.get_by_text("Switched on for this browser.")).to_be_visible()
    page.get_by_role("button", name="Show one now").click()
    assert page.evaluate("window.called") == [["This is how PodHealth calls you", "podhealth-try"]]
    other.evaluate("window.Notification.permission = 'granted'")
    stage.turn(stage.acme.pods[10:11])
    expect(other).to_have_title("(2) Pods · acme · PodHealth")

    expect(page).to_have_title(re.compile(r"^\(2\)"))

    # Work on what was called for is done one at a time, in the order it was asked for: behind this, both have answered.
    page.evaluate(_BEHIND_CALLS), other.evaluate(_BEHIND_CALLS)
    called = page.evaluate("window.called")[1:] + other.evaluate("window.called")
    assert [title for title, _ in called] == ["acme-10 is unhealthy"]
