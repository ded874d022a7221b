"""A page that is open stays true by itself."""

import pytest
from playwright.sync_api import expect

from tests.support.stage import WELL

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
