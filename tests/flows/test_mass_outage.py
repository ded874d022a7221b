"""Hundreds of pods of one tenant fall ill at once, a thousand in the deep form, with all workers at work: few messages,
no rush of heals, nobody else made to wait (behaviour §6, Breaker; §7).

A second tenant's healthy pods are probed on time meanwhile, and its one sick pod is healed. The breaker's quarter of an
hour is made to pass by writing its beginning back; all else happens in its own time.
"""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from podhealth.cli.bench_ledger import Ledger
from podhealth.cli.bench_probe import percentile_ms
from podhealth.cli.bench_stock import Load
from podhealth.core.probe import Finding
from podhealth.core.words import Action, Actor, BreakerState, HealState, Mode, Outcome, ProviderKind, Role, Status
from podhealth.models import Breaker, BreakerHold, CheckState, Episode, Heal, PodStatus
from podhealth.store import channels, policies, workers
from podhealth.store.claim import claim_chosen
from podhealth.store.db import db_now_us, read, write
from podhealth.store.record import Found, record
from podhealth.store.secrets import hold_key
from podhealth.store.tenancy import Scope
from tests.alerting.receiver import Receiver, a_receiver
from tests.alerting.world import PLATFORM
from tests.healing.providers.test_webhook import Hook
from tests.support import build
from tests.support.cluster import Cluster
from tests.support.depth import is_deep
from tests.support.invariants import assert_invariants
from tests.support.wait import wait_for
from tests.support.webserver import SECRET

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

MANY, OTHERS = 1_000 if is_deep() else 300, 100
INTERVAL_S, QUICK_S = 12, 5
_AT_ONCE = 50  # stored in one transaction: those who probe already are not kept waiting
AN_OUTAGE = timedelta(minutes=15)
MOST_MESSAGES = 5
_LONG_S = 240  # a judgement takes some 50 ms, many times that where others have the processors
PLANS = {"mode": Mode.AUTO.value, "action": Action.RESTART.value, "isDefault": True, "healthyDelay": 5}
PLANS |= {"startDeadline": 10, "verifyTimeout": 60}


class House:
    """One tenant with a policy, a channel of its own, and pods whose provider is the web hook."""

    def __init__(self, engine: sa.Engine, name: str, hook: Hook, receiver: Receiver) -> None:
        self.engine, self.receiver, self._hook = engine, receiver, hook
        with write(engine) as conn:
            self.tenant_id = build.a_tenant(conn, name)
            scope = Scope(self.tenant_id, Role.ADMIN, Actor.USER, "op")
            policies.save_policy(conn, scope, PLANS | {"name": "restart"})
            hooked = {"name": "hook", "kind": "webhook", "config": {"url": receiver.url}, "routes": []}
            channels.create_channel(conn, scope, hooked, PLATFORM)

    def pods(self, names: list[str], port: int, first: int, interval_s: int) -> list[int]:
        """Make pods that were seen to be healthy just now; their checks are spread over the interval."""
        made: list[int] = []
        for some in range(0, len(names), _AT_ONCE):
            with write(self.engine) as conn:
                these = {name: first + some + n for n, name in enumerate(names[some : some + _AT_ONCE])}
                checks = dict(self._pod(conn, name, number, port, interval_s) for name, number in these.items())
                claims = claim_chosen(conn, "local", "before", sorted(checks.values()))
                ended = db_now_us(conn)
                fine = Finding(Outcome.OK, latency_ms=1.0)
                record(conn, [Found(c.check_id, c.token, c.generation, c.due_us, ended, ended, fine) for c in claims])
                made += checks
        return made

    def _pod(self, conn: sa.Connection, name: str, number: int, port: int, interval_s: int) -> tuple[int, int]:
        provider = {"provider": ProviderKind.WEBHOOK, "provider_config": self._hook.config()}
        address = f"127.9.{number // 250}.{number % 250 + 1}"
        pod_id = build.a_pod(conn, self.tenant_id, name, address=address, **provider)
        rules = {"interval_seconds": interval_s, "timeout_seconds": 2.0}
        return pod_id, build.a_check(conn, pod_id, "tcp", target=str(port), **rules)

    def statuses(self) -> dict[Status, int]:
        query = sa.select(PodStatus.status, sa.func.count()).where(PodStatus.tenant_id == self.tenant_id)
        with read(self.engine) as conn:
            return dict(conn.execute(query.group_by(PodStatus.status)).all())

    def heals(self) -> list[sa.Row[Any]]:
        query = sa.select(Heal.__table__).where(Heal.tenant_id == self.tenant_id).order_by(Heal.id)
        with read(self.engine) as conn:
            return list(conn.execute(query))

    def told(self) -> list[str]:
        return [json.dumps(got.json)[:200] for got in self.receiver.got]


class Punctual:
    """Looks at the results all the while and knows how late those of some checks were committed."""

    def __init__(self, engine: sa.Engine) -> None:
        url = engine.url.render_as_string(hide_password=False)
        self._ledger = Ledger(url, Load(1, 1, QUICK_S, 0, 0, 2.0))
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Punctual":
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        self._thread.join()
        self._ledger.close()

    def _run(self) -> None:
        while not self._over.wait(0.05):
            self._ledger.look()

    def lag_p99_ms(self, check_ids: set[int]) -> float | None:
        lags = sorted(row.seen_us - row.due_us for row in list(self._ledger.rows) if row.check_id in check_ids)
        return percentile_ms(lags, 99)


@pytest.fixture(autouse=True)
def _key_of_the_processes() -> Iterator[None]:
    hold_key(SECRET)
    yield
    hold_key("a key of the tests, of 32 characters")


