"""A small real world for healer tests: a process host with one pod, a policy, a check, and time that can be moved.

Probes are not made: their outcomes are recorded as if they had been, through the product's own claim and record.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from podhealth import clock, egress
from podhealth.core.probe import Finding
from podhealth.core.words import Actor, FailClass, Outcome, ProviderKind, Role
from podhealth.healing import evaluate, steps
from podhealth.models import CheckState, Decision, Episode, Heal, Pod, PodStatus
from podhealth.store import decisions
from podhealth.store.claim import Claim, claim_due
from podhealth.store.db import db_now_us, read, write
from podhealth.store.record import Found, record
from podhealth.store.tenancy import Scope
from tests.support import build, nursery
from tests.support.wait import wait_for

_TURNS = 40
SLEEPER = [sys.executable, "-I", "-S", "-c", "import signal; signal.pause()"]


class ProcessHost:
    """A real ``demo-host`` in a folder of its own, with the pods that the test names."""

    def __init__(self, **commands: list[str]) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="ph-host-"))
        pods = [{"name": name, "command": command, "env": {}} for name, command in commands.items()]
        (self.folder / "spec.json").write_text(json.dumps({"pods": pods}))
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "podhealth.cli.demo_host", str(self.folder)], stdout=subprocess.PIPE
        )
        assert self.process.stdout is not None
        assert b"keeps" in self.process.stdout.readline()

    def ledger(self) -> list[dict[str, Any]]:
        path = self.folder / "actions.log"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(10)

    def remove(self) -> None:
        """End it, if it still runs, and take its folder away."""
        if self.process.poll() is None:
            self.end()
        shutil.rmtree(self.folder, ignore_errors=True)


class World:
    """One tenant with one policy and one pod, whose check fails or not as the test says."""

    def __init__(self, engine: sa.Engine, host: ProcessHost | None, **policy: Any) -> None:
        self.engine, self.host = engine, host
        self.shift = timedelta(0)
        rules = {"healthy_delay_s": 5, "start_deadline_s": 20, "verify_timeout_s": 60, "is_default": True} | policy
        provider = {"provider": ProviderKind.NONE}
        if host is not None:
            provider = build.with_provider(str(host.folder / "pods" / "web")) | {"provider_ref": "web"}
        with write(engine) as conn:
            self.tenant_id = build.a_tenant(conn)
            self.policy_id = build.a_policy(conn, self.tenant_id, **rules)
            self.pod_id = build.a_pod(conn, self.tenant_id, "web", **provider)
            self.check_id = build.a_check(
                conn, self.pod_id, interval_seconds=5, timeout_seconds=1.0, failure_threshold=3
            )

    def with_provider(self, kind: ProviderKind, ref: str, config: dict[str, str]) -> None:
        """Give the pod another provider."""
        values = {"provider": kind, "provider_ref": ref, "provider_config": config}
        with write(self.engine) as conn:
            conn.execute(sa.update(Pod).where(Pod.id == self.pod_id).values(**values))

    def advance(self, seconds: float) -> None:
        """Move the time that this process believes in."""
        self.shift += timedelta(seconds=seconds)
        clock.shift(self.shift)

    def probe(self, outcome: str, times: int = 1, every_s: float = 5, **finding: Any) -> None:
        """Record that outcome, each time after the interval."""
        fails = {"fail_class": FailClass.DOWN, "code": "refused", "error": "connection refused"}
        found = Finding(Outcome(outcome), **((fails if outcome == "fail" else {}) | finding))
        for _ in range(times):
            self.advance(every_s)
            with write(self.engine) as conn:
                claims = claim_all(conn)
                begun = db_now_us(conn)
                results = [Found(c.check_id, c.token, c.generation, c.due_us, begun, begun, found) for c in claims]
                record(conn, results, "local")

    def judge(self) -> evaluate.Judged:
        return evaluate.judge(self.engine, self.pod_id)

    def settle(self, within_s: float = 10) -> None:
        """Judge and take steps until nothing more is due now."""

        def is_quiet() -> bool:
            evaluate.judge_due(self.engine)
            steps.run_due(self.engine)
            return not self._is_due()

        wait_for(is_quiet, within_s, what="the healer has nothing due")

    def _is_due(self) -> bool:
        with write(self.engine) as conn:
            now = db_now_us(conn)
            due = sa.text(
                "SELECT (SELECT count(*) FROM cloud_pod_health_status WHERE judge_at <= :n)"
                " + (SELECT count(*) FROM cloud_pod_auto_heal_events WHERE next_step_at <= :n"
                " OR (state = 'running' AND next_step_at IS NOT NULL))"
            )
            return bool(conn.execute(due, {"n": now}).scalar_one())

    def heals(self) -> list[sa.Row[Any]]:
        return self._rows(Heal, Heal.id)

    def episodes(self) -> list[sa.Row[Any]]:
        return self._rows(Episode, Episode.id)

    def decisions(self) -> list[sa.Row[Any]]:
        return self._rows(Decision, Decision.id)

    def _rows(self, model: Any, order: Any) -> list[sa.Row[Any]]:
        with self.engine.connect() as conn:
            return list(conn.execute(sa.select(model.__table__).where(model.pod_id == self.pod_id).order_by(order)))

    def status(self) -> sa.Row[Any]:
        with self.engine.connect() as conn:
            query = sa.select(PodStatus.__table__, Pod.desired_state, Pod.desired_reason, Pod.actual_state)
            return conn.execute(query.join(Pod, Pod.id == PodStatus.pod_id).where(Pod.id == self.pod_id)).one()

    def check(self) -> sa.Row[Any]:
        with self.engine.connect() as conn:
            return conn.execute(sa.select(CheckState.__table__).where(CheckState.check_id == self.check_id)).one()

    def sql(self, statement: str, **values: Any) -> None:
        with write(self.engine) as conn:
            conn.execute(sa.text(statement), values)

    def fall_ill(self) -> None:
        """Be healthy once, then fail long enough for the trigger and for settling."""
        self.probe("ok")
        self.probe("fail", times=4)

    def heal_once(self) -> None:
        """Fall ill, be restarted, and be proven healthy."""
        self.fall_ill()
        self.settle()
        self.probe("ok", times=3)
        self.settle()


# Makes a world with a policy of the test's own (the fixture ``a_world``).
Make = Callable[..., World]


def claim_all(conn: sa.Connection) -> list[Claim]:
    """Make every check of vantage local due, and claim it."""
    conn.execute(sa.text("UPDATE check_states SET next_at = :n WHERE vantage = 'local'"), {"n": db_now_us(conn)})
    return claim_due(conn, "local", "tester", 500)


def ann(world: World) -> Scope:
    """An admin of the world's tenant."""
    return Scope(world.tenant_id, Role.ADMIN, Actor.USER, "ann")


def newest_hold(world: World) -> Any:
    """The hold that stands for the world's pod; null where there is none."""
    with read(world.engine) as conn:
        return decisions.newest_hold(conn, world.pod_id)


def run_healer(world: World, crash_at: str = "", kill_at: int = 0) -> int:
    """Run the healer until nothing is due, or until it is killed; return how it ended, as subprocess does."""
    own = environment(world, crash_at)
    return nursery.run("tests.healing.crash:main", world.pod_id, _TURNS, kill_at=kill_at, **own)


def environment(world: World, crash_at: str = "") -> dict[str, str]:
    """The environment of a process of ours that lives in the world's time and dies where it is told."""
    url = world.engine.url.render_as_string(hide_password=False)
    shift = str(world.shift.total_seconds())
    opened = {"TEST_NETWORKS": ",".join(egress._opened), "TEST_SOCKETS": ",".join(egress._sockets)}
    here = {"TEST_DATABASE": url, "PODHEALTH_CLOCK_SHIFT": shift, "PODHEALTH_CRASH_AT": crash_at}
    return {**os.environ, **opened, **here}
