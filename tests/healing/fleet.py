"""Many pods on a real process host, in tenants and on nodes as a test says, whose checks fail by name.

Probes are recorded as if they had been made; the tick's steps of the brakes run when ``tick`` is called.
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from podhealth import clock
from podhealth.core.probe import Finding
from podhealth.core.words import FailClass, Outcome
from podhealth.healing import evaluate, steps
from podhealth.models import Breaker, Decision, Heal, HealSlot, Node, PodStatus
from podhealth.store import breakers, turns
from podhealth.store.db import db_now, db_now_us, write
from podhealth.store.record import Found, record
from tests.healing.world import ProcessHost, claim_all
from tests.support import build

OK = Finding(Outcome.OK)
FAIL = Finding(Outcome.FAIL, FailClass.DOWN, "refused", error="connection refused")


class Fleet:
    """Pods by name. All share one policy of their tenant: restarts with a wait of a minute."""

    def __init__(self, engine: sa.Engine, host: ProcessHost) -> None:
        self.engine, self.host = engine, host
        self.shift = timedelta(0)
        self.pods: dict[str, int] = {}
        self.tenants: dict[str, int] = {}

    def node(self, name: str) -> int:
        """A shared node of the platform."""
        with write(self.engine) as conn:
            row = sa.insert(Node).values(name=name, created_at=db_now(conn))
            return int(conn.execute(row).inserted_primary_key[0])

    def tenant(self, name: str = "acme", **policy: Any) -> int:
        """A tenant with a default policy of three restarts."""
        rules = {"healthy_delay_s": 0, "start_deadline_s": 20, "verify_timeout_s": 60, "cooldown_minutes": 1}
        with write(self.engine) as conn:
            self.tenants[name] = build.a_tenant(conn, name)
            build.a_policy(conn, self.tenants[name], **(rules | {"is_default": True, "max_attempts": 20} | policy))
        return self.tenants[name]

    def add(self, names: Iterable[str], tenant: str = "acme", **columns: Any) -> None:
        """Pods of a tenant with one check each; those that are to be acted on must be in the host."""
        for name in names:
            provider = build.with_provider(str(self.host.folder / "pods" / name)) | {"provider_ref": name}
            with write(self.engine) as conn:
                pod_id = build.a_pod(conn, self.tenants[tenant], name, **(provider | columns))
                build.a_check(conn, pod_id, interval_seconds=60, timeout_seconds=1.0, failure_threshold=3)
            self.pods[name] = pod_id

    def advance(self, seconds: float) -> None:
        self.shift += timedelta(seconds=seconds)
        clock.shift(self.shift)

    def probe(self, ill: Iterable[str] = (), times: int = 1, every_s: float = 20) -> None:
        """Record a probe of every pod, failed for those in ``ill``, each time after the interval."""
        failing = {self.pods[name] for name in ill}
        for _ in range(times):
            self.advance(every_s)
            with write(self.engine) as conn:
                claims = claim_all(conn)
                begun = db_now_us(conn)
                pod_of = dict(conn.execute(sa.text("SELECT check_id, pod_id FROM check_states")).all())
                found = [
                    Found(c.check_id, c.token, c.generation, c.due_us, begun, begun, _finding(pod_of, c, failing))
                    for c in claims
                ]
                record(conn, found)

    def fall_ill(self, *names: str) -> None:
        """All are healthy once; then these fail long enough for the trigger and for settling."""
        self.probe()
        self.probe(names, times=4)

    def brakes(self) -> None:
        """The tick's steps of the brakes."""
        breakers.watch(self.engine)
        turns.wake(self.engine)

    def judge(self, *names: str) -> None:
        for name in names:
            evaluate.judge(self.engine, self.pods[name])

    def tick(self) -> None:
        """One whole turn of the tick, as far as healing goes."""
        self.brakes()
        evaluate.judge_due(self.engine)
        steps.run_due(self.engine)

    def settle(self, ticks: int = 6) -> None:
        for _ in range(ticks):
            self.tick()

    def gate(self, name: str) -> str | None:
        """The gate of the pod's newest decision; null where it is to act, or was never judged."""
        with self.engine.connect() as conn:
            query = sa.select(Decision.gate).where(Decision.pod_id == self.pods[name])
            gate = conn.execute(query.order_by(Decision.id.desc()).limit(1)).scalar_one_or_none()
        return None if gate is None else gate.value

    def heals(self, name: str | None = None) -> list[sa.Row[Any]]:
        query = sa.select(Heal.__table__).order_by(Heal.id)
        if name is not None:
            query = query.where(Heal.pod_id == self.pods[name])
        return self.rows(query)

    def healed(self) -> list[str]:
        """The names of the pods that heals were planned for, in order."""
        names = {pod_id: name for name, pod_id in self.pods.items()}
        return [names[row.pod_id] for row in self.heals()]

    def breaker(self, scope: str = "tenant") -> sa.Row[Any] | None:
        rows = self.rows(sa.select(Breaker.__table__).where(Breaker.scope == scope))
        return rows[0] if rows else None

    def slots(self) -> list[sa.Row[Any]]:
        return self.rows(sa.select(HealSlot.__table__))

    def status(self, name: str) -> sa.Row[Any]:
        return self.rows(sa.select(PodStatus.__table__).where(PodStatus.pod_id == self.pods[name]))[0]

    def sql(self, statement: str, **values: Any) -> None:
        with write(self.engine) as conn:
            conn.execute(sa.text(statement), values)

    def rows(self, query: sa.Select[Any]) -> list[sa.Row[Any]]:
        """What a query finds."""
        with self.engine.connect() as conn:
            return list(conn.execute(query))


def _finding(pod_of: dict[int, int], claim: Any, failing: set[int]) -> Finding:
    return FAIL if pod_of[claim.check_id] in failing else OK
