"""Clocks that jump, of the machine and of one process (hazards 2d)."""

import socket
from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from podhealth import clock
from podhealth.core.words import NoticeKind, Status
from podhealth.models import CheckState, Heal, Notice, Pod, PodStatus, Transition
from podhealth.store.db import read, write
from tests.support import build
from tests.support.cluster import Cluster, Witness
from tests.support.fleet import INTERVAL_S, a_fleet, results
from tests.support.invariants import Ledgers, assert_invariants
from tests.support.ledger import Target, running_target
from tests.support.wait import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

Back = Callable[[float], None]
CHECKS = 40
HOUR_S = 3600.0
# Two intervals, and what a busy machine adds.
SOON_S = 2 * INTERVAL_S + 3.0


class Machine:
    """One machine with a prober and the worker that decides; ``step`` sets its clock, the database's too."""

    def __init__(self, stack: ExitStack, engine: sa.Engine, redis_url: str, folder: Path) -> None:
        self.engine, self._clock = engine, folder / "clock"
        self._clock.write_text("0")
        self.target: Target = stack.enter_context(running_target(folder, 10))
        self.checks = a_fleet(engine, self.target, CHECKS)
        url = engine.url.render_as_string(hide_password=False)
        self.cluster = stack.enter_context(Cluster(url, redis_url, folder))
        self.witness = stack.enter_context(Witness(engine))
        self.start()
        wait_for(lambda: len(self.target.counts()) == CHECKS, 40, what="every check probed once")
        wait_for(lambda: self.statuses() == {Status.HEALTHY}, 20, what="all pods are healthy")

    def start(self) -> None:
        """Start the programs, for the first time or again; returns when both are at work."""
        own = {"TEST_CLOCK_FILE": str(self._clock)}
        both = [self.cluster.start("worker", *queues, **own) for queues in (("probe.local",), ("heal", "tick"))]
        wait_for(lambda: all(one.said("worker started") for one in both), 60, what="both are at work")

    def step(self, seconds: float) -> None:
        """The clock is wrong by so much from now on; for this process as well."""
        new = self._clock.with_suffix(".new")
        new.write_text(str(seconds))
        new.rename(self._clock)  # nobody reads half of it
        clock.shift(timedelta(seconds=seconds))

    def statuses(self) -> set[Status]:
        with read(self.engine) as conn:
            return set(conn.scalars(sa.select(PodStatus.status)))

    def states(self) -> list[sa.Row]:
        with read(self.engine) as conn:
            return list(conn.execute(sa.select(CheckState.__table__)))

    def wait_until_probed(self, within_s: float) -> float:
        """Wait until every check was asked once more, by the target's ledger; return how long that took."""
        began, before = clock.monotonic(), self.target.counts()

        def is_probed() -> bool:
            return all(count > before[name] for name, count in self.target.counts().items())

        wait_for(is_probed, within_s, what="each check is probed")
        return clock.monotonic() - began

    def end(self, clock_went_back: bool = False) -> None:
        """Stop; nothing was lost, nothing is violated, and each request has its result."""
        assert self.cluster.stop() == [0, 0]
        stored = [row for row in results(self.engine) if row.check_id in self.checks.values()]
        counted = {name: sum(row.check_id == check_id for row in stored) for name, check_id in self.checks.items()}
        assert counted == dict(self.target.counts())
        assert {row.outcome for row in stored} == {"ok"}
        assert_invariants(self.engine, Ledgers(acked=self.witness.acked, clock_went_back=clock_went_back))


@pytest.fixture
def machine(stack: ExitStack, engine: sa.Engine, redis_url: str, tmp_path: Path) -> Machine:
    return Machine(stack, engine, redis_url, tmp_path)


@pytest.mark.fault("F44")
def test_a_clock_that_is_set_back_stops_no_probe_and_lets_nothing_look_fresh(
    machine: Machine, back_after: Back
) -> None:
    machine.step(-HOUR_S)
    back_after(machine.wait_until_probed(SOON_S))
    machine.wait_until_probed(SOON_S)
    now = clock.utcnow()

    assert all(state.fresh_until < now + timedelta(minutes=5) for state in machine.states())
    assert machine.statuses() == {Status.HEALTHY}
    machine.end(clock_went_back=True)


@pytest.mark.fault("F46")
def test_after_a_long_sleep_all_is_unknown_until_it_is_probed_anew(machine: Machine, back_after: Back) -> None:
    machine.step(2 * HOUR_S)
    back_after(machine.wait_until_probed(SOON_S))
    wait_for(lambda: machine.statuses() == {Status.HEALTHY}, 20, what="all pods are healthy again")
    with read(machine.engine) as conn:
        query = sa.select(Transition.pod_id, Transition.to_status).where(Transition.check_id.is_(None))
        said = conn.execute(query.order_by(Transition.id)).all()
        heals = conn.scalar(sa.select(sa.func.count()).select_from(Heal))

    for pod_id in {row.pod_id for row in said}:
        course = [row.to_status for row in said if row.pod_id == pod_id]
        # Whoever was probed before anybody looked has had no time to be unknown.
        assert course[-1] == Status.HEALTHY
        assert set(course) <= {Status.HEALTHY, Status.UNKNOWN}
    assert heals == 0
    machine.end()


