"""The first five minutes of a newcomer: `podhealth up --demo`, break pods, watch them fail and heal in the browser.

One demo for the whole file; its tests follow one another as the newcomer would.
"""

import os
import select
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from podhealth import clock
from tests.support.api import Api
from tests.support.pages import a_browser, card, pictures, signed_in
from tests.support.up import Up, run, running_up
from tests.support.wait import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.timeout(300)]

INTERVAL_S = 5
PODS = {"shop-web", "shop-api", "search", "queue", "mailer", "reports", "flaky", "crasher"}
# Notes when a card shows another status than before: the moment people see it, by the same clock as ours.
WATCH_CARD = """id => {
    window.seen = []
    const status = () => document.getElementById(id).dataset.status
    let last = status()
    new MutationObserver(() => {
        if (status() !== last) seen.push([Date.now() / 1000, last = status()])
    }).observe(document.body, {subtree: true, childList: true, attributes: true})
}"""


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    with running_up(tmp_path_factory.mktemp("demo") / "data", "--demo") as up:
        yield up


@pytest.fixture(scope="module")
def link(demo: Up) -> str:
    return demo.link()


@pytest.fixture(scope="module")
def api(demo: Up, link: str) -> Api:
    """What an admin's program can do; it cuts the crasher's ladder, which spares two minutes."""
    api = Api(demo, "admin")
    api.give_crasher_one_attempt()
    return api


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with a_browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def page(browser: Browser, api: Api, link: str) -> Iterator[Page]:
    with signed_in(browser, link) as page:
        page.evaluate("window.stillTheSamePage = true")
        yield page


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where pictures go: ``PODHEALTH_PICTURES``, else a folder of the test."""
    return Path(os.environ.get("PODHEALTH_PICTURES", tmp_path))


def crashed_at(demo: Up, name: str, kind: str) -> float:
    """Crash a pod by the command and return the moment its process died."""
    process = demo.child(f"demo_pods.py {kind}")
    assert process is not None
    descriptor = os.pidfd_open(process.pid)
    words = ["demo", "crash", name, "--data", str(demo.folder)]
    with subprocess.Popen([sys.executable, "-m", "podhealth", *words], stdout=subprocess.DEVNULL) as command:
        has_died = bool(select.select([descriptor], [], [], 20)[0])
        at = clock.utcnow().timestamp()
    os.close(descriptor)
    assert has_died
    assert command.returncode == 0
    return at


def test_eight_pods_stand_on_the_overview_and_become_healthy(page: Page) -> None:
    names = {name.strip() for name in page.locator(".pod-card h2").all_inner_texts()}

    assert names == PODS
    for name in ("shop-web", "shop-api", "queue", "search", "mailer"):
        expect(card(page, name)).to_contain_text("Healthy", timeout=40_000)


def test_a_crash_is_in_the_browser_within_interval_plus_one_second(page: Page, demo: Up, folder: Path) -> None:
    shop = card(page, "shop-web")
    page.evaluate(WATCH_CARD, shop.get_attribute("id"))
    at = crashed_at(demo, "shop-web", "web")
    shown_at, status = wait_for(lambda: page.evaluate("seen[0]"), 20, what="the card changes")
    # The other two ways to break, while this one runs its course.
    demo.command("demo", "hang", "shop-api")
    demo.command("demo", "slow", "search")

    print(f"shown after {shown_at - at:.2f} s")
    assert status == "degraded"
    assert shown_at - at <= INTERVAL_S + 1
    expect(shop).to_contain_text("Unhealthy", timeout=30_000)
    assert all(path.stat().st_size > 10_000 for path in pictures(page, folder, "demo-unhealthy"))


def test_it_heals_live(page: Page, folder: Path) -> None:
    shop = card(page, "shop-web")
    expect(shop).to_contain_text("Restart 1 of 3", timeout=30_000)
    expect(shop).to_contain_text("Healthy", timeout=30_000)
    expect(card(page, "shop-api")).to_contain_text("Healthy", timeout=60_000)

    assert page.evaluate("window.stillTheSamePage") is True
    assert all(path.stat().st_size > 10_000 for path in pictures(page, folder, "demo-healed"))


def test_a_slow_pod_is_degraded_and_left_alone(page: Page, api: Api) -> None:
    expect(card(page, "search")).to_contain_text("Degraded", timeout=30_000)
    expect(card(page, "search")).to_contain_text("wanted 500 ms")

    assert api.heals("search") == []


def test_crashed_and_hanging_pods_were_restarted_and_proven_healthy(api: Api) -> None:
    for name in ("shop-web", "shop-api"):
        (heal,) = wait_for(lambda name=name: [h for h in api.heals(name) if h["result"] != "pending"], 60, 0.5, name)
        told = (heal["action"], heal["result"], heal["previousStatus"], heal["newStatus"])

        assert told == ("restart", "success", "unhealthy", "healthy")


def test_a_pod_that_no_restart_helps_ends_exhausted(page: Page, api: Api) -> None:
    expect(card(page, "crasher")).to_contain_text("Exhausted", timeout=90_000)

    (heal,) = api.heals("crasher")
    assert (heal["action"], heal["result"]) == ("restart", "failed")


def test_a_changing_pod_is_said_to_flap(page: Page) -> None:
    expect(card(page, "flaky")).to_contain_text("Flapping", timeout=90_000)


def test_a_pod_in_maintenance_is_left_alone_and_its_page_says_why(page: Page, api: Api, demo: Up, folder: Path) -> None:
    pod_id = api.pod("queue")["podId"]
    begun = (clock.utcnow() - timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M")
    window = {"name": "queue upkeep", "reason": "new disks", "zone": "UTC", "starts": begun, "minutes": 60}
    api.make("/api/windows", window | {"podIds": [pod_id]})
    expect(card(page, "queue")).to_contain_text("Maintenance", timeout=10_000)
    demo.command("demo", "crash", "queue")

    with page.context.new_page() as own:
        own.goto(f"http://127.0.0.1:{demo.port}/pods/{pod_id}")
        for part in (f"#pod-healing-{pod_id}", ".events"):
            expect(own.locator(part)).to_contain_text("Maintenance window queue upkeep until", timeout=20_000)
        expect(own.locator(f"#pod-healing-{pod_id}")).to_contain_text("new disks")
        assert all(path.stat().st_size > 10_000 for path in pictures(own, folder, "demo-maintenance"))
    assert api.heals("queue") == []


def test_the_pods_page_tells_the_story(page: Page, folder: Path) -> None:
    card(page, "shop-web").get_by_role("link", name="shop-web", exact=True).click()
    page.wait_for_url("**/pods/*")
    story = page.locator(".events")

    for words in ("Healthy → Degraded", "Degraded → Unhealthy", "Decided to heal", "Restart 1 of 3: Healed", "refused"):
        expect(story).to_contain_text(words)
    assert all(path.stat().st_size > 10_000 for path in pictures(page, folder, "demo-pod"))


def test_a_token_reads_the_overview_and_one_pod(demo: Up, api: Api) -> None:
    operator = Api(demo, "operator")
    overview = operator.get("/health/overview")
    one = operator.get(f"/{overview['pods'][0]['podId']}/health")

    assert set(overview["summary"]) == {"total", "healthy", "unhealthy", "degraded", "unknown"}
    assert overview["summary"]["total"] == len(overview["pods"]) == 8
    assert sum(overview["summary"].values()) == 16
    row = {"podId", "status", "consecutiveFailures", "lastCheckAt", "lastHealthyAt"}
    assert set(overview["pods"][0]) >= row | {"name"}
    assert set(one) >= row | {
        "consecutiveSuccesses",
        "lastUnhealthyAt",
        "autoHealAttempts",
        "lastAutoHealAt",
        "updatedAt",
        "pod",
        "recentResults",
        "phase",
        "since",
        "checks",
        "hold",
    }
    assert set(one["pod"]) >= {"name", "ipAddress", "status"}
    assert len(one["recentResults"]) == 10
    result = {"id", "podId", "checkType", "status", "latencyMs", "errorMessage", "rawResponse", "checkedAt"}
    assert set(one["recentResults"][0]) >= result


def test_nothing_went_wrong_in_the_programs(demo: Up) -> None:
    logs = "".join(path.read_text() for path in (demo.folder / "logs").glob("*.log"))

    assert "Traceback" not in logs
    assert '"level": "error"' not in logs
    assert demo.said() == ""


def test_a_second_start_goes_on_with_what_people_did(demo: Up, api: Api) -> None:
    assert demo.end() == 0
    with running_up(demo.folder, "--demo") as again:
        again.link()
        api = Api(again, "viewer")
        wait_for(lambda: api.pod("shop-api")["status"] == "healthy", 40, 0.2, "shop-api healthy again")
        policies = {p["name"]: p for p in api.get("/auto-heal/policies")}

        assert policies["twice, then tell"]["maxAttempts"] == 1
        assert api.get("/health/overview")["summary"]["total"] == 8
        assert len(api.heals("shop-web")) == 1


def test_a_demo_that_does_not_run_cannot_be_broken(demo: Up) -> None:
    refused = run("demo", "crash", "shop-web", "--data", str(demo.folder))

    assert refused.returncode == 2
    assert refused.stderr.startswith("podhealth: the demo does not run in ")
    assert refused.stderr.count("\n") == 1
