"""The past that a replay of a policy is run over: whose pods, which troubles, since when."""

from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from podhealth import clock
from podhealth.core.ladder import PolicyRules
from podhealth.core.recorded import US, KeptOut
from podhealth.core.words import Action, Actor, HealState, Phase, Role
from podhealth.models import Pod, PodStatus, Transition
from podhealth.models.base import to_us
from podhealth.simulator.replay import replay
from podhealth.store import replay as stored
from podhealth.store.db import db_now, read, write
from podhealth.store.tenancy import Scope
from tests.support import build
from tests.support.past import DAY, HOUR, MINUTE, an_outage, phase_turned, turned

DRAFT = PolicyRules("draft", is_default=True)


@pytest.fixture
def acme(engine: sa.Engine) -> Scope:
    with write(engine) as conn:
        return Scope(build.a_tenant(conn), Role.VIEWER, Actor.USER, "vic")


def pasts(engine: sa.Engine, scope: Scope, draft: PolicyRules = DRAFT, **wanted: Any) -> stored.Pasts:
    with read(engine) as conn:
        return stored.pasts_of(conn, scope, draft, None, db_now(conn), **wanted)


def a_pod_with_an_outage(conn: sa.Connection, scope: Scope, name: str = "web", **columns: Any) -> tuple[int, int]:
    now = db_now(conn)
    pod_id = build.a_pod(conn, scope.tenant_id, name, now=now - 60 * DAY, status="healthy", **columns)
    check_id = build.a_check(conn, pod_id, interval_seconds=30, failure_threshold=2)
    an_outage(conn, pod_id, now - 40 * DAY, HOUR)
    an_outage(conn, pod_id, now - 10 * DAY, HOUR)
    an_outage(conn, pod_id, now - 10 * DAY, HOUR, check_id)
    return pod_id, check_id


def test_outages_of_the_last_thirty_days_are_found_once(engine: sa.Engine, acme: Scope) -> None:
    with write(engine) as conn:
        pod_id, _ = a_pod_with_an_outage(conn, acme)
    found = pasts(engine, acme)

    assert [pod.pod_id for pod in found.pods] == [pod_id]
    assert [t.ends - t.ill_at for t in found.pods[0].troubles if t.ends] == [3_600 * US]
    assert (found.governed, found.transitions) == (1, 2)
    assert found.end - found.begin == 30 * 86_400 * US


def test_only_pods_that_the_draft_would_govern_are_in_it(engine: sa.Engine, acme: Scope) -> None:
    with write(engine) as conn:
        zeta = Scope(build.a_tenant(conn, "zeta"), Role.VIEWER, Actor.USER, "zoe")
        a_pod_with_an_outage(conn, zeta, "theirs", tags=["web"])
        a_pod_with_an_outage(conn, acme, "db", tags=["db"])
        mine, _ = a_pod_with_an_outage(conn, acme, "mine", tags=["web"])
        a_pod_with_an_outage(conn, acme, "gone", tags=["web"], deleted_at=db_now(conn))

    assert [p.pod_id for p in pasts(engine, acme, PolicyRules("draft", selector=("web",))).pods] == [mine]


def test_the_check_that_saw_a_trouble_is_known(engine: sa.Engine, acme: Scope) -> None:
    with write(engine) as conn:
        pod_id, check_id = a_pod_with_an_outage(conn, acme)
        update = sa.update(Transition).where(Transition.pod_id == pod_id, Transition.check_id.is_(None))
        conn.execute(update.values(cause_check_id=check_id))
    found = pasts(engine, acme)

    assert found.pods[0].troubles[0].check_id == check_id
    assert (found.checks[check_id].interval_s, found.checks[check_id].failure_threshold) == (30, 2)


def test_heals_of_then_belong_to_their_trouble_unless_nothing_was_done(engine: sa.Engine, acme: Scope) -> None:
    with write(engine) as conn:
        pod_id, _ = a_pod_with_an_outage(conn, acme)
        begun = db_now(conn) - 10 * DAY
        for state, minutes in ((HealState.SUCCEEDED, 5), (HealState.CANCELLED, 3)):
            build.a_heal(conn, pod_id, action=Action.RESTART, state=state, triggered_at=begun + minutes * MINUTE)
    (pod,) = pasts(engine, acme).pods

    assert [heal.action for heal in pod.heals] == [Action.RESTART]
    assert pod.troubles[0].heals == tuple(heal.at for heal in pod.heals)


