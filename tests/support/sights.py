"""A fleet on nodes whose probes end as a test says: rows, and results recorded through the product's own claim.

Providers are not asked: what they said stands in the nodes' rows, as those who ask them keep it.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from podhealth import clock
from podhealth.core.probe import Finding
from podhealth.core.words import FailClass, Outcome
from podhealth.models import CheckState, Node, Notice, Pod, PodStatus, Result, Vantage
from podhealth.store import places, vantages
from podhealth.store.claim import claim_due
from podhealth.store.db import db_now, db_now_us, read, write
from podhealth.store.record import Found, record
from podhealth.store.vantages import Asked
from tests.support import build

FAIL = Finding(Outcome.FAIL, FailClass.DOWN, "timeout", None, "no answer within 2 s")
OK = Finding(Outcome.OK, latency_ms=1.0)
VANTAGE = "local"


class Fleet:
    """Tenants, nodes and pods; time moves on with each round of probes."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine
        self.shift = timedelta(0)

    def tenants(self, *names: str) -> list[int]:
        with write(self.engine) as conn:
            return [build.a_tenant(conn, name) for name in names]

    def node(self, name: str, **columns: Any) -> int:
        with write(self.engine) as conn:
            values = {"name": name, "created_at": db_now(conn)} | columns
            return int(conn.execute(sa.insert(Node).values(**values)).inserted_primary_key[0])

    def pod(self, tenant_id: int, node_id: int | None, name: str, *kinds: str, **columns: Any) -> int:
        """A healthy pod with a check of each kind (default ping), which fails at the third fail in a row."""
        with write(self.engine) as conn:
            since = db_now(conn) - timedelta(minutes=5)
            pod_id = build.a_pod(conn, tenant_id, name, node_id=node_id, status="healthy", now=since, **columns)
            for kind in kinds or ("ping",):
                known = {"status": "healthy", "was_known": True, "successes": 9}
                fresh = {"fresh_until": db_now(conn) + timedelta(minutes=30)}
                build.a_check(conn, pod_id, kind, interval_seconds=600, now=since, **known, **fresh)
            return pod_id

    def on_node(self, *tenants: str) -> tuple[int, list[int]]:
        """A node pve1 with a pod of each of these tenants; one named again has another pod."""
        names = list(dict.fromkeys(tenants))
        ids = dict(zip(names, self.tenants(*names), strict=True))
        node_id = self.node("pve1")
        return node_id, [self.pod(ids[tenant], node_id, f"p{n}") for n, tenant in enumerate(tenants)]

    def advance(self, seconds: float) -> None:
        self.shift += timedelta(seconds=seconds)
        clock.shift(self.shift)

    def probe(self, pods: Iterable[int] | None, finding: Finding, times: int = 1, every_s: float = 5) -> None:
        """Record that finding for the checks of these pods (null: all), seen from the vantage."""
        for _ in range(times):
            self.advance(every_s)
            with write(self.engine) as conn:
                due = sa.update(CheckState).where(CheckState.vantage == VANTAGE)
                conn.execute(due.values(next_at=db_now(conn) + timedelta(hours=1)))
                if pods is not None:
                    due = due.where(CheckState.pod_id.in_(list(pods)))
                conn.execute(due.values(next_at=db_now(conn)))
                claims = claim_due(conn, VANTAGE, "tester", 100_000)
                begun = db_now_us(conn)
                found = [Found(c.check_id, c.token, c.generation, c.due_us, begun, begun, finding) for c in claims]
                record(conn, found, VANTAGE)

    def ask_references(self, *errors: str | None, times: int = 1) -> None:
        """A round of two or more references, 5 s after the last; null: it answered."""
        targets = [f"10.9.9.{n}" for n in range(1, len(errors) + 1)]
        for _ in range(times):
            self.advance(5)
            with write(self.engine) as conn:
                begun = vantages.take_turn(conn, VANTAGE, targets)
                assert begun is not None
                answers = [Asked(target, begun, error) for target, error in zip(targets, errors, strict=True)]
                vantages.keep_answers(conn, VANTAGE, answers)

    def watch(self) -> dict[int, int]:
        return places.watch(self.engine)

    def said(self, node_id: int, **columns: datetime) -> None:
        with write(self.engine) as conn:
            conn.execute(sa.update(Node).where(Node.id == node_id).values(**columns))

    def now(self) -> datetime:
        with read(self.engine) as conn:
            return db_now(conn)

    def node_row(self, node_id: int) -> sa.Row[Any]:
        return self.rows(Node, Node.id == node_id)[0]

    def vantage(self) -> sa.Row[Any]:
        return self.rows(Vantage, Vantage.name == VANTAGE)[0]

    def status(self, pod_id: int) -> sa.Row[Any]:
        return self.rows(PodStatus, PodStatus.pod_id == pod_id)[0]

    def checks(self, *where: Any) -> list[sa.Row[Any]]:
        return self.rows(CheckState, *where)

    def results(self) -> list[tuple[str, str | None]]:
        with read(self.engine) as conn:
            query = sa.select(Result.outcome, Result.code).order_by(Result.begun_at, Result.check_id)
            return [(str(row.outcome.value), row.code) for row in conn.execute(query)]

    def notices(self, *kinds: str) -> list[str]:
        return [row.text for row in self.rows(Notice) if row.kind in kinds]

    def rows(self, model: Any, *where: Any) -> list[sa.Row[Any]]:
        with read(self.engine) as conn:
            return list(conn.execute(sa.select(model.__table__).where(*where)))

    def move(self, pod_id: int, node_id: int | None) -> None:
        with write(self.engine) as conn:
            conn.execute(sa.update(Pod).where(Pod.id == pod_id).values(node_id=node_id))
