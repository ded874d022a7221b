"""What the page of one pod is told: head, healing, gates, lanes, uptime, events (both databases)."""

from datetime import datetime

import pytest
import sqlalchemy as sa

from podhealth.core.gates import GATES
from podhealth.core.words import Gate, HealState, Mode, SnoozeHolds, Status
from podhealth.healing.evaluate import judge
from podhealth.store import holds
from podhealth.store.db import db_now, read, write
from podhealth.store.podpage import deleted_pod, pod_page
from podhealth.store.tenancy import system_scope
from tests.support.build import a_check, a_heal, a_pod, a_policy, a_tenant, an_episode
from tests.support.past import DAY, HOUR, MINUTE, a_healthy_pod, a_sick_pod, page_of


@pytest.fixture
def tenant(engine: sa.Engine) -> int:
    with write(engine) as conn:
        return a_tenant(conn)


def text_of(said: tuple[str | datetime, ...]) -> str:
    return "".join(part if isinstance(part, str) else "TIME" for part in said)


# Head


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({}, "Its check http is healthy."),
        ({"phase": "stopped", "stopped_reason": "by ann"}, "Stopped on purpose (by ann). It is not probed"),
        ({"phase": "unreachable", "unreachable_reason": "n1 is down"}, "It cannot be reached (n1 is down)."),
        ({"phase": "starting", "starting_reason": "restarted"}, "It is starting (restarted). Failures do not count"),
        ({"phase": "maintenance", "maintenance_reason": "disk"}, "In maintenance (disk). Probing goes on"),
    ],
    ids=["healthy", "stopped", "unreachable", "starting", "maintenance"],
)
def test_the_head_says_how_the_pod_is_in_one_sentence(engine, tenant, now, columns, said):
    phase = columns.get("phase")
    if phase:
        columns = columns | {f"{phase}_since": now - HOUR, "phase_since": now - HOUR}
    if phase in ("starting", "maintenance"):
        columns = columns | {f"{phase}_until": now + HOUR, "phase_until": now + HOUR}
    with write(engine) as conn:
        pod_id, _ = a_healthy_pod(conn, tenant, now, **columns)

    assert text_of(page_of(engine, tenant, pod_id, now).head.sentence).startswith(said)


def test_the_head_names_the_cause_and_how_often_it_failed(engine, tenant, now):
    with write(engine) as conn:
        pod_id, _ = a_sick_pod(conn, tenant, now)

    head = page_of(engine, tenant, pod_id, now).head

    assert (head.mark.status, text_of(head.sentence)) == (Status.UNHEALTHY, "http: HTTP 502; 9 failures in a row.")


def test_a_pod_that_was_never_checked_says_so(engine, tenant, now):
    with write(engine) as conn:
        pod_id = a_pod(conn, tenant)
        a_check(conn, pod_id)

    page = page_of(engine, tenant, pod_id, now)

    assert text_of(page.head.sentence) == "No check has answered yet."
    assert page.uptime.lines[0].uptime is None
    assert page.why.summary == "It was never judged: nothing has failed yet."


def test_a_pod_without_checks_says_that_nobody_watches_it(engine, tenant, now):
    with write(engine) as conn:
        pod_id = a_pod(conn, tenant)

    page = page_of(engine, tenant, pod_id, now)

    assert text_of(page.head.sentence).startswith("No check is enabled")
    assert (page.strips, page.checks) == ((), ())


def test_old_evidence_is_unknown_since_it_went_out(engine, tenant, now):
    with write(engine) as conn:
        pod_id = a_pod(conn, tenant, now=now - DAY, status="healthy", last_healthy_at=now - 3 * HOUR)
        a_check(conn, pod_id, now=now - DAY, status="healthy", fresh_until=now - HOUR, last_at=now - 3 * HOUR)

    page = page_of(engine, tenant, pod_id, now)

    assert (page.head.mark.status, page.head.mark.since) == (Status.UNKNOWN, now - HOUR)
    assert text_of(page.head.sentence) == "No result that can be trusted since TIME; last healthy TIME."
    assert page.strips[0].runs[0].shade == "unknown"
    assert page.checks[0].status == Status.UNKNOWN


# Healing, and why not


