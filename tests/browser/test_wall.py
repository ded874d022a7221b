"""The wall in an office: nobody touches it, so it has to come true, and stay true, by itself."""

import pytest
from playwright.sync_api import expect

from tests.support.stage import ILL, WELL

pytestmark = [pytest.mark.browser, pytest.mark.slow]

# Which tiles were set in motion, and how.
_MOTIONS = """
window.moved = [];
const animate = Element.prototype.animate;
Element.prototype.animate = function (frames, how) {
  window.moved.push([this.querySelector("h2").textContent, Object.keys(frames)[0], how.duration]);
  return animate.call(this, frames, how);
};
"""


def test_a_wall_comes_true_by_itself_and_moves_only_what_is_new_or_elsewhere(stage, enter):
    stage.turn(stage.acme.pods[:1])
    page = enter().new_page()
    page.add_init_script(_MOTIONS)
    page.clock.install()
    page.goto(stage.web.origin + "/wall")
    tiles = page.locator(".wall-tile h2")
    expect(tiles).to_have_text(["acme-0"])
    assert page.evaluate("window.moved") == []

    stage.turn(stage.acme.pods[5:6])
    page.clock.run_for(6000)
    expect(tiles).to_have_text(["acme-5", "acme-0"])
    expect(page).to_have_title("(2) Wall · acme · PodHealth")

    assert page.evaluate("window.moved") == [["acme-5", "opacity", 240], ["acme-0", "translate", 240]]
    stage.turn(stage.acme.pods[:6], WELL)
    page.clock.run_for(6000)
    expect(tiles).to_have_count(0)


def test_a_wall_that_hears_nothing_says_so_and_strikes_its_counts_out(stage, enter):
    stage.turn(stage.acme.pods[:1])
    page = enter().new_page()
    page.clock.install()
    page.goto(stage.web.origin + "/wall")
    expect(page.locator("html")).to_have_attribute("data-wall", "live")

    page.context.set_offline(True)
    page.clock.run_for(20_000)
    expect(page.locator(".wall-live")).to_contain_text("Not live since")
    page.clock.run_for(300_000)
    expect(page.locator("html")).to_have_attribute("data-wall", "old")

    page.context.set_offline(False)
    page.clock.run_for(6000)
    expect(page.locator(".wall-live")).to_have_text("● live")


def test_a_wall_keeps_nothing_of_what_it_was_told_before(stage, enter):
    page = enter().new_page()
    page.clock.install()
    page.goto(stage.web.origin + "/wall")
    inside = page.context.new_cdp_session(page)
    inside.send("Performance.enable")

    def kept_after(askings: int) -> dict[str, float]:
        for number in range(askings):
            if number % 5 == 0:
                stage.turn(stage.acme.pods[:4], WELL if number % 10 else ILL)
            with page.expect_response("**/wall?part=1"):
                page.clock.run_for(5000)
        expect(page.locator(".wall-live")).to_have_text("● live")
        inside.send("HeapProfiler.collectGarbage")
        return {one["name"]: one["value"] for one in inside.send("Performance.getMetrics")["metrics"]}

    # In two hours it asks 1,440 times: of fifty times nothing may be left, where one answer has a hundred nodes.
    begun, later = kept_after(10), kept_after(50)

    assert later["Nodes"] <= begun["Nodes"] + 1_500
    assert later["JSEventListeners"] <= begun["JSEventListeners"] + 10
    assert later["JSHeapUsedSize"] <= begun["JSHeapUsedSize"] + 300_000
