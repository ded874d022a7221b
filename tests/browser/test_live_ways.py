"""What the line does to a page: cut, restarted, shared, a wrong clock; the page is the same as one loaded anew."""

import re
from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from tests.support.sockets import Line
from tests.support.stage import is_live

pytestmark = [pytest.mark.browser, pytest.mark.slow]

# What goes by the second it is looked at: the strip with its share of the last 24 h.
_BY_THE_SECOND = re.compile(r"<footer>.*?</footer>", re.DOTALL)

_SHOWN = """() => [...document.querySelectorAll("#nav-counts, #overview-counts, .pod-card > :not(footer)")]
  .map((one) => one.innerText.replace(/\\d+ (s|min)\\b/g, "").trim())"""


# A browser without windows hides no tab: the page is told that it is hidden, as a browser tells it.
_HIDE = """() => {
  window.isAway = true;
  Object.defineProperty(document, "hidden", {get: () => window.isAway, configurable: true});
  document.dispatchEvent(new Event("visibilitychange"));
}"""


def shown(page: Page) -> list[str]:
    """Return what cards and counts say, but for how long it is so."""
    return page.evaluate(_SHOWN)


def test_what_was_missed_while_the_socket_was_cut_is_there_two_seconds_after(stage, enter):
    context = enter()
    line = Line(context)
    page = stage.open(context, "/pods?sort=name")
    line.cut()
    page.locator("html[data-live=offline]").wait_for(state="attached")

    stage.turn(stage.acme.pods[:2])
    line.mend()
    is_live(page)

    card = page.locator(f"#pod-card-{stage.acme.pods[1]}")
    expect(card).to_contain_text("Unhealthy", timeout=2000)
    expect(page).to_have_title("(2) Pods · acme · PodHealth", timeout=2000)
    fresh = context.new_page()
    fresh.goto(stage.web.origin + "/pods?sort=name")

    assert shown(page) == shown(fresh)


def test_pages_come_back_to_a_web_process_that_was_started_again(stage, enter):
    page = stage.open(enter())
    pod_id = stage.acme.pods[2]

    with stage.restarted():
        stage.turn([pod_id])
    is_live(page)

    expect(page.locator(f"#pod-card-{pod_id}")).to_contain_text("Unhealthy", timeout=2000)


def test_two_browsers_of_a_tenant_see_the_same_and_another_tenant_sees_nothing(stage, enter):
    line = Line(theirs := enter(stage.zeta))
    one, two, other = stage.open(enter()), stage.open(enter()), stage.open(theirs)
    pod_id = stage.acme.pods[3]

    stage.turn([pod_id])

    for page in (one, two):
        expect(page.locator(f"#pod-card-{pod_id}")).to_contain_text("Unhealthy")
    assert shown(one) == shown(two)
    stage.turn(stage.zeta.pods[:1])
    expect(other).to_have_title("(1) Pods · zeta · PodHealth")
    assert "acme" not in str(line.frames)
    assert "acme" not in other.content()
    assert "zeta" not in one.content()


@pytest.mark.parametrize("off", [timedelta(hours=-9), timedelta(days=400)], ids=["behind", "ahead"])
def test_a_wrong_clock_and_another_zone_show_right_relative_times(stage, enter, off):
    context = enter(timezone_id="Pacific/Auckland")
    ms = round(off.total_seconds() * 1000)
    context.add_init_script(f"{{ const real = Date.now; Date.now = () => real() + {ms}; }}")
    page = stage.open(context)
    pod_id = stage.acme.pods[4]

    stage.turn([pod_id])
    since = page.locator(f"#pod-card-{pod_id} .since")
    expect(page.locator(f"#pod-card-{pod_id}")).to_contain_text("Unhealthy")

    expect(since).to_have_text(re.compile(r"^for \d{1,2} s$"))


def test_with_reduced_motion_no_transition_runs_when_a_card_changes(stage, enter):
    page = stage.open(enter(reduced_motion="reduce"))
    pod_id = stage.acme.pods[5]
    page.evaluate(
        """() => {
          window.ran = [];
          document.addEventListener("transitionrun", ({propertyName}) => window.ran.push(propertyName), true);
          document.addEventListener("animationstart", ({animationName}) => window.ran.push(animationName), true);
        }"""
    )

    stage.turn([pod_id])
    expect(page.locator(f"#pod-card-{pod_id}")).to_contain_text("Unhealthy")
    page.wait_for_timeout(300)

    assert page.evaluate("window.ran") == []


def test_a_card_is_the_same_bytes_by_page_by_htmx_and_by_socket(stage, enter):
    context = enter()
    line = Line(context)
    page = stage.open(context)
    pod_id = stage.acme.pods[6]
    stage.turn([pod_id])
    expect(page.locator(f"#pod-card-{pod_id}")).to_contain_text("Unhealthy")
    while not (pushed := [e for f in line.pushes() for e in f["elements"] if f'id="pod-card-{pod_id}"' in e]):
        page.wait_for_timeout(10)

    loaded = context.request.get(stage.web.origin + "/pods").text()
    swapped = context.request.get(
        stage.web.origin + "/pods?view=cards", headers={"HX-Request": "true", "HX-Target": "pod-list"}
    ).text()

    by_socket, by_page, by_htmx = (_BY_THE_SECOND.sub("", html) for html in (pushed[-1], loaded, swapped))
    assert by_socket in by_page
    assert by_socket in by_htmx


def test_a_hidden_tab_keeps_title_and_counts_drops_the_rest_and_catches_up(stage, enter):
    context = enter()
    line = Line(context)
    page = stage.open(context)
    one_before, pod_id = stage.acme.pods[9], stage.acme.pods[7]
    page.evaluate(_HIDE)

    stage.turn([one_before])  # may still cross the word that nobody looks
    expect(page).to_have_title("(1) Pods · acme · PodHealth")
    heard = len(line.pushes())
    stage.turn([pod_id])
    expect(page).to_have_title("(2) Pods · acme · PodHealth")
    assert "pod-card" not in str(line.pushes()[heard:])
    assert page.locator('link[rel="icon"]').get_attribute("href").startswith("/static/favicon-unhealthy")
    page.evaluate("window.isAway = false; document.dispatchEvent(new Event('visibilitychange'))")

    expect(page.locator(f"#pod-card-{pod_id}")).to_contain_text("Unhealthy")


def test_a_hidden_tab_of_one_pod_says_in_its_title_how_it_is(stage, enter):
    pod_id = stage.acme.pods[8]
    page = stage.open(enter(), f"/pods/{pod_id}")
    page.evaluate(_HIDE)

    stage.turn([pod_id])

    expect(page).to_have_title("Unhealthy · acme-8 · acme · PodHealth")
    assert "Unhealthy" not in page.locator(f"#pod-head-{pod_id}").inner_text()


def test_the_banner_comes_when_a_page_is_offline_for_long_and_goes_when_it_is_back(stage, enter):
    context = enter()
    line = Line(context)
    page = stage.open(context)
    line.cut()

    expect(page.locator("#live-chip")).to_contain_text("○ offline since")
    expect(page.locator("#live-banner")).to_contain_text("what you see may be old", timeout=16_000)
    line.mend()

    # By then it tries again within half a minute.
    expect(page.locator("#live-banner")).to_be_hidden(timeout=40_000)