@pytest.fixture
def hook(tmp_path: Path) -> Iterator[Hook]:
    hook = Hook(tmp_path)
    yield hook
    hook.process.kill()
    hook.process.wait()


def a_port(stack: ExitStack) -> socket.socket:
    """A port on all of loopback that nobody listens at yet: connections are refused."""
    sock = stack.enter_context(socket.socket())
    sock.bind(("0.0.0.0", 0))
    return sock


def port_of(sock: socket.socket) -> int:
    return int(sock.getsockname()[1])


def listen(sock: socket.socket) -> None:
    """From now on take and close whatever comes, until the socket is closed."""
    sock.listen(512)

    def take() -> None:
        while True:
            try:
                sock.accept()[0].close()
            except OSError:
                return

    threading.Thread(target=take, daemon=True).start()


def checks_of(engine: sa.Engine, pod_ids: list[int]) -> set[int]:
    with read(engine) as conn:
        return set(conn.scalars(sa.select(CheckState.check_id).where(CheckState.pod_id.in_(pod_ids))))


def breaker(engine: sa.Engine, house: House) -> sa.Row[Any] | None:
    query = sa.select(Breaker.__table__).where(Breaker.scope == "tenant", Breaker.scope_key == str(house.tenant_id))
    with read(engine) as conn:
        return conn.execute(query).one_or_none()


def let_the_quarter_pass(engine: sa.Engine, house: House, column: str) -> None:
    """The breaker has been as it is for 15 min longer: as if time had passed for it alone."""
    was = getattr(breaker(engine, house), column)
    with write(engine) as conn:
        where = (Breaker.scope == "tenant", Breaker.scope_key == str(house.tenant_id))
        conn.execute(sa.update(Breaker).where(*where).values({column: was - AN_OUTAGE}))


@pytest.mark.fault("F51", "F79")
def test_many_pods_down_at_once_are_few_messages_and_no_rush_of_heals(
    sqlite_engine: sa.Engine, redis_url: str, tmp_path: Path, stack: ExitStack, hook: Hook
) -> None:
    engine = sqlite_engine
    acme, zeta = (House(engine, name, hook, stack.enter_context(a_receiver())) for name in ("acme", "zeta"))
    answers, broken, sick = (a_port(stack) for _ in range(3))
    listen(answers)
    cluster = stack.enter_context(Cluster(engine.url.render_as_string(), redis_url, tmp_path))
    for words in (("scheduler",), ("worker", "heal", "alert", "tick"), ("worker", "probe.local")):
        cluster.start(*words)
    wait_for(lambda: _at_work(engine) == ["probe", "scheduler", "worker"], 30, what="all workers are up")
    acme.pods([f"web-{n}" for n in range(MANY)], port_of(broken), 0, INTERVAL_S)
    calm = checks_of(engine, zeta.pods([f"calm-{n}" for n in range(OTHERS)], port_of(answers), MANY, QUICK_S))
    (sick_id,) = zeta.pods(["sick"], port_of(sick), MANY + OTHERS, QUICK_S)
    punctual = stack.enter_context(Punctual(engine))

    # The one sick pod of the other tenant is healed in the middle of it: its restart brings its port back.
    wait_for(lambda: zeta.heals() and zeta.heals()[0].called_at, _LONG_S, 0.2, what="the sick pod's provider is called")
    listen(sick)
    wait_for(lambda: acme.statuses() == {Status.UNHEALTHY: MANY}, _LONG_S, 0.2, what="all are unhealthy")
    wait_for(lambda: zeta.heals()[0].state == HealState.SUCCEEDED, 60, 0.2, what="the sick pod is healthy again")
    assert [heal.pod_id for heal in zeta.heals()] == [sick_id]

    # Of the many none was touched: the breaker holds them, and says so.
    wait_for(lambda: _held(engine) == MANY, _LONG_S, 0.2, what="all are judged and held")
    assert breaker(engine, acme).state == BreakerState.OPEN
    assert acme.heals() == []
    assert len(acme.told()) <= MOST_MESSAGES, acme.told()

    # Half-open: one heal at a time, the oldest trouble first.
    let_the_quarter_pass(engine, acme, "opened_at")
    wait_for(lambda: acme.heals() and acme.heals()[0].called_at, 60, 0.2, what="the first trial")
    assert breaker(engine, acme).state == BreakerState.HALF_OPEN
    assert _episode_of(engine, acme.heals()[0]).opened_at == _first_episode(engine, acme)
    wait_for(lambda: acme.heals()[0].state != HealState.RUNNING, 60, 0.2, what="the first trial is over or verified")
    assert len(acme.heals()) == 1

    assert 1 <= len(acme.told()) <= MOST_MESSAGES, acme.told()
    assert 1 <= len(zeta.told()) <= MOST_MESSAGES, zeta.told()
    assert punctual.lag_p99_ms(calm) <= 1_000
    assert cluster.ended() == []
    assert_invariants(engine, at_work=True)


def _at_work(engine: sa.Engine) -> list[str]:
    with read(engine) as conn:
        return sorted(worker.role for worker in workers.living(conn))


def _held(engine: sa.Engine) -> int:
    with read(engine) as conn:
        return int(conn.scalar(sa.select(sa.func.count()).select_from(BreakerHold)) or 0)


def _episode_of(engine: sa.Engine, heal: sa.Row[Any]) -> sa.Row[Any]:
    with read(engine) as conn:
        return conn.execute(sa.select(Episode.__table__).where(Episode.id == heal.episode_id)).one()


def _first_episode(engine: sa.Engine, house: House) -> Any:
    with read(engine) as conn:
        return conn.scalar(sa.select(sa.func.min(Episode.opened_at)).where(Episode.tenant_id == house.tenant_id))
