"""A set of real processes at work, to be treated badly: web, a prober, and the worker that decides, tells and ticks.

Healthy pods with a policy that would restart them at their first failure; sick pods, so that heals are always under
way; somebody who asks for pages and an agent who sends heartbeats all the while. What was probed, restarted and
answered is read from ledgers that none of these processes keeps.
"""

import http.client
import itertools
import json
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import sqlalchemy as sa

from podhealth import clock
from podhealth.models import CheckState, Heartbeat, Pod
from podhealth.store import inventory
from podhealth.store.db import make_engine, read, write
from podhealth.store.tenancy import system_scope
from tests.healing.world import SLEEPER, ProcessHost
from tests.support import build
from tests.support.cluster import Cluster, Witness
from tests.support.fleet import INTERVAL_S, a_fleet, results
from tests.support.invariants import Call, Ledgers, assert_invariants
from tests.support.ledger import running_target
from tests.support.ports import free_port
from tests.support.wait import wait_for
from tests.support.webserver import cookie_of, sign_in

CHECKS = 40
SICK = 3
_EAGER = {"trigger_after_failures": 1, "verify_timeout_s": 60, "start_deadline_s": 5, "healthy_delay_s": 5}
_MORE = {"PODHEALTH_BREAKER_LEAST": "1000", "PODHEALTH_HEARTBEATS_A_MINUTE": "100000", "PODHEALTH_WEB_THREADS": "4"}


def wait_out(seconds: float) -> None:
    """Let so much time pass."""
    ended = clock.monotonic() + seconds
    wait_for(lambda: clock.monotonic() > ended, seconds + 5)


class Answered(NamedTuple):
    """One answer; ``at`` is monotonic, ``code`` 0 where none came."""

    at: float
    code: int
    took_s: float


class Visitors:
    """Asks for pages and sends a heartbeat, again and again, and keeps what was answered, when, and how soon.

    ``token``: that of a pod's agent; ``cookie``: of somebody who is signed in.
    """

    def __init__(self, port: int, token: str, cookie: str) -> None:
        self._port = port
        self._json = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._cookie = {"Cookie": cookie}
        self.answers: list[Answered] = []
        self.acked = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Visitors":
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        self._thread.join()

    def codes_since(self, moment: float) -> set[int]:
        """Return the statuses that came back since a monotonic moment."""
        return {one.code for one in list(self.answers) if one.at >= moment}

    def slowest_s_since(self, moment: float) -> float:
        """Return how long the slowest answer since a monotonic moment took, but for one in twenty."""
        took = sorted(one.took_s for one in list(self.answers) if one.at >= moment)
        return took[len(took) * 19 // 20]

    def _run(self) -> None:
        for n in itertools.count(1):
            if self._over.wait(0.2):
                return
            self._ask("GET", "/healthz", {})
            self._ask("GET", "/pods", self._cookie)
            if self._ask("POST", "/api/heartbeats", self._json, json.dumps({"sequence": n})) == 204:
                self.acked = n

    def _ask(self, method: str, path: str, headers: dict[str, str], body: str | None = None) -> int:
        began = clock.monotonic()
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=40)
        try:
            connection.request(method, path, body, headers)
            code = connection.getresponse().status
        except OSError:
            code = 0
        finally:
            connection.close()
        ended = clock.monotonic()
        self.answers.append(Answered(ended, code, ended - began))
        return code


def a_visitor(engine: sa.Engine) -> str:
    """Make somebody who may look at the tenant's pages and is signed in; return the session's token."""
    with write(engine) as conn:
        tenant_id = conn.scalar(sa.select(sa.func.min(Pod.tenant_id)))
        user_id = build.a_user(conn, int(tenant_id or 0), email="visitor@example.com")
    return sign_in(engine, user_id)


