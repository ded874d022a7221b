"""A rolling restart: web processes, probers and healers are stopped by SIGTERM and started anew, one after another.

Nothing is lost: each request of a prober has its result, each heal its one call and its course, each visitor and agent
an answer. What was asked is read from ledgers that others keep.
"""

import http.client
import itertools
import json
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest
import sqlalchemy as sa

from podhealth.models import CheckState, Heal, Heartbeat, Worker
from podhealth.store import inventory
from podhealth.store.db import read, write
from podhealth.store.tenancy import system_scope
from tests.healing.world import SLEEPER, ProcessHost
from tests.support import build
from tests.support.cluster import Cluster, Program, Witness
from tests.support.fleet import a_fleet, results
from tests.support.invariants import Call, Ledgers, assert_invariants
from tests.support.ledger import running_target
from tests.support.ports import free_port
from tests.support.wait import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

CHECKS = 60
SICK = 4
MORE = {
    "PODHEALTH_BREAKER_LEAST": "1000",
    "PODHEALTH_HEARTBEATS_A_MINUTE": "100000",
    "PODHEALTH_WEB_THREADS": "4",
}


class BalancedVisitors:
    """Asks two web processes in turn, as a balancer would: the other one where one does not answer."""

    def __init__(self, ports: tuple[int, int], token: str) -> None:
        self.ports, self._token = ports, token
        self.answered, self.acked, self.lost = 0, 0, []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "BalancedVisitors":
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        for n in itertools.count(1):
            if self._over.wait(0.02):
                return
            if self._ask(n, "GET", "/healthz") != 200:
                self.lost.append(f"page {n}")
            code = self._ask(n, "POST", "/api/heartbeats", json.dumps({"sequence": n}))
            if code == 204:
                self.acked = n
            else:
                self.lost.append(f"heartbeat {n}: {code}")
            self.answered += 1

    def _ask(self, n: int, method: str, path: str, body: str | None = None) -> int | None:
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"} if body else {}
        for port in (self.ports[n % 2], self.ports[1 - n % 2]):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            try:
                connection.request(method, path, body, headers)
                return connection.getresponse().status
            except OSError:
                continue
            finally:
                connection.close()
        return None


def _sick_pods(engine: sa.Engine, host: ProcessHost) -> tuple[int, str]:
    """Make pods that are never well, so that heals are always under way; return one of them with an agent's token."""
    rules = {"trigger_after_failures": 1, "verify_timeout_s": 60, "start_deadline_s": 5, "healthy_delay_s": 5}
    with write(engine) as conn:
        for n in range(SICK):  # each of a tenant of its own, for a tenant has one heal at a time
            tenant_id = build.a_tenant(conn, f"sick-{n}")
            build.a_policy(conn, tenant_id, is_default=True, cooldown_minutes=1, max_attempts=3, **rules)
            provider = build.with_provider(str(host.folder / "pods" / f"p{n}")) | {"provider_ref": f"p{n}"}
            pod_id = build.a_pod(conn, tenant_id, f"p{n}", address="127.0.0.1", **provider)
            # The later ones fall ill while processes are being restarted.
            often = {"interval_seconds": 5, "timeout_seconds": 1.0, "failure_threshold": 1 + 2 * n}
            build.a_check(conn, pod_id, "tcp", target=str(free_port()), **often)
        return pod_id, inventory.set_agent_token(conn, system_scope(tenant_id), pod_id)


def _is_alive(engine: sa.Engine, program: Program, role: str) -> bool:
    with read(engine) as conn:
        return conn.scalar(
            sa.select(sa.exists().where(Worker.pid == program.process.pid, Worker.role == role))
        ) or _is_child_alive(conn, program, role)


def _is_child_alive(conn: sa.Connection, program: Program, role: str) -> bool:
    # gunicorn's worker, not the command itself, serves and beats.
    return role == "web" and program.is_running and bool(_children(program.process.pid) & _pids(conn, role))


def _pids(conn: sa.Connection, role: str) -> set[int]:
    return set(conn.scalars(sa.select(Worker.pid).where(Worker.role == role)))


def _children(pid: int) -> set[int]:
    return {int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}


@pytest.mark.fault("F9")
def test_restarted_one_after_another_they_lose_no_probe_no_heal_no_request(
    stack: ExitStack, engine: sa.Engine, database_url: str, redis_url: str, tmp_path: Path
) -> None:
    host = ProcessHost(**{f"p{n}": SLEEPER for n in range(SICK)})
    stack.callback(host.remove)
    target = stack.enter_context(running_target(tmp_path, 10))
    checks = a_fleet(engine, target, CHECKS, delay_s=0.5, timeout_s=4.0)
    pod_id, token = _sick_pods(engine, host)
    cluster = stack.enter_context(Cluster(database_url, redis_url, tmp_path))
    witness = stack.enter_context(Witness(engine))
    ports = (free_port(), free_port())
    rolling = [("probe", ("worker", "probe.local"), {})] * 2
    rolling += [("worker", ("worker", "heal", "alert", "tick"), {})] * 2
    rolling += [("web", ("web",), {"PODHEALTH_WEB_PORT": str(port)}) for port in ports]
    cluster.start("scheduler", **MORE)
    running = [cluster.start(*words, **MORE, **more) for _, words, more in rolling]
    for program, (role, _, _) in zip(running, rolling, strict=True):
        wait_for(lambda p=program, r=role: _is_alive(engine, p, r), 120, what=f"{program.name} is alive")
    wait_for(lambda: len(target.counts()) == CHECKS, 40, what="all probed")

    codes = []
    with BalancedVisitors(ports, token) as visitors:
        for n in range(len(rolling)) if engine.dialect.name == "sqlite" else (0, 2, 4):  # of each role one is enough
            role, words, more = rolling[n]
            if role == "worker":
                wait_for(host.ledger, 40, what="a heal begun")
            before = visitors.answered
            codes.append(running[n].stop())
            running[n] = cluster.start(*words, **MORE, **more)
            wait_for(lambda n=n, r=role: _is_alive(engine, running[n], r), 120, what=f"the new {role} is alive")
            wait_for(lambda b=before: visitors.answered > b + 5, 20, what="visitors are answered")
        witness.wait_for_more(CHECKS)
    codes += cluster.stop()
    stored = results(engine)
    counted = {name: sum(row.check_id == check_id for row in stored) for name, check_id in checks.items()}
    calls = tuple(Call(row["key"]) for row in host.ledger())
    with read(engine) as conn:
        heals = conn.execute(sa.select(Heal.called_at, Heal.idempotency_key)).all()
        sequence = conn.scalar(sa.select(Heartbeat.sequence).where(Heartbeat.pod_id == pod_id))
        in_hand = conn.scalar(sa.select(sa.func.count()).where(CheckState.due_at.is_not(None)))

    assert codes == [0] * len(codes)
    assert (counted, in_hand) == (dict(target.counts()), 0)
    # Of pods that are restarted meanwhile a result may be late by rule: what was found before the restart says nothing.
    assert [row for row in stored if row.is_late and row.check_id in checks.values()] == []
    assert calls
    assert {heal.idempotency_key for heal in heals if heal.called_at is not None} == {call.key for call in calls}
    assert (visitors.lost, sequence) == ([], visitors.acked)
    assert_invariants(engine, Ledgers(calls=calls, acked=witness.acked))
