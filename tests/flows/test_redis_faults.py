"""Redis flushed, killed, hung, slow, full, forgetful, overwritten, read-only: probing and pages go on (hazards 2b).

All is as before within 10 s. One set of real processes lives through all faults, one after another: web, scheduler,
probe worker, and the worker that decides and ticks. What was probed is read from the target's ledger, what was stored
from the database; both are written by other processes than those that suffer.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest
import redis
import sqlalchemy as sa

from podhealth import clock
from podhealth.models import Pod
from podhealth.store import inventory
from podhealth.store.db import make_engine, write
from podhealth.store.tenancy import system_scope
from tests.proofs.living import Visitors, a_visitor
from tests.support.cluster import Cluster, Witness
from tests.support.databases import sqlite_template
from tests.support.faultproxy import fault_proxy
from tests.support.fleet import INTERVAL_S, a_fleet, results
from tests.support.invariants import Ledgers, assert_invariants
from tests.support.ledger import running_target
from tests.support.ports import free_port
from tests.support.redisserver import RedisServer
from tests.support.wait import wait_for
from tests.support.webserver import cookie_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

CHECKS = 150  # 30 a second
BACK_WITHIN_S = 10.0
# What two shared cores may add to an interval.
SLACK_S = 2.0
SCHEDULE = "rq:scheduler:scheduled_jobs"


def _now() -> float:
    return clock.utcnow().timestamp()


class Living:
    """The set, and what it is like from outside."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.redis = RedisServer()
        stack.callback(self.redis.remove)
        self.way = stack.enter_context(fault_proxy(self.redis.folder / "way.sock", self.redis.socket))
        self.engine = make_engine(f"sqlite:///{sqlite_template(folder)}")
        stack.callback(self.engine.dispose)
        self.target = stack.enter_context(running_target(folder, 10))
        self.checks = a_fleet(self.engine, self.target, CHECKS)
        url = f"unix://{self.redis.folder / 'way.sock'}"
        self.cluster = stack.enter_context(Cluster(str(self.engine.url), url, folder))
        self.witness = stack.enter_context(Witness(self.engine))
        port = free_port()
        self.cluster.start("scheduler")
        self.cluster.start("worker", "probe.local")
        self.cluster.start("worker", "heal", "tick")
        self.cluster.start("web", PODHEALTH_WEB_PORT=str(port), PODHEALTH_HEARTBEATS_A_MINUTE="100000")
        wait_for(lambda: len(self.target.counts()) == CHECKS, 40, what="every check probed once")
        cookie = cookie_of(a_visitor(self.engine), port)
        self.visitors = stack.enter_context(Visitors(port, self._agent(), cookie))
        wait_for(lambda: self.visitors.acked > 1, 30, what="visitors are answered")
        self.back_to_normal_s()
        self.began = _now()

    def _agent(self) -> str:
        with write(self.engine) as conn:
            pod = conn.execute(sa.select(Pod.id, Pod.tenant_id).limit(1)).one()
            return inventory.set_agent_token(conn, system_scope(pod.tenant_id), pod.id)

    def back_to_normal_s(self) -> float:
        """Wait until ticks come and tickets are taken through Redis again; return how long that took."""
        began = time.monotonic()
        for queue in ("tick", "probe.local"):
            before = self._jobs_done(queue) or 0
            wait_for(
                lambda queue=queue, before=before: (self._jobs_done(queue) or 0) > before,
                2 * BACK_WITHIN_S,
                what=f"a job of {queue} done",
            )
        wait_for(self._is_scheduled, BACK_WITHIN_S, what="the tick is scheduled")
        return time.monotonic() - began

    def _jobs_done(self, queue: str) -> int | None:
        """Return how many jobs the queue's worker has done, null where Redis knows of no such worker."""
        try:
            known = self.redis.client.sinter("rq:workers", f"rq:workers:{queue}")
            return (
                sum(int(self.redis.client.hget(key, "successful_job_count") or 0) for key in known) if known else None
            )
        except redis.RedisError:
            return None

    def _is_scheduled(self) -> bool:
        try:
            due = self.redis.client.zscore(SCHEDULE, "periodic-tick")
        except redis.RedisError:
            return False
        return due is not None and due <= _now() + 2

    def overwrite(self) -> None:
        """Put a text under each name in use, and a lock that never ends."""
        for key in [*self.redis.client.keys("rq:*"), "rq:scheduler_lock", SCHEDULE, "rq:queue:tick", "rq:queue:heal"]:
            self.redis.client.set(key, "x")

    def forget(self) -> None:
        """Throw keys away, whichever were not used of late, to make room for others'."""
        self._set(maxmemory="3mb", maxmemory_policy="allkeys-lru")
        for n in range(400):
            self.redis.client.set(f"other:{n}", "x" * 10_000)

    def remember(self) -> None:
        """Be as PodHealth wants it."""
        self._set(maxmemory="256mb", maxmemory_policy="noeviction")

    def set(self, **values: str) -> None:
        """Change the server's settings."""
        self._set(**values)

    def _set(self, **values: str) -> None:
        for name, value in values.items():
            self.redis.client.config_set(name.replace("_", "-"), value)


