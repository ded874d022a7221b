"""A worker asks its vantage's references over real sockets: listeners on loopback that answer, and go away."""

import socket
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from podhealth import clock
from podhealth.clock import monotonic
from podhealth.core.probe import Finding
from podhealth.core.words import Outcome
from podhealth.models import Reference, Vantage
from podhealth.probing.engine import Engine
from podhealth.probing.gateway import gateways_in
from podhealth.probing.loop import ProbeLoop
from podhealth.probing.references import Question, References
from podhealth.settings import Settings
from podhealth.store import blindness
from podhealth.store.db import db_now, read, write
from tests.support import build
from tests.support.listeners import Listener, closed_port, stay_silent
from tests.support.wait import wait_for
from tests.support.webserver import SECRET

LOOPBACK = ("127.0.0.0/8",)
VANTAGE = "local"


class Worker:
    """The reference side of a worker, with an engine of its own."""

    def __init__(self, db: sa.Engine, networks: tuple[str, ...] = LOOPBACK) -> None:
        self.db = db
        self.engine = Engine(self._done, 100)  # type: ignore[arg-type]
        self.references = References(db, VANTAGE, networks, self.engine.submit, lambda: ())  # type: ignore[arg-type]
        self.engine.start()
        self.now = 0.0
        self.answered = 0

    def _done(self, question: Question, finding: Finding, begun: float, ended: float) -> None:
        self.references.done(question, finding, begun)
        self.answered += 1

    def round(self) -> None:
        """Come to the next round in the worker's and the database's time, and store what came back."""
        self.now += 31
        clock.shift(clock.shifted() + timedelta(seconds=31))
        before = self.engine.in_flight + self.answered
        self.references.turn(self.now)
        asked = self.engine.in_flight + self.answered - before
        wait_for(lambda: self.engine.in_flight == 0, 5, what="all references have answered or not")
        self.references.turn(self.now)
        assert asked == len(rows(self.db))


def rows(db: sa.Engine) -> list[Any]:
    with read(db) as conn:
        return list(conn.execute(sa.select(Reference.__table__).order_by(Reference.target)))


def vantage(db: sa.Engine) -> Any:
    with read(db) as conn:
        return conn.execute(sa.select(Vantage.__table__)).one()


def choose(db: sa.Engine, *targets: str) -> None:
    with write(db) as conn:
        conn.execute(sa.delete(Vantage))
        conn.execute(sa.insert(Vantage).values(name=VANTAGE, references=list(targets), updated_at=db_now(conn)))


@pytest.fixture
def a_worker(engine: sa.Engine) -> Iterator[Callable[..., Worker]]:
    """Makes workers of the vantage; their engines end with the test."""
    made: list[Worker] = []

    def make(**fields: Any) -> Worker:
        made.append(Worker(engine, **fields))
        return made[-1]

    yield make
    for worker in made:
        worker.engine.stop(0)


def at(listener: Listener) -> str:
    return f"127.0.0.1:{listener.port}"


@pytest.mark.fault("F50")
def test_listeners_that_go_away_make_the_vantage_blind_and_one_that_comes_back_ends_it(
    engine: sa.Engine, a_worker: Callable[..., Worker]
) -> None:
    worker = a_worker()
    with Listener(stay_silent) as one, Listener(stay_silent) as two:
        ports = one.port, two.port
        choose(engine, at(one), at(two))
        worker.round()
        blindness.watch(engine)
        good = vantage(engine).good_begun_at

        assert [(r.fails, r.error) for r in rows(engine)] == [(0, None), (0, None)]
        assert good is not None
    worker.round()
    blindness.watch(engine)
    assert vantage(engine).blind_since is None  # failed once
    worker.round()
    blindness.watch(engine)

    assert [(r.fails, r.error) for r in rows(engine)] == [(2, "refused"), (2, "refused")]
    assert vantage(engine).blind_since is not None
    assert vantage(engine).good_begun_at == good  # that of before, while it is blind
    with Listener(stay_silent, port=ports[0]):
        worker.round()
        blindness.watch(engine)

    assert vantage(engine).blind_since is None
    assert vantage(engine).good_begun_at > good


def test_two_workers_of_a_vantage_share_the_rounds(engine: sa.Engine, a_worker: Callable[..., Worker]) -> None:
    first, second = a_worker(), a_worker()
    with Listener(stay_silent) as one, Listener(stay_silent) as two:
        choose(engine, at(one), at(two))
        first.round()
        second.references.turn(31)
        # A connection stands before the listener's thread has taken it.
        wait_for(lambda: one.connections and two.connections)

        assert (one.connections, two.connections) == (1, 1)
        assert second.engine.in_flight == 0


