"""The policy form and the heal log in a real browser: by keyboard, by two people at once, and while things happen."""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from playwright.sync_api import Page, Route, expect

from podhealth.core.words import Actor, FeedKind, Role
from podhealth.live.publish import publish
from podhealth.models import Heal, Policy
from podhealth.store import policies
from podhealth.store.db import db_now, read, write
from podhealth.store.feed import FeedNote, append
from podhealth.store.tenancy import Scope
from tests.support.build import a_heal, a_policy
from tests.support.past import an_outage
from tests.support.stage import House, Stage

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def page(stage: Stage, enter: Any) -> Iterator[Page]:
    """A page of zeta's admin; whatever goes wrong in its scripts fails the test."""
    page = enter(stage.zeta).new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    yield page
    assert faults == []


def scope(stage: Stage, name: str = "Adam") -> Scope:
    return Scope(stage.zeta.tenant_id, Role.ADMIN, Actor.USER, name)


def saved(stage: Stage, policy_id: int | None = None, **fields: Any) -> int:
    """What somebody else saves, told as a route tells it."""
    given = fields if policy_id else {"name": "web", "action": "restart", "mode": "shadow"} | fields
    with write(stage.engine) as conn:
        row = policies.save_policy(conn, scope(stage), given, policy_id)
    told(stage)
    return int(row.id)


def told(stage: Stage) -> None:
    with read(stage.engine) as conn:
        seq = conn.scalar(sa.text("SELECT feed_seq FROM tenants WHERE id = :id"), {"id": stage.zeta.tenant_id})
    publish(stage.redis, {stage.zeta.tenant_id: int(seq or 0)})


def go_to(page: Page, selector: str, most: int = 120) -> None:
    """Press Tab until the focus is on it."""
    for _ in range(most):
        if page.evaluate("s => document.activeElement.matches(s)", selector):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{selector} is not reached by keyboard")


def type_in(page: Page, selector: str, text: str) -> None:
    go_to(page, selector)
    page.keyboard.press("Control+a")
    page.keyboard.type(text)


def choose(page: Page, selector: str, letters: str) -> None:
    go_to(page, selector)
    page.keyboard.type(letters)


def test_a_policy_of_three_steps_is_written_replayed_and_saved_by_keyboard_alone(stage: Stage, page: Page) -> None:
    with write(stage.engine) as conn:
        an_outage(conn, stage.zeta.pods[0], db_now(conn) - timedelta(days=5), timedelta(hours=1))
    page.goto(stage.web.origin + "/policies/new")

    type_in(page, "#name", "by keys")
    go_to(page, "#ladder-simple")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#ladder-steps")).to_be_checked()
    expect(page.locator("#steps .step")).to_have_count(1)
    for step in (2, 3):
        go_to(page, '[name="arrange"][value="add"]')
        page.keyboard.press("Enter")
        expect(page.locator("#step-news")).to_have_text(f"Step {step} added.")
    page.keyboard.type("Mig")
    go_to(page, '[name="arrange"][value="up-2"]')
    page.keyboard.press("Enter")

    expect(page.locator("#step-news")).to_have_text("Migrate is now step 2 of 3.")
    assert page.evaluate("document.activeElement.value") == "up-1"
    expect(page.locator("#policy-sentence")).to_contain_text("then migrate once, then tell people once")
    go_to(page, "#isDefault")
    page.keyboard.press("Space")
    expect(page.locator("#policy-reach")).to_contain_text("3 pods")
    go_to(page, ".form-actions .btn-primary")
    go_to(page, "#replay-button")
    page.keyboard.press("Enter")
    expect(page.locator("#policy-replay")).to_contain_text("had 1 trouble")
    page.keyboard.press("Shift+Tab")
    while not page.evaluate("document.activeElement.matches('.form-actions .btn-primary')"):
        page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_contain_text("Saved. Version 1 is in force.")

    with read(stage.engine) as conn:
        (row,) = conn.execute(sa.select(Policy.__table__).where(Policy.name == "by keys")).all()
    assert [step["action"] for step in row.steps] == ["restart", "migrate", "notify_only"]
    assert row.mode == "shadow"


def test_what_is_refused_is_told_on_leaving_the_field_and_never_while_typing(stage: Stage, page: Page) -> None:
    page.goto(stage.web.origin + "/policies/new")
    error = page.locator("#cooldownMinutes-error")

    page.locator("#cooldownMinutes").fill("")
    page.locator("#cooldownMinutes").press_sequentially("9999")
    expect(page.locator("#policy-sentence")).to_contain_text("Pause must be a whole number")
    expect(error).to_have_count(0)
    page.keyboard.press("Tab")
    expect(error).to_contain_text("must be a whole number from 0 to 1,440")
    expect(page.locator("#cooldownMinutes")).to_have_attribute("aria-invalid", "true")
    page.locator("#cooldownMinutes").fill("15")

    expect(error).to_have_count(0)
    assert "cooldownMinutes-error" not in (page.get_attribute("#cooldownMinutes", "aria-describedby") or "")