class Fault(NamedTuple):
    """What is done to Redis, what ends it, how many results (30 a second) are stored between the two, and its ids."""

    ids: str
    begin: Callable[[Living], object]
    end: Callable[[Living], object] = lambda _: None
    lasts: int = 0


FAULTS = {
    "flushed": Fault("F20", lambda it: it.redis.client.flushall()),
    "killed and restarted": Fault("F19", lambda it: it.redis.kill(), lambda it: it.redis.start(), 90),
    # Longer than our calls wait for an answer (5 s).
    "hung": Fault("F22", lambda it: it.redis.hang(), lambda it: it.redis.resume(), 200),
    "slow": Fault("F21", lambda it: it.way.be("slow", 2.0), lambda it: it.way.be("pass"), 200),
    "full": Fault("F23", lambda it: it.set(maxmemory="1"), lambda it: it.set(maxmemory="256mb"), 90),
    "forgetful": Fault("F24", lambda it: it.forget(), lambda it: it.remember(), 60),
    "read-only": Fault(
        "F25",
        lambda it: it.redis.client.replicaof("127.0.0.1", free_port()),
        lambda it: it.redis.client.replicaof("NO", "ONE"),
        90,
    ),
    "without its replicas": Fault(
        "F25", lambda it: it.set(min_replicas_to_write="1"), lambda it: it.set(min_replicas_to_write="0"), 60
    ),
    "overwritten": Fault("F28", lambda it: it.overwrite()),
}


@pytest.fixture(scope="module")
def living(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Living]:
    with ExitStack() as stack:
        yield Living(tmp_path_factory.mktemp("redis"), stack)


@pytest.mark.parametrize(
    "fault", [pytest.param(one, id=name, marks=pytest.mark.fault(one.ids)) for name, one in FAULTS.items()]
)
def test_after_each_fault_all_is_as_before_within_ten_seconds(
    living: Living, fault: Fault, back_after: Callable[[float], None]
) -> None:
    began, since = _now(), clock.monotonic()
    fault.begin(living)
    living.witness.wait_for_more(fault.lasts)
    fault.end(living)
    took_s = living.back_to_normal_s()
    gap_s, check = living.target.longest_gap_s(list(living.checks), began - INTERVAL_S, _now())
    visitors = living.visitors
    print(f"back after {took_s:.1f} s; longest gap {gap_s:.1f} s; pages within {visitors.slowest_s_since(since):.2f} s")
    back_after(took_s)

    assert took_s <= BACK_WITHIN_S
    assert gap_s <= INTERVAL_S + SLACK_S, f"{check} was not probed for {gap_s:.1f} s"
    assert visitors.codes_since(since) <= {200, 204}
    assert visitors.slowest_s_since(since) < 1.0 + SLACK_S
    assert living.cluster.ended() == []
    assert_invariants(living.engine, Ledgers(acked=living.witness.acked))


@pytest.mark.fault("F19", "F20", "F21", "F22", "F23", "F24", "F25", "F28")
def test_in_the_end_nothing_was_lost(living: Living) -> None:
    codes = living.cluster.stop()
    stored = results(living.engine)
    counted = {name: sum(row.check_id == check_id for row in stored) for name, check_id in living.checks.items()}
    late_s = max((row.checked_at - row.scheduled_at).total_seconds() for row in stored if _after(row, living.began))

    assert codes == [0, 0, 0, 0]
    # Redis is not on the way from a probe to its result: each request has one, whatever happened.
    assert counted == living.target.counts()
    assert {(row.outcome, row.is_late) for row in stored} == {("ok", False)}
    assert late_s < INTERVAL_S
    assert_invariants(living.engine, Ledgers(acked=living.witness.acked))


def _after(row: sa.Row, moment: float) -> bool:
    return row.begun_at.timestamp() > moment
