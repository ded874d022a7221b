"""Processes killed, frozen, missing, without threads, descriptors or a processor (hazards 2a, 2i)."""

import http.client
import json
import signal
from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import psutil
import pytest
import sqlalchemy as sa

from podhealth import clock
from podhealth.core.words import Outcome, Role, Status
from podhealth.models import AuditEntry, Heal, Pod, PodStatus, TickStep, Transition, Window
from podhealth.store import accounts
from podhealth.store.db import db_now, read, write
from tests.healing.world import SLEEPER, ProcessHost
from tests.proofs.living import Living, a_visitor, wait_out
from tests.support import build, nursery
from tests.support.cluster import Cluster, Program, Witness
from tests.support.depth import is_deep
from tests.support.fleet import INTERVAL_S, a_fleet, results
from tests.support.invariants import Ledgers, assert_invariants
from tests.support.ledger import Target, running_target
from tests.support.ports import free_port
from tests.support.redisserver import RedisServer
from tests.support.strace import sweep
from tests.support.wait import wait_for
from tests.support.webserver import cookie_of, running_web

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

Back = Callable[[float], None]


@pytest.fixture
def target(stack: ExitStack, tmp_path: Path) -> Target:
    return stack.enter_context(running_target(tmp_path, 10))


def eager(engine: sa.Engine, host: ProcessHost) -> None:
    """Let each pod be restarted at its first failure."""
    with write(engine) as conn:
        (tenant_id,) = conn.scalars(sa.select(Pod.tenant_id).distinct())
        build.a_policy(conn, tenant_id, is_default=True, trigger_after_failures=1)
        kept = build.with_provider(str(host.folder / "pods" / "web")) | {"provider_ref": "web"}
        conn.execute(sa.update(Pod).values(**kept))


def statuses(engine: sa.Engine) -> set[Status]:
    with read(engine) as conn:
        return set(conn.scalars(sa.select(PodStatus.status)))


# Killed between commit and telling.


@pytest.mark.fault("F7")
def test_what_a_prober_stored_before_it_was_killed_is_told_by_others(
    engine: sa.Engine, cluster: Cluster, target: Target, stack: ExitStack
) -> None:
    witness = stack.enter_context(Witness(engine))
    a_fleet(engine, target, 16)
    killed = cluster.start("worker", "probe.local", PODHEALTH_CRASH_AT="record.after_commit")
    cluster.start("worker", "heal", "alert", "tick")
    assert killed.process.wait(40) == -signal.SIGKILL
    asked = target.counts().total()
    cluster.start("worker", "probe.local")
    wait_for(lambda: target.counts().total() > asked, 40, what="the other prober is at work")
    wait_for(lambda: statuses(engine) == {Status.HEALTHY}, 40, what="all pods are healthy")
    with read(engine) as conn:
        before = conn.execute(sa.select(Transition.pod_id).where(Transition.check_id.is_not(None))).all()

    assert before
    assert cluster.stop() == [0, 0]
    assert_invariants(engine, Ledgers(acked=witness.acked))


# The web process.


def _post_window(port: int, token: str) -> http.client.HTTPResponse | None:
    """Make a window under one Idempotency-Key; null where nobody answered."""
    body = {"name": "disks", "reason": "work", "zone": "UTC", "starts": "2027-01-01T02:00", "minutes": 5}
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", "Idempotency-Key": "once-1"}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("POST", "/api/windows", json.dumps(body | {"allPods": True}), headers)
        answer = connection.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    return answer


@pytest.mark.fault("F14")
@pytest.mark.parametrize(("point", "is_stored"), [("web.before_commit", False), ("web.after_commit", True)])
def test_a_request_whose_process_was_killed_is_done_once_when_it_is_sent_again(
    engine: sa.Engine, database_url: str, tmp_path: Path, point: str, is_stored: bool
) -> None:
    with write(engine) as conn:
        tenant_id = build.a_tenant(conn)
        build.a_pod(conn, tenant_id)
        token = accounts.create_token(conn, tenant_id, "ops", Role.OPERATOR, "test", None)
    with running_web(database_url, "unix:///nowhere/redis.sock", tmp_path, PODHEALTH_CRASH_AT=point) as web:
        nobody = _post_window(web.port, token)
    with read(engine) as conn:
        stored = len(conn.execute(sa.select(Window.id)).all())
    with running_web(database_url, "unix:///nowhere/redis.sock", tmp_path) as web:
        answers = [_post_window(web.port, token) for _ in range(2)]
    with read(engine) as conn:
        windows = conn.execute(sa.select(Window.id)).all()
        audited = conn.execute(sa.select(AuditEntry.what).where(AuditEntry.what.like("%window%"))).all()

    assert nobody is None
    assert stored == int(is_stored)
    assert [answer.status for answer in answers if answer] == [201, 201]
    assert answers[1] is not None
    assert answers[1].headers["Idempotency-Replayed"] == "true"
    assert (len(windows), len(audited)) == (1, 1)
    assert_invariants(engine)