class Living:
    """The set; ``url`` is the database's address for its processes, ``own_url`` for those who watch."""

    def __init__(self, stack: ExitStack, folder: Path, url: str, own_url: str, redis_url: str) -> None:
        self.engine = make_engine(own_url)
        stack.callback(self.engine.dispose)
        self.host = ProcessHost(web=SLEEPER, **{f"p{n}": SLEEPER for n in range(SICK)})
        stack.callback(self.host.remove)
        self.target = stack.enter_context(running_target(folder, 10))
        self.checks = a_fleet(self.engine, self.target, CHECKS)
        token, port = self._people_and_pods(), free_port()
        cookie = cookie_of(a_visitor(self.engine), port)
        self.cluster = stack.enter_context(Cluster(url, redis_url, folder))
        self.witness = stack.enter_context(Witness(self.engine))
        self.read_only = folder / "read-only"  # while it is there, SQLite takes no writes of theirs (injecting.py)
        more = _MORE | {"PODHEALTH_WEB_PORT": str(port), "TEST_READ_ONLY": str(self.read_only)}
        for words in (("web",), ("worker", "probe.local"), ("worker", "heal", "alert", "tick")):
            self.cluster.start(*words, **more)
        wait_for(lambda: len(self.target.counts()) == CHECKS, 60, what="every check probed once")
        self.visitors = stack.enter_context(Visitors(port, token, cookie))
        wait_for(lambda: self.visitors.acked > 1, 30, what="visitors are answered")
        wait_for(self.host.ledger, 60, what="the first heal is under way")

    def _people_and_pods(self) -> str:
        with write(self.engine) as conn:
            (tenant_id,) = conn.scalars(sa.select(Pod.tenant_id).distinct())
            build.a_policy(conn, tenant_id, is_default=True, **_EAGER)
            kept = build.with_provider(str(self.host.folder / "pods" / "web")) | {"provider_ref": "web"}
            conn.execute(sa.update(Pod).values(**kept))
            for n in range(SICK):
                pod_id = self._a_sick_pod(conn, n)
                tenant = conn.scalar(sa.select(Pod.tenant_id).where(Pod.id == pod_id))
            self.beating_id = pod_id
            return inventory.set_agent_token(conn, system_scope(int(tenant or 0)), pod_id)

    def _a_sick_pod(self, conn: sa.Connection, n: int) -> int:
        # Each of a tenant of its own, for a tenant has one heal at a time; each falls ill later than the one before.
        tenant_id = build.a_tenant(conn, f"sick-{n}")
        build.a_policy(conn, tenant_id, is_default=True, cooldown_minutes=1, max_attempts=3, **_EAGER)
        kept = build.with_provider(str(self.host.folder / "pods" / f"p{n}")) | {"provider_ref": f"p{n}"}
        pod_id = build.a_pod(conn, tenant_id, f"p{n}", address="127.0.0.1", **kept)
        often = {"interval_seconds": 5, "timeout_seconds": 1.0, "failure_threshold": 1 + 3 * n}
        build.a_check(conn, pod_id, "tcp", target=str(free_port()), **often)
        return pod_id

    def calls(self) -> tuple[Call, ...]:
        """What the process host was told to do."""
        return tuple(Call(row["key"]) for row in self.host.ledger())

    def suffer(self, begin: Callable[[], object], end: Callable[[], object], lasts_s: float) -> float:
        """Do ``begin``, and ``end`` after so many seconds; return how long after that each check had a result again.

        Nothing has ended meanwhile, no visitor got an error but 503, no healthy pod was restarted, nothing is violated.
        """
        began = clock.monotonic()
        begin()
        wait_out(lasts_s)
        end()
        ended = clock.monotonic()
        self.wait_until_well()
        back_s = clock.monotonic() - ended
        self.assert_well(began)
        print(
            f"lasted {ended - began:.1f} s, back after {back_s:.1f} s; visitors got {self.visitors.codes_since(began)}"
        )
        return back_s

    def wait_until_well(self, within_s: float = 40.0) -> None:
        """Wait until each check has a result that was found after now, and visitors are answered."""
        since = clock.utcnow()
        acked = self.visitors.acked

        def is_well() -> bool:
            with read(self.engine) as conn:
                found = conn.scalars(sa.select(CheckState.check_id).where(CheckState.last_begun_at > since)).all()
            return set(self.checks.values()) <= set(found) and self.visitors.acked > acked

        wait_for(is_well, within_s, 0.1, what="each check has a result again")

    def assert_well(self, since: float) -> None:
        """Nothing has ended, no visitor got an error but 503, no healthy pod was restarted, nothing is violated."""
        assert self.cluster.ended() == []
        assert self.visitors.codes_since(since) <= {200, 204, 503}
        assert [row for row in self.host.ledger() if row["pod"] == "web"] == []
        assert_invariants(self.engine, Ledgers(calls=self.calls(), acked=self.witness.acked))

    def end(self) -> None:
        """Stop all in order; each request has its one result, each call its heal, and what was answered is stored."""
        codes = self.cluster.stop()
        stored = [row for row in results(self.engine) if row.check_id in self.checks.values()]
        counted = {name: sum(row.check_id == check_id for row in stored) for name, check_id in self.checks.items()}
        with read(self.engine) as conn:
            sequence = conn.scalar(sa.select(Heartbeat.sequence).where(Heartbeat.pod_id == self.beating_id))

        assert codes == [0, 0, 0]
        assert counted == dict(self.target.counts())
        assert {row.outcome for row in stored} == {"ok"}
        assert len({call.key for call in self.calls()}) == len(self.calls()) >= 1
        assert sequence is not None
        assert sequence >= self.visitors.acked
        assert_invariants(self.engine, Ledgers(calls=self.calls(), acked=self.witness.acked))


__all__ = ["CHECKS", "INTERVAL_S", "Living", "wait_out"]