@pytest.mark.fault("F97")
@pytest.mark.parametrize("changed", [0, 3], ids=["nothing", "three of eight"])
def test_after_ten_minutes_without_any_process_only_what_changed_is_told(
    machine: Machine, back_after: Back, changed: int
) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=512) as open_port:
        fallen = _watch_port(machine, open_port.getsockname()[1], changed)
        wait_for(lambda: machine.statuses() == {Status.HEALTHY}, 30, what="all pods are healthy")
        machine.cluster.stop()
    machine.step(600)
    machine.start()
    back_after(machine.wait_until_probed(SOON_S + 15))  # loading takes its time
    wait_for(lambda: _settled(machine, fallen), 60, what="what changed is seen, and the others are healthy")
    with read(machine.engine) as conn:
        told = conn.execute(sa.select(Notice.pod_id, Notice.kind).where(Notice.pod_id.is_not(None))).all()
        heals = conn.execute(sa.select(Heal.pod_id, Heal.triggered_at)).all()

    assert sorted(told) == [(pod_id, NoticeKind.UNHEALTHY) for pod_id in fallen]
    assert heals == []
    machine.end()


def _watch_port(machine: Machine, port: int, pods: int) -> list[int]:
    often = {"interval_seconds": 5, "timeout_seconds": 1.0}
    with write(machine.engine) as conn:
        (tenant_id,) = conn.scalars(sa.select(Pod.tenant_id).distinct())
        made = [build.a_pod(conn, tenant_id, f"falls-{n}", address="127.0.0.1") for n in range(pods)]
        for pod_id in made:
            build.a_check(conn, pod_id, "tcp", target=str(port), **often)
    return made


def _settled(machine: Machine, fallen: list[int]) -> bool:
    with read(machine.engine) as conn:
        found = dict(conn.execute(sa.select(PodStatus.pod_id, PodStatus.status)).all())
    wanted = dict.fromkeys(found, Status.HEALTHY) | dict.fromkeys(fallen, Status.UNHEALTHY)
    return len(found) == CHECKS // 8 + len(fallen) and found == wanted


@pytest.mark.postgres
@pytest.mark.fault("F43", "F44", "F48")
def test_of_workers_whose_clocks_differ_none_takes_its_own_for_the_databases(
    stack: ExitStack, postgres_engine: sa.Engine, redis_url: str, tmp_path: Path, back_after: Back
) -> None:
    target = stack.enter_context(running_target(tmp_path, 10))
    checks = a_fleet(postgres_engine, target, CHECKS, delay_s=0.2)
    url = postgres_engine.url.render_as_string(hide_password=False)
    cluster = stack.enter_context(Cluster(url, redis_url, tmp_path))
    witness = stack.enter_context(Witness(postgres_engine))
    for words, wrong_s in (
        (("worker", "probe.local"), 48 * HOUR_S),
        (("worker", "probe.local"), -HOUR_S),
        (("worker", "probe.local"), 30.0),
        (("worker", "heal", "tick"), HOUR_S),
    ):
        cluster.start(*words, TEST_WALL_SHIFT=str(wrong_s))
    began = clock.utcnow()
    wait_for(lambda: min((target.counts()[name] for name in checks), default=0) >= 4, 60, what="probed four times")
    gap_s, name = target.longest_gap_s(list(checks), target_first(target), clock.utcnow().timestamp())
    ended = cluster.ended()
    codes = cluster.stop()
    stored = results(postgres_engine)
    with read(postgres_engine) as conn:
        unknown = conn.scalar(
            sa.select(sa.func.count()).where(Transition.to_status == Status.UNKNOWN, Transition.at > began)
        )
        beats = conn.scalar(sa.select(sa.func.max(CheckState.fresh_until)))

    assert (ended, codes) == ([], [0, 0, 0, 0])
    assert gap_s <= SOON_S, f"{name} was not probed for {gap_s:.1f} s"
    assert unknown == 0
    assert all(began < row.begun_at <= row.checked_at < clock.utcnow() for row in stored)
    assert beats < clock.utcnow() + timedelta(minutes=1)
    assert {row.outcome for row in stored} == {"ok"}
    assert_invariants(postgres_engine, Ledgers(acked=witness.acked))
    back_after(gap_s)


def target_first(target: Target) -> float:
    """When the last of the names was asked for the first time."""
    return max(times[0] for times in target.requests().values())