@pytest.mark.timeout(1800)
@pytest.mark.fault("F14")
def test_killed_at_any_system_call_a_request_is_done_once_when_it_is_sent_again(
    engine: sa.Engine, database_url: str, redis_url: str
) -> None:
    with write(engine) as conn:
        tenant_id = build.a_tenant(conn)
        token = accounts.create_token(conn, tenant_id, "ops", Role.OPERATOR, "test", None)

    def post(kill_at: int, key: int) -> int:
        return nursery.run("tests.proofs.posting:make_window", database_url, redis_url, token, key, kill_at=kill_at)

    kills = [kill_at for kill_at in sweep(lambda kill_at: post(kill_at, kill_at)) if post(0, kill_at) == 0]
    with read(engine) as conn:
        names = list(conn.scalars(sa.select(Window.name)))
        audited = conn.execute(sa.select(AuditEntry.what).where(AuditEntry.what.like("%window%"))).all()

    assert {*names} >= {f"disks-{kill_at}" for kill_at in kills}
    assert len({*names}) == len(names) == len(audited)
    assert len(names) <= len(kills) + 1
    assert_invariants(engine)


# Schedulers.


@pytest.mark.fault("F12")
def test_of_many_schedulers_of_which_one_is_frozen_a_tick_comes_once_a_second(
    sqlite_engine: sa.Engine, tmp_path: Path, stack: ExitStack, back_after: Back
) -> None:
    server = RedisServer()
    stack.callback(server.remove)
    cluster = stack.enter_context(Cluster(str(sqlite_engine.url), server.url, tmp_path))
    several = [cluster.start("scheduler") for _ in range(5 if is_deep() else 3)]
    for program in several:
        wait_for(lambda p=program: p.said("scheduler started"), 40, what="it runs")
    came = Ticks(server)
    came.wait_for(2)
    # Whoever has the lock just now would have it for ever; hang each in turn until one of them is it.
    several[0].hang()
    began = clock.monotonic()
    came.wait_for(2)
    back_s = clock.monotonic() - began
    counted, since = came.wait_for(8 if not is_deep() else 90), clock.monotonic()
    took_s = counted[-1] - counted[0]
    several[0].resume()
    came.wait_for(4)
    woken_s = clock.monotonic() - since
    back_after(back_s)

    # The lock of a frozen one ends after 5 s; from then on a tick a second, and no more once it is awake.
    assert back_s < 9
    assert took_s > len(counted) - 1 - 1.5
    assert woken_s > 2.0
    assert cluster.ended() == []


class Ticks:
    """Takes the runs of the tick as they come."""

    def __init__(self, server: RedisServer) -> None:
        self._server = server
        server.client.delete("rq:queue:tick")

    def wait_for(self, count: int) -> list[float]:
        """Wait for so many more; return when they came, monotonic."""
        times: list[float] = []

        def has_come() -> bool:
            if self._server.client.lpop("rq:queue:tick") is not None:
                times.append(clock.monotonic())
            return len(times) >= count

        wait_for(has_come, count + 20, what=f"{count} ticks")
        return times


# What becomes of a prober's own trouble is the same on both databases: these run on one.


@pytest.fixture
def lite(stack: ExitStack, sqlite_engine: sa.Engine, redis_url: str, tmp_path: Path) -> Cluster:
    url = sqlite_engine.url.render_as_string(hide_password=False)
    return stack.enter_context(Cluster(url, redis_url, tmp_path))


@pytest.mark.fault("F13")
def test_without_any_scheduler_probing_goes_on_and_pages_say_that_nothing_is_judged(
    sqlite_engine: sa.Engine, lite: Cluster, target: Target
) -> None:
    checks, port = a_fleet(sqlite_engine, target, 16), free_port()
    with write(sqlite_engine) as conn:  # one was there a minute ago
        earlier = db_now(conn) - timedelta(minutes=1)
        conn.execute(sa.insert(TickStep).values(name="judge", due_at=earlier, ran_at=earlier))
    lite.start("worker", "probe.local", ticket_s=1.0)
    lite.start("web", PODHEALTH_WEB_PORT=str(port), PODHEALTH_ALARM_TICK_S="3")
    cookie = cookie_of(a_visitor(sqlite_engine), port)
    wait_for(lambda: min((target.counts()[name] for name in checks), default=0) >= 3, 60, what="all probed three times")
    page = wait_for(lambda: _page(port, cookie), 20, what="the page")

    assert "Nothing has been judged" in page
    assert statuses(sqlite_engine) == {Status.HEALTHY}
    assert lite.stop() == [0, 0]


def _page(port: int, cookie: str) -> str | None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("GET", "/pods", headers={"Cookie": cookie})
        answer = connection.getresponse()
        text = answer.read().decode()
    except OSError:
        return None
    finally:
        connection.close()
    return text if answer.status == 200 else None


# Without threads, descriptors, or a processor; with too much to do.


