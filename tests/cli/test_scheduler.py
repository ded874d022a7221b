"""``podhealth scheduler`` as a process: a tick a second from one of several, whatever becomes of Redis."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from podhealth.clock import monotonic
from podhealth.models import Worker
from podhealth.store.db import read
from tests.support.cluster import Cluster, Program
from tests.support.redisserver import RedisServer
from tests.support.wait import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(90)]

QUEUE = "rq:queue:tick"
BACK_WITHIN_S = 5.0


@pytest.fixture
def server() -> Iterator[RedisServer]:
    server = RedisServer()
    yield server
    server.remove()


@pytest.fixture
def cluster(server: RedisServer, sqlite_engine: sa.Engine, tmp_path: Path) -> Iterator[Cluster]:
    with Cluster(str(sqlite_engine.url), server.url, tmp_path) as cluster:
        yield cluster


def take_runs(server: RedisServer, count: int, within_s: float = 60.0) -> list[float]:
    """Take so many runs of the tick as they come; return when, in monotonic seconds."""
    times: list[float] = []

    def has_come() -> bool:
        if server.client.lpop(QUEUE) is not None:
            times.append(monotonic())
        return len(times) >= count

    wait_for(has_come, within_s, what=f"{count} ticks")
    return times


def wait_out(seconds: float) -> None:
    ended = monotonic() + seconds
    wait_for(lambda: monotonic() > ended, seconds + 1)


def wait_until_cut_off(program: Program) -> None:
    """Wait until it has noticed, and its pauses between tries have grown to their longest."""
    wait_for(lambda: program.said("redis not reached"), 60, what="it noticed")
    wait_out(4)


@pytest.mark.fault("F12")
def test_a_tick_comes_every_second_from_one_of_two_and_the_other_takes_over(
    server: RedisServer, cluster: Cluster
) -> None:
    first = cluster.start("scheduler")
    take_runs(server, 1)
    second = cluster.start("scheduler")
    wait_for(lambda: second.said("scheduler started"), 60, what="the second runs")
    server.client.delete(QUEUE)  # what came meanwhile
    times = take_runs(server, 5)
    first.kill()
    killed_at = monotonic()
    taken_over_s = take_runs(server, 2)[-1] - killed_at
    print(f"taken over after {taken_over_s:.1f} s")

    # Four intervals; two schedulers that both queued would have needed half of that.
    assert 2.5 < times[-1] - times[0] < 6
    # Two ticks, and the lock of the killed one, should it have had it (5 s).
    assert taken_over_s < 8
    assert second.is_running


def test_started_without_redis_it_waits_for_it(server: RedisServer, cluster: Cluster) -> None:
    server.kill()
    scheduler = cluster.start("scheduler")
    wait_until_cut_off(scheduler)
    assert scheduler.is_running
    server.start()
    began = monotonic()

    assert take_runs(server, 1)[0] - began < BACK_WITHIN_S


@pytest.mark.fault("F19")
def test_after_redis_was_away_it_is_back_within_five_seconds(server: RedisServer, cluster: Cluster) -> None:
    scheduler = cluster.start("scheduler")
    take_runs(server, 1)
    server.kill()
    wait_until_cut_off(scheduler)
    server.start()
    began = monotonic()
    back_s = take_runs(server, 1)[0] - began
    print(f"back after {back_s:.1f} s")

    assert back_s < BACK_WITHIN_S
    assert scheduler.is_running


def test_told_to_end_it_ends_and_says_so(server: RedisServer, cluster: Cluster, sqlite_engine: sa.Engine) -> None:
    scheduler = cluster.start("scheduler")
    take_runs(server, 1)
    wait_for(lambda: _beating(sqlite_engine) == ["scheduler"], 10, what="a beat")
    code = scheduler.stop(10)

    assert code == 0
    assert _beating(sqlite_engine) == []


def _beating(engine: sa.Engine) -> list[str]:
    with read(engine) as conn:
        return list(conn.scalars(sa.select(Worker.role)))


def test_told_to_end_while_redis_hangs_it_ends_within_ten_seconds(server: RedisServer, cluster: Cluster) -> None:
    scheduler = cluster.start("scheduler")
    take_runs(server, 1)
    server.hang()

    assert scheduler.stop(10) == 0
