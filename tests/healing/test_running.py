"""The check ``running``: asked of the provider, two readings apart before it counts (behaviour §2, Running)."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from podhealth.core.words import ActualState, Outcome, Phase, Status
from podhealth.healing import running
from podhealth.healing.providers.process import ask_host
from podhealth.models import CheckState, Result
from podhealth.store import podstate
from podhealth.store.db import db_now, read, write
from tests.healing.world import World
from tests.support import build
from tests.support.wait import wait_for


@pytest.fixture
def watched(world: World) -> World:
    """The world's pod with the check ``running`` beside its own."""
    with write(world.engine) as conn:
        world.running_id = build.a_check(
            conn,
            world.pod_id,
            "running",
            interval_seconds=10,
            timeout_seconds=5.0,
            failure_threshold=1,
            vantage="provider",
        )
    return world


def look(world: World, after_s: float = 0) -> sa.Row:
    world.advance(after_s)
    running.ask_providers(world.engine)
    with read(world.engine) as conn:
        return conn.execute(sa.select(CheckState.__table__).where(CheckState.check_id == world.running_id)).one()


def crash(world: World) -> None:
    ask_host(world.host.folder, {"do": "crash", "pod": "web"})
    wait_for(lambda: not ask_host(world.host.folder, {"do": "state", "pod": "web"})["running"])


def test_a_running_pod_is_ok(watched: World) -> None:
    state = look(watched)

    assert (state.status, state.last_outcome) == (Status.HEALTHY, Outcome.OK)
    assert watched.status().actual_state == ActualState.RUNNING


def test_once_it_is_over_no_provider_is_asked(watched: World) -> None:
    running.ask_providers(watched.engine, lambda: True)
    with read(watched.engine) as conn:
        tokens = conn.scalars(sa.select(CheckState.claim_token).where(CheckState.check_id == watched.running_id)).all()

    assert tokens == [0]


def test_one_reading_of_a_stopped_pod_is_not_believed(watched: World) -> None:
    look(watched)
    crash(watched)
    state = look(watched, after_s=11)

    assert (state.status, state.last_outcome, state.last_code) == (Status.HEALTHY, Outcome.ERROR, "confirming")
    assert watched.status().actual_state == ActualState.STOPPED


def test_two_readings_ten_seconds_apart_are_a_failure(watched: World) -> None:
    look(watched)
    crash(watched)
    first = look(watched, after_s=11)
    again = look(watched, after_s=9)
    state = look(watched, after_s=2)

    assert again.last_at == first.last_at
    assert (state.status, state.last_outcome, state.last_code) == (Status.UNHEALTHY, Outcome.FAIL, "not_running")
    assert watched.status().reason == "running: not running"


def test_a_pod_that_was_back_at_the_second_reading_never_failed(watched: World) -> None:
    look(watched)
    crash(watched)
    look(watched, after_s=11)
    ask_host(watched.host.folder, {"do": "start", "pod": "web", "key": "s1"})
    wait_for(lambda: ask_host(watched.host.folder, {"do": "state", "pod": "web"})["running"])
    state = look(watched, after_s=11)

    assert (state.status, state.last_outcome) == (Status.HEALTHY, Outcome.OK)


def test_a_reading_from_before_a_start_confirms_nothing(watched: World) -> None:
    look(watched)
    crash(watched)
    look(watched, after_s=11)
    watched.advance(1)
    with write(watched.engine) as conn:
        podstate.begin_starting(conn, watched.pod_id, db_now(conn), 120, "moved", own_heal=True)
    state = look(watched, after_s=11)

    assert watched.status().phase == Phase.STARTING
    assert state.last_code == "confirming"


def test_a_provider_that_does_not_answer_is_our_trouble(watched: World) -> None:
    look(watched)
    watched.host.kill()
    state = look(watched, after_s=11)

    assert (state.status, state.last_outcome, state.last_code) == (Status.HEALTHY, Outcome.ERROR, "provider")
    assert watched.status().actual_state == ActualState.UNKNOWN
    assert watched.status().status != Status.UNHEALTHY


def test_nothing_is_asked_before_it_is_due(watched: World) -> None:
    look(watched)
    with write(watched.engine) as conn:
        due = db_now(conn) + timedelta(minutes=1)
        conn.execute(sa.update(CheckState).where(CheckState.check_id == watched.running_id).values(next_at=due))
    look(watched, after_s=30)

    with read(watched.engine) as conn:
        count = conn.execute(sa.select(sa.func.count()).where(Result.check_id == watched.running_id)).scalar_one()
    assert count == 1


def test_a_pod_that_is_down_is_restarted_on_the_word_of_its_provider_alone(watched: World) -> None:
    """No probe is made at all: only the provider tells."""
    look(watched)
    watched.sql("UPDATE cloud_pod_health_checks SET enabled = FALSE WHERE name = 'http'")
    crash(watched)
    for _ in range(6):
        look(watched, after_s=10.5)
    watched.settle()
    for _ in range(3):
        look(watched, after_s=10.5)
    watched.settle()

    assert [h.state for h in watched.heals()] == ["succeeded"]
    assert watched.status().status == Status.HEALTHY