def test_phases_of_then_and_the_typical_boot_are_read(engine: sa.Engine, acme: Scope) -> None:
    with write(engine) as conn:
        pod_id, _ = a_pod_with_an_outage(conn, acme)
        at = db_now(conn) - 9 * DAY
        phase_turned(conn, pod_id, at, "monitored", "maintenance")
        phase_turned(conn, pod_id, at + HOUR, "maintenance", "starting")
        phase_turned(conn, pod_id, at + HOUR + timedelta(seconds=40), "starting", "monitored")
    (pod,) = pasts(engine, acme).pods

    assert pod.boot_us == 40 * US
    assert pod.kept_out == (KeptOut(to_us(at), to_us(at + HOUR), Phase.MAINTENANCE),)


def test_a_pod_that_was_ill_all_the_time_is_in_trouble_without_a_transition(engine: sa.Engine, acme: Scope) -> None:
    with write(engine) as conn:
        pod_id = build.a_pod(conn, acme.tenant_id, "ill", now=db_now(conn) - 60 * DAY)
        conn.execute(sa.update(PodStatus).where(PodStatus.pod_id == pod_id).values(status="unhealthy"))
    found = pasts(engine, acme)

    assert [(t.since, t.ends) for t in found.pods[0].troubles] == [(found.begin, None)]


def test_a_trouble_from_before_the_period_begins_with_it(engine: sa.Engine, acme: Scope) -> None:
    with write(engine) as conn:
        pod_id = build.a_pod(conn, acme.tenant_id, "ill", now=db_now(conn) - 60 * DAY, status="healthy")
        turned(conn, pod_id, db_now(conn) - 40 * DAY, "healthy", "unhealthy")
        turned(conn, pod_id, db_now(conn) - 29 * DAY, "unhealthy", "healthy")
    found = pasts(engine, acme)

    assert [t.since for t in found.pods[0].troubles] == [found.begin]


def test_no_more_pods_are_taken_than_asked_for_and_it_says_how_many_there_are(engine: sa.Engine, acme: Scope) -> None:
    with write(engine) as conn:
        for number in range(4):
            a_pod_with_an_outage(conn, acme, f"web-{number}")
    found = pasts(engine, acme, most=3)

    assert (len(found.pods), found.governed, found.transitions) == (3, 4, 6)


def many(conn: sa.Connection, scope: Scope, pods: int, now: datetime) -> None:
    """Pods with two outages each in the last 30 days, and the transitions of their checks beside."""
    made: dict[str, Any] = {"tenant_id": scope.tenant_id, "created_at": now - 60 * DAY, "updated_at": now}
    names = [made | {"name": f"web-{number}", "address": "10.0.0.1"} for number in range(pods)]
    pod_ids = list(conn.execute(sa.insert(Pod).returning(Pod.id, sort_by_parameter_order=True), names).scalars())
    since = {"tenant_id": scope.tenant_id, "status": "healthy", "since": now, "phase_since": now, "updated_at": now}
    conn.execute(sa.insert(PodStatus), [since | {"pod_id": pod_id} for pod_id in pod_ids])
    rows = []
    for number, pod_id in enumerate(pod_ids):
        for outage in (2, 17):
            at = now - outage * DAY - number * timedelta(seconds=200)
            row = {"tenant_id": scope.tenant_id, "pod_id": pod_id, "check_id": None}
            down = row | {"from_status": "healthy", "to_status": "unhealthy", "at": at, "bad_since": at - MINUTE}
            up = row | {"from_status": "unhealthy", "to_status": "healthy", "at": at + 20 * MINUTE, "bad_since": None}
            rows += [down, up]
    conn.execute(sa.insert(Transition), rows)


@pytest.mark.slow
def test_a_month_of_five_thousand_pods_is_replayed_while_one_waits(engine: sa.Engine, acme: Scope) -> None:
    with write(engine) as conn:
        many(conn, acme, 5_000, db_now(conn))
    began = clock.monotonic()
    found = pasts(engine, acme)
    done = replay(DRAFT, found.pods, found.checks, found.begin, found.end)
    took = clock.monotonic() - began

    assert (len(found.pods), found.transitions, done.troubles) == (5_000, 20_000, 10_000)
    # Two seconds on a quiet machine; a busy one gets time to spare.
    assert took < 8
    print(f"{engine.dialect.name}: {took:.2f} s")