def test_an_open_heal_is_told_with_what_follows_it(engine, tenant, now):
    with write(engine) as conn:
        pod_id, check_id = a_sick_pod(conn, tenant, now)
        policy_id = a_policy(conn, tenant, is_default=True)
        steps = [{"action": "restart", "attempts": 2}, {"action": "notify_only", "attempts": 1}]
        trigger = [{"check_id": check_id, "generation": 1}]
        episode_id = an_episode(conn, pod_id, policy_id, attempts=1, ladder=steps, triggers=trigger)
        until = now + 4 * MINUTE
        a_heal(conn, pod_id, episode_id=episode_id, state=HealState.VERIFYING, of_attempts=2, verify_until=until)

    page = page_of(engine, tenant, pod_id, now)

    assert page.healing.heal is not None
    assert (page.healing.heal.state, page.healing.heal.nth, page.healing.heal.until) == (HealState.VERIFYING, 1, until)
    assert page.healing.then == ("restart 2 of 2", "tell people", "nothing more")
    assert page.moment.heal_now.closed is not None
    assert page.moment.heal_now.closed.startswith("A heal is open: restart 1 of 2")
    assert page.head.mark.status == Status.UNHEALTHY


def test_the_gates_are_listed_in_order_with_what_the_newest_decision_saw(engine, tenant, now):
    with write(engine) as conn:
        pod_id, _ = a_sick_pod(conn, tenant, now)
        a_policy(conn, tenant, "careful", is_default=True, mode=Mode.OFF)
    judge(engine, pod_id)

    why = page_of(engine, tenant, pod_id, now + MINUTE).why

    assert [line.gate for line in why.gates] == [gate for gate, _ in GATES]
    assert [line.answer for line in why.gates][:4] == ["open", "open", "closed", "unasked"]
    assert dict(why.gates[1].inputs) == {"policy": "careful", "why": "the tenant's default"}
    assert why.gates[2].reason == "Policy careful is off."
    assert why.summary == f"Gate 3 of {len(GATES)} is closed: Policy off."
    assert why.policy is not None
    assert (why.policy.name, why.policy.why, why.policy.sentence) == (
        "careful",
        "the tenant's default",
        "Off: does nothing.",
    )


def test_without_a_policy_the_page_says_why_none_binds(engine, tenant, now):
    with write(engine) as conn:
        pod_id, _ = a_sick_pod(conn, tenant, now)

    page = page_of(engine, tenant, pod_id, now)

    assert page.healing.policy is None
    assert page.healing.no_policy == "no policy is bound to this pod, by tag or as default"


def test_an_exhausted_episode_has_nothing_left(engine, tenant, now):
    with write(engine) as conn:
        pod_id, check_id = a_sick_pod(conn, tenant, now)
        policy_id = a_policy(conn, tenant, is_default=True)
        trigger = [{"check_id": check_id, "generation": 1}]
        an_episode(conn, pod_id, policy_id, attempts=3, exhausted_at=now, triggers=trigger, opened_at=now - HOUR)
    judge(engine, pod_id)

    page = page_of(engine, tenant, pod_id, now + MINUTE)

    assert (page.healing.then, page.healing.exhausted_at) == ((), now)
    assert page.healing.hold is not None
    assert (page.healing.hold.gate, page.healing.hold.sign) == (Gate.LADDER, "exhausted")
    assert "its 3 attempts" in page.moment.closes


def test_a_snooze_is_told_by_whom_why_and_until_when(engine, tenant, now):
    with write(engine) as conn:
        pod_id, _ = a_healthy_pod(conn, tenant, now)
        until = db_now(conn) + HOUR
        holds.snooze(conn, system_scope(tenant, "ann"), pod_id, until, "disk", SnoozeHolds.ALERTS)

    page = page_of(engine, tenant, pod_id, now + MINUTE)

    assert page.healing.snoozes == (("ann", "disk", until, SnoozeHolds.ALERTS),)
    assert page.moment.snoozed_until == until


# Whose, and at what cost


def test_another_tenants_pod_and_a_deleted_one_have_no_page(engine, tenant, now):
    with write(engine) as conn:
        zeta = a_tenant(conn, "zeta")
        theirs = a_pod(conn, zeta)
        gone = a_pod(conn, tenant, "gone", deleted_at=now)
    with read(engine) as conn:
        assert pod_page(conn, tenant, theirs, now) is None
        assert pod_page(conn, tenant, gone, now) is None
        assert deleted_pod(conn, tenant, gone) == (gone, "gone")
        assert deleted_pod(conn, zeta, gone) is None
        assert deleted_pod(conn, tenant, theirs) is None


def test_a_page_costs_no_more_queries_for_more_checks(engine, tenant, now, count_queries):
    with write(engine) as conn:
        pod_id, _ = a_sick_pod(conn, tenant, now)
        for number in range(20):
            a_check(conn, pod_id, "tcp", name=f"tcp-{number}", status="healthy", fresh_until=now + HOUR)
    with read(engine) as conn, count_queries(engine, at_most=49):
        page = pod_page(conn, tenant, pod_id, now)

    assert page is not None
    assert len(page.strips) == 21