def test_who_is_overtaken_is_told_quietly_keeps_what_was_typed_and_chooses(stage: Stage, page: Page) -> None:
    policy_id = saved(stage, name="two hands")
    page.goto(f"{stage.web.origin}/policies/{policy_id}")
    expect(page.locator("html")).to_have_attribute("data-live", "live")
    page.fill("#cooldownMinutes", "25")

    saved(stage, policy_id, cooldownMinutes=20)
    expect(page.locator(f"#policy-now-{policy_id}")).to_contain_text("Adam saved v2")
    expect(page.locator(f"#policy-now-{policy_id}")).to_have_class(re.compile("is-newer"))
    expect(page.locator("#cooldownMinutes")).to_have_value("25")
    page.click(".form-actions .btn-primary")
    expect(page.locator("#conflict")).to_contain_text("Pause: 10 min → 20 min")
    page.click("#conflict summary")
    expect(page.locator("#conflict tbody")).to_have_text("Pause 20 min 25 min", use_inner_text=True)
    page.click("#conflict [type=submit]")

    expect(page.locator("main")).to_contain_text("Saved. Version 3 is in force.")
    expect(page.locator("#cooldownMinutes")).to_have_value("25")


def test_a_replay_that_takes_long_says_so_and_is_cancelled(stage: Stage, page: Page) -> None:
    policy_id = saved(stage, name="slow")
    held: list[Route] = []
    page.route("**/policies/replay", lambda route: held.append(route))
    page.goto(f"{stage.web.origin}/policies/{policy_id}")

    page.click("#replay-button")
    expect(page.locator(".replay-progress")).to_contain_text("Replaying the last 30 days")
    expect(page.get_by_role("button", name="Cancel")).to_be_visible()
    page.get_by_role("button", name="Cancel").click()

    expect(page.get_by_role("button", name="Cancel")).to_be_hidden()
    expect(page.locator("#replay-button")).to_be_focused()
    page.unroute("**/policies/replay")
    page.click("#replay-button")
    expect(page.locator("#policy-replay")).to_contain_text("govern no pod")


def test_who_may_only_read_replays_and_cancels_too_and_cannot_save(stage: Stage, enter: Any) -> None:
    with write(stage.engine) as conn:
        policy_id = a_policy(conn, stage.acme.tenant_id, "theirs")
    page = enter(stage.acme).new_page()
    held: list[Route] = []
    page.route("**/policies/replay", lambda route: held.append(route))
    page.goto(f"{stage.web.origin}/policies/{policy_id}")

    page.click("#replay-button")
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#replay-button")).to_be_focused()
    page.unroute("**/policies/replay")
    page.click("#replay-button")

    expect(page.locator("#policy-replay")).to_contain_text("govern no pod")
    expect(page.locator("#name")).to_be_disabled()
    expect(page.get_by_role("button", name="Save")).to_have_count(0)


def test_both_ways_to_say_a_ladder_say_the_same(stage: Stage, page: Page) -> None:
    page.goto(stage.web.origin + "/policies/new")
    page.fill("#maxAttempts", "5")
    page.check("#ladder-steps")

    expect(page.locator("#steps-0-attempts")).to_have_value("5")
    page.fill("#steps-0-attempts", "4")
    page.check("#ladder-simple")

    expect(page.locator("#maxAttempts")).to_have_value("4")
    expect(page.locator("#policy-sentence")).to_contain_text("restart up to 4 times")


# Heals


def a_new_heal(stage: Stage, house: House, nth: int, **columns: Any) -> int:
    with write(stage.engine) as conn:
        policy_id = a_policy(conn, house.tenant_id, f"healer {nth}")
        heal_id = a_heal(conn, house.pods[nth], policy_id=policy_id, policy_version=1, **columns)
        append(conn, [FeedNote(house.tenant_id, FeedKind.HEAL, house.pods[nth], heal_id)])
    told(stage)
    return heal_id


def test_the_log_opens_a_heal_in_place_follows_it_and_tells_of_new_ones(stage: Stage, page: Page) -> None:
    first = a_new_heal(stage, stage.zeta, 1)
    page.goto(stage.web.origin + "/heals")
    expect(page.locator("html")).to_have_attribute("data-live", "live")

    page.click(f'a[data-heal="{first}"]')
    expect(page.locator(f"#heal-detail-{first}")).to_contain_text("Planned")
    page.locator("h1").click()  # nothing is taken from under the focus
    with write(stage.engine) as conn:
        now = db_now(conn)
        done = {"state": "succeeded", "started_at": now, "completed_at": now, "next_step_at": None}
        conn.execute(sa.update(Heal).where(Heal.id == first).values(**done))
        append(conn, [FeedNote(stage.zeta.tenant_id, FeedKind.HEAL, stage.zeta.pods[1], first)])
    told(stage)
    expect(page.locator(f"#heal-row-{first}")).to_contain_text("Healed")
    expect(page.locator(f"#heal-detail-{first}")).to_contain_text("Healed")
    expect(page.locator(".heal-stats")).to_contain_text("1 heal · 1 healed")
    second = a_new_heal(stage, stage.zeta, 2)

    expect(page.get_by_text("1 new heals.")).to_be_visible()
    expect(page.locator(f"#heal-row-{second}")).to_have_count(0)
    page.get_by_role("link", name="Show them").click()
    expect(page.locator(f"#heal-row-{second}")).to_contain_text("Planned")
