"""The first five minutes of a newcomer: `podhealth up --demo`, break a pod, watch it fail and heal in the browser."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.cli.test_up import Up
from tests.support.browser import FLAGS, ensure
from tests.support.ports import free_port

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.timeout(420), pytest.mark.xdist_group("demo")]

DEMO_INTERVAL_S = 5
PODS = {"shop-web", "shop-api", "search", "queue", "mailer", "reports", "flaky", "crasher"}
PICTURES = Path(os.environ.get("PODHEALTH_PICTURES", "screenshots"))


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    up = Up(tmp_path_factory.mktemp("demo") / "data", free_port(), ("--demo",))
    try:
        up.link = up.ready_line().removeprefix("PodHealth is ready: ")
        assert up.link.startswith("http://127.0.0.1:"), up.said()
        yield up
    finally:
        up.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=ensure(), args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def page(browser: Browser, demo: Up) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.goto(demo.link)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/pods")
    yield page
    context.close()


def podhealth(demo: Up, *words: str) -> str:
    ran = subprocess.run(
        [sys.executable, "-m", "podhealth", *words, "--data", str(demo.folder)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def card(page: Page, name: str):
    return page.locator(".pod-card", has=page.get_by_role("link", name=name, exact=True))


def picture(page: Page, name: str) -> None:
    PICTURES.mkdir(exist_ok=True)
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        page.screenshot(path=PICTURES / f"{name}-{theme}.png", full_page=True)
    page.set_viewport_size({"width": 390, "height": 844})
    page.screenshot(path=PICTURES / f"{name}-phone.png", full_page=True)
    page.set_viewport_size({"width": 1280, "height": 900})
    page.emulate_media(color_scheme="light")


def test_eight_pods_stand_on_the_overview_and_become_healthy(page: Page) -> None:
    names = set(page.locator(".pod-card h2, .pod-card h3").all_inner_texts())
    assert {name.strip() for name in names} >= PODS
    expect(card(page, "shop-web")).to_contain_text("Healthy", timeout=40_000)
    expect(card(page, "mailer")).to_contain_text("Healthy", timeout=60_000)


def test_a_crash_is_in_the_browser_within_interval_plus_one_second_and_heals_live(page: Page, demo: Up) -> None:
    shop = card(page, "shop-web")
    expect(shop).to_contain_text("Healthy", timeout=40_000)
    page.evaluate("window.stillTheSamePage = true")

    podhealth(demo, "demo", "crash", "shop-web")
    crashed_at = time.monotonic()
    expect(shop).not_to_contain_text("Healthy", timeout=(DEMO_INTERVAL_S + 1) * 1000)
    shown_after = time.monotonic() - crashed_at
    assert shown_after <= DEMO_INTERVAL_S + 1
    expect(shop).to_contain_text("Unhealthy", timeout=30_000)
    picture(page, "overview-unhealthy")

    expect(shop).to_contain_text("Restart", timeout=60_000)
    expect(shop).to_contain_text("Healthy", timeout=120_000)
    assert page.evaluate("window.stillTheSamePage") is True
    picture(page, "overview-healed")


def test_the_pod_page_tells_the_story_of_the_heal(page: Page) -> None:
    card(page, "shop-web").get_by_role("link", name="shop-web", exact=True).click()
    page.wait_for_url("**/pods/*")
    expect(page.locator("main")).to_contain_text("Healed", timeout=60_000)
    picture(page, "pod-healed")
    page.go_back()


def test_a_pod_that_no_restart_helps_ends_exhausted(page: Page) -> None:
    expect(card(page, "crasher")).to_contain_text("Exhausted", timeout=240_000)


def test_a_token_reads_the_overview_and_one_pod(demo: Up) -> None:
    token = podhealth(demo, "token", "create", "--tenant", "demo", "--role", "operator").strip()
    headers = {"Authorization": f"Bearer {token}"}
    base = f"http://127.0.0.1:{demo.port}/api/cloud-pods"
    overview = requests.get(f"{base}/health/overview", headers=headers, timeout=10).json()
    assert set(overview["summary"]) == {"total", "healthy", "unhealthy", "degraded", "unknown"}
    assert overview["summary"]["total"] == 8
    first = overview["pods"][0]
    one = requests.get(f"{base}/{first['podId']}/health", headers=headers, timeout=10).json()
    assert one["podId"] == first["podId"]
    assert set(one["pod"]) >= {"name", "ipAddress", "status"}
    assert 0 < len(one["recentResults"]) <= 10


def test_a_pod_that_is_not_there_cannot_be_broken(demo: Up) -> None:
    refused = subprocess.run(
        [sys.executable, "-m", "podhealth", "demo", "crash", "nobody", "--data", str(demo.folder)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert refused.returncode == 2
    assert "nobody" in refused.stderr
    assert "Traceback" not in refused.stderr
