"""Runs of checks in a real browser: a real prober answers in the place where somebody asked."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from playwright.sync_api import Page, expect

from podhealth import clock
from podhealth.core.check_rules import parse_check
from podhealth.core.manual import A_MINUTE
from podhealth.models import Check, CheckRun, CheckState
from podhealth.probing.loop import ProbeLoop
from podhealth.settings import Settings
from podhealth.store import checkruns
from podhealth.store.db import read, write
from podhealth.store.tenancy import system_scope
from tests.support.build import a_check, a_pod
from tests.support.listeners import Listener
from tests.support.listeners import page as answering
from tests.support.stage import Stage

pytestmark = [pytest.mark.browser, pytest.mark.slow]

STANDING = {"status": "healthy", "successes": 9, "next_at": None, "fresh_until": clock.utcnow().replace(year=2999)}


@pytest.fixture
def page(stage: Stage, enter: Any) -> Iterator[Page]:
    """A page of zeta's admin, with a prober at work; whatever goes wrong in its scripts fails the test."""
    settings = Settings(
        DATABASE_URL=stage.database_url, REDIS_URL=stage.redis_url, SECRET_KEY="x" * 40, demo_loopback=True
    )
    loop = ProbeLoop(stage.engine, settings, "local", publish=lambda _: None, hint=lambda _: None)
    thread = threading.Thread(target=lambda: loop.run(clock.monotonic() + 60), daemon=True)
    thread.start()
    page = enter(stage.zeta).new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    yield page
    loop.leave()
    thread.join(10)
    loop.stop(2.0)
    assert faults == []


def count(stage: Stage, model: type, *where: Any) -> int:
    with read(stage.engine) as conn:
        return int(conn.scalar(sa.select(sa.func.count()).select_from(model).where(*where)) or 0)


def test_checks_are_run_at_a_press_and_answered_each_in_its_row_and_what_is_too_much_is_said(
    stage: Stage, page: Page
) -> None:
    with Listener(answering(503)) as server:
        with write(stage.engine) as conn:
            pod = a_pod(conn, stage.zeta.tenant_id, "runner", address="127.0.0.1", status="healthy")
            http = a_check(conn, pod, config={"port": server.port}, failure_threshold=3, **STANDING)
            tcp = a_check(conn, pod, "tcp", target=str(server.port), **STANDING)
        page.goto(f"{stage.web.origin}/pods/{pod}")
        page.get_by_role("button", name="Run checks").dblclick()
        expect(page.locator(f"#run-of-{http}")).to_contain_text("answered 503, wanted 200–399")
        expect(page.locator(f"#run-of-{http}")).to_contain_text("degraded, and unhealthy after 2 more like it")
        expect(page.locator(f"#run-of-{tcp}")).to_contain_text("It would stay healthy.")
        expect(page.locator("#runs-said")).to_have_text("2 checks asked now, answered below.")
        assert count(stage, CheckRun, CheckRun.pod_id == pod) == 2

        page.get_by_role("button", name="Run now of tcp").press("Enter")
        expect(page.locator("#runs-said")).to_be_empty()
        expect(page.locator(f"#run-of-{tcp}")).to_contain_text("It would stay healthy.")
        expect(page.locator(".check-run")).to_have_count(2)
        assert count(stage, CheckRun, CheckRun.pod_id == pod) == 3
        assert count(stage, CheckState, CheckState.pod_id == pod, CheckState.status == "healthy") == 2

    with write(stage.engine) as conn:
        for _ in range(A_MINUTE - 3):
            checkruns.ask_dry(conn, system_scope(stage.zeta.tenant_id), pod, parse_check({"checkType": "agent"}))
    page.get_by_role("button", name="Run checks").press("Enter")
    expect(page.locator("#runs-said")).to_have_text("Not run: 120 runs were asked for within a minute; wait a little.")
    expect(page.locator("#toasts > *")).to_have_count(0)
    with write(stage.engine) as conn:
        conn.execute(sa.delete(CheckRun))


def test_a_form_is_tried_before_it_is_saved_and_says_which_field_it_cannot_try(stage: Stage, page: Page) -> None:
    with Listener(answering(200)) as server:
        with write(stage.engine) as conn:
            pod = a_pod(conn, stage.zeta.tenant_id, "tried", address="127.0.0.1")
        page.goto(f"{stage.web.origin}/pods/{pod}/checks/new?kind=http")
        page.get_by_label("Port").fill(str(server.port))
        page.get_by_label("Path").fill("")
        page.get_by_role("button", name="Dry run").click()
        expect(page.locator("#dry-run")).to_contain_text("Not run")
        expect(page.locator("#dry-run a")).to_have_attribute("href", "#target")

        page.get_by_label("Path").fill("/")
        page.get_by_role("button", name="Dry run").click()
        expect(page.locator("#dry-run")).to_contain_text("answered 200")
        expect(page.locator("#dry-run")).to_contain_text("It would be healthy.")

    expect(page.get_by_label("Port")).to_have_value(str(server.port))
    assert count(stage, Check, Check.pod_id == pod) == 0