def test_the_platforms_networks_bind_references_too(engine: sa.Engine, a_worker: Callable[..., Worker]) -> None:
    worker = a_worker(networks=("10.0.0.0/8",))
    with Listener(stay_silent) as one, Listener(stay_silent) as two:
        choose(engine, at(one), at(two))
        worker.round()

        assert (one.connections, two.connections) == (0, 0)
    assert [(r.fails, r.error) for r in rows(engine)] == [(1, "the address is loopback")] * 2


def test_a_host_without_a_port_is_pinged(engine: sa.Engine, a_worker: Callable[..., Worker]) -> None:
    choose(engine, "127.0.0.1", "127.0.0.2")
    a_worker().round()

    assert [(r.target, r.fails) for r in rows(engine)] == [("127.0.0.1", 0), ("127.0.0.2", 0)]


def test_where_it_may_not_ping_it_asks_a_port_and_takes_a_refusal_for_an_answer(
    engine: sa.Engine, a_worker: Callable[..., Worker]
) -> None:
    worker = a_worker()
    choose(engine, "127.0.0.1", "127.0.0.2")
    forbidden = Finding(Outcome.ERROR, None, "no_permission", error="the prober may not ping")
    worker.references.done(Question("127.0.0.1", 1, 0.0, True), forbidden, 0.0)
    worker.round()

    assert [(r.target, r.fails) for r in rows(engine)] == [("127.0.0.1", 0), ("127.0.0.2", 0)]
    assert worker.references._may_ping is False


def test_a_port_that_an_operator_named_must_be_open(engine: sa.Engine, a_worker: Callable[..., Worker]) -> None:
    with Listener(stay_silent) as one:
        choose(engine, at(one), f"127.0.0.1:{closed_port()}")
        a_worker().round()

        assert sorted(r.fails for r in rows(engine)) == [0, 1]


@pytest.mark.parametrize("code", ["prober_stalled", "no_sockets", "address_busy"])
def test_the_probers_own_trouble_says_nothing_about_a_reference(
    engine: sa.Engine, a_worker: Callable[..., Worker], code: str
) -> None:
    worker = a_worker()
    with Listener(stay_silent) as one, Listener(stay_silent) as two:
        choose(engine, at(one), at(two))
        worker.round()
        worker.references.done(Question(at(one), 9, 0.0, False), Finding(Outcome.ERROR, None, code), 0.0)
        worker.references.turn(worker.now)

        assert [r.fails for r in rows(engine)] == [0, 0]


def test_references_that_are_none_any_more_are_forgotten(engine: sa.Engine, a_worker: Callable[..., Worker]) -> None:
    worker = a_worker()
    with Listener(stay_silent) as one, Listener(stay_silent) as two:
        choose(engine, at(one), at(two))
        worker.round()
        choose(engine)
        worker.round()

    assert rows(engine) == []


def test_a_vantage_without_references_sends_nothing_and_writes_nothing(
    engine: sa.Engine, a_worker: Callable[..., Worker]
) -> None:
    with write(engine) as conn:
        build.a_check(conn, build.a_pod(conn, build.a_tenant(conn)))
    a_worker().round()

    with read(engine) as conn:
        assert conn.execute(sa.select(Vantage.__table__)).all() == []


@pytest.mark.slow
@pytest.mark.fault("F50")
def test_a_probe_worker_asks_them_beside_its_checks(engine: sa.Engine, database_url: str) -> None:
    settings = Settings(
        DATABASE_URL=database_url,
        REDIS_URL="unix:///nowhere",
        SECRET_KEY=SECRET,
        allowed_networks=LOOPBACK,
    )
    with Listener(stay_silent) as one, Listener(stay_silent) as two:
        choose(engine, at(one), at(two))
        loop = ProbeLoop(engine, settings, VANTAGE, publish=lambda _newest: None, hint=lambda _pod_id: None)
        wait_for(lambda: bool(loop.run(monotonic() + 0.3)) or vantage(engine).good_begun_at is not None, 10)
        loop.stop(2)

    assert [r.fails for r in rows(engine)] == [0, 0]


ROUTES = """Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t{gateway}\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t0000000A\t00000000\t0001\t0\t0\t0\t000000FF\t0\t0\t0
tun0\t00000000\t00000000\t0001\t0\t0\t0\t00000000\t0\t0\t0
"""


def test_the_default_gateway_is_read_from_the_kernels_table_of_routes() -> None:
    as_the_kernel_writes_it = f"{int.from_bytes(socket.inet_aton('10.0.0.1'), sys.byteorder):08X}"

    assert gateways_in(ROUTES.format(gateway=as_the_kernel_writes_it)) == ("10.0.0.1",)
    assert gateways_in("") == ()