@pytest.mark.fault("F17")
def test_where_no_thread_can_be_made_no_pod_is_called_sick(
    sqlite_engine: sa.Engine, lite: Cluster, target: Target, tmp_path: Path, stack: ExitStack
) -> None:
    host = ProcessHost(web=SLEEPER)
    stack.callback(host.remove)
    a_fleet(sqlite_engine, target, 16)
    eager(sqlite_engine, host)
    fails = tmp_path / "fails"
    lite.start("worker", "probe.local", TEST_FAIL=str(fails))
    lite.start("worker", "heal", "alert", "tick", TEST_FAIL=str(fails))
    wait_for(lambda: len(target.counts()) == 16, 40, what="every check probed once")
    fails.write_text("thread EAGAIN")
    with write(sqlite_engine) as conn:  # one that needs a name to be looked up, for which there are threads
        tenant_id = conn.scalar(sa.select(sa.func.min(Pod.tenant_id)))
        named = build.a_pod(conn, int(tenant_id or 0), "named", address="localhost")
        often = {"interval_seconds": 5, "timeout_seconds": 2.0}
        check_id = build.a_check(conn, named, "tcp", target=str(target.port), **often)
    wait_out(3 * INTERVAL_S)
    found = {row.outcome for row in results(sqlite_engine)}
    of_name = {row.outcome for row in results(sqlite_engine, [check_id])}

    assert found == {Outcome.OK, Outcome.ERROR}
    assert of_name == {Outcome.ERROR}
    assert lite.ended() == []
    assert Status.UNHEALTHY not in statuses(sqlite_engine)
    assert host.ledger() == []
    assert_invariants(sqlite_engine)


@pytest.mark.fault("F18")
def test_without_descriptors_no_pod_is_called_sick_and_all_is_well_when_there_are_some(
    stack: ExitStack, sqlite_engine: sa.Engine, redis_url: str, tmp_path: Path, back_after: Back
) -> None:
    url = sqlite_engine.url.render_as_string(hide_password=False)
    living = Living(stack, tmp_path, url, url, redis_url)
    workers = [psutil.Process(program.process.pid) for program in living.cluster.programs[1:]]
    most = workers[0].rlimit(psutil.RLIMIT_NOFILE)
    began = clock.utcnow()

    def allow(number: int) -> None:
        for process in workers:
            process.rlimit(psutil.RLIMIT_NOFILE, (number, most[1]))

    back_s = living.suffer(lambda: allow(8), lambda: allow(most[0]), 12.0)
    back_after(back_s)
    outcomes = [row.outcome for row in results(sqlite_engine) if row.begun_at > began]

    assert back_s < 15
    assert Outcome.ERROR in outcomes


@pytest.mark.fault("F94")
def test_with_a_tenth_of_the_processor_no_pod_is_called_sick(
    stack: ExitStack, sqlite_engine: sa.Engine, redis_url: str, tmp_path: Path, back_after: Back
) -> None:
    url = sqlite_engine.url.render_as_string(hide_password=False)
    living = Living(stack, tmp_path, url, url, redis_url)
    stolen = living.cluster.programs[1:]

    def steal() -> None:
        ended = clock.monotonic() + (60.0 if is_deep() else 12.0)
        while clock.monotonic() < ended:
            _let_run(stolen, 0.02)
            wait_out(0.18)

    def give_back() -> None:
        for program in stolen:
            program.resume()

    back_s = living.suffer(steal, give_back, 0.0)
    back_after(back_s)

    assert back_s < 15


def _let_run(programs: list[Program], seconds: float) -> None:
    for program in programs:
        program.resume()
    wait_out(seconds)
    for program in programs:
        program.process.send_signal(signal.SIGSTOP)


@pytest.mark.fault("F92")
def test_three_times_too_many_checks_are_late_and_never_wrong_and_well_again_with_another_prober(
    sqlite_engine: sa.Engine, lite: Cluster, target: Target, stack: ExitStack, back_after: Back
) -> None:
    host = ProcessHost(web=SLEEPER)
    stack.callback(host.remove)
    a_fleet(sqlite_engine, target, 240, delay_s=1.0, timeout_s=4.0)  # 48 a second; ten are possible
    eager(sqlite_engine, host)
    lite.start("worker", "probe.local", PODHEALTH_MAX_IN_FLIGHT="10")
    lite.start("worker", "heal", "tick")
    wait_for(
        lambda: Status.UNKNOWN in statuses(sqlite_engine) and len(results(sqlite_engine)) > 240,
        90,
        what="too much to do",
    )
    wait_out(60 if is_deep() else 15)
    seen = statuses(sqlite_engine)
    another = lite.start("worker", "probe.local", PODHEALTH_MAX_IN_FLIGHT="500")
    wait_for(lambda: another.said("worker started"), 40, what="another prober runs")
    began = clock.monotonic()
    wait_for(lambda: statuses(sqlite_engine) == {Status.HEALTHY}, 60, what="all pods are healthy")
    back_after(clock.monotonic() - began)
    with read(sqlite_engine) as conn:
        heals = conn.scalar(sa.select(sa.func.count()).select_from(Heal))

    assert seen <= {Status.HEALTHY, Status.UNKNOWN}
    assert (heals, host.ledger()) == (0, [])
    assert {row.outcome for row in results(sqlite_engine)} == {Outcome.OK}
    assert lite.stop() == [0, 0, 0]
    assert_invariants(sqlite_engine)
