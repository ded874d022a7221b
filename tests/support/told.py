"""A fleet that falls ill and recovers while time goes by: what people would be told of it, and in which incidents.

Pods have one check, which one failure makes unhealthy and one success healthy, and whose word is good for 3 h.
Results go through the real record, time through the product's own clock; the step of the tick that looks again runs
when ``pass_time`` moves it.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from podhealth import clock
from podhealth.core.probe import Finding
from podhealth.core.words import FailClass, NoticeKind, Outcome
from podhealth.models import CheckState, Incident, IncidentMember, Notice, PodStatus, Transition
from podhealth.store import claim, wider
from podhealth.store.db import db_now_us, read, write
from podhealth.store.record import Found, record
from tests.support import build

OK = Finding(Outcome.OK, latency_ms=1.5)
SLOW = Finding(Outcome.SLOW, latency_ms=900.0)
FAIL = Finding(Outcome.FAIL, FailClass.DOWN, "refused", None, "connection refused")


class Fleet:
    """Pods of one tenant, by name. Whoever makes one gives the clock back at the end (``close``)."""

    def __init__(self, engine: sa.Engine, tenant: str = "acme") -> None:
        self.engine = engine
        self.pods: dict[str, int] = {}
        self.checks: dict[str, int] = {}
        with write(engine) as conn:
            self.tenant_id = build.a_tenant(conn, tenant)

    def close(self) -> None:
        """Give the clock back."""
        clock.shift(timedelta(0))

    def add(self, *names: str, check: dict[str, Any] | None = None, **pod: Any) -> None:
        """Make pods, known to be healthy."""
        columns = {"failure_threshold": 1, "success_threshold": 1, "interval_seconds": 3600, **(check or {})}
        with write(self.engine) as conn:
            for name in names:
                self.pods[name] = build.a_pod(conn, self.tenant_id, name, **pod)
                self.checks[name] = build.a_check(conn, self.pods[name], "tcp", **columns)
        self.find(OK, *names)

    def find(self, finding: Finding, *names: str) -> dict[int, int]:
        """Let the checks of these pods be probed and this be found; return the feed's newest numbers."""
        ids = [self.checks[name] for name in names]
        with write(self.engine) as conn:
            is_chosen = CheckState.check_id.in_(ids)
            conn.execute(sa.update(CheckState).where(is_chosen).values(next_at=clock.utcnow()))
            claims = claim.claim_chosen(conn, "local", "w1", ids)
            now = db_now_us(conn)
            found = [
                Found(c.check_id, c.token, c.generation, c.due_us, now, now + n, finding, "w1")
                for n, c in enumerate(sorted(claims))
            ]
            return record(conn, found).published

    def fall_ill(self, *names: str) -> None:
        """Let these pods become unhealthy."""
        self.find(FAIL, *names)

    def recover(self, *names: str) -> None:
        """Let these pods become healthy."""
        self.find(OK, *names)

    def pass_time(self, **span: float) -> None:
        """Let time go by, and have the tick look again."""
        clock.shift(clock.shifted() + timedelta(**span))
        self.look()

    def look(self) -> None:
        """Have the tick look again, as often as it finds anything."""
        while wider.tell_due(self.engine):
            pass

    def status(self, name: str) -> Any:
        """The pod's status row."""
        return self.rows(PodStatus, PodStatus.pod_id == self.pods[name])[0]

    def notices(self, *kinds: NoticeKind) -> list[Any]:
        """What is to be told, the oldest first; all of it, or of these kinds."""
        return self.rows(Notice, *([Notice.kind.in_(kinds)] if kinds else []))

    def told(self) -> list[NoticeKind]:
        """The kinds of what is to be told, the oldest first."""
        return [row.kind for row in self.notices()]

    def incidents(self) -> list[Any]:
        """All incidents, the oldest first."""
        return self.rows(Incident)

    def open_ones(self) -> list[Any]:
        """The open incidents."""
        return self.rows(Incident, Incident.recovered_at.is_(None))

    def members(self, incident_id: int) -> set[str]:
        """The names of the pods that are in the incident now."""
        here = IncidentMember.incident_id == incident_id, IncidentMember.left_at.is_(None)
        names = {pod_id: name for name, pod_id in self.pods.items()}
        return {names[row.pod_id] for row in self.rows(IncidentMember, *here)}

    def newest_transition(self, name: str) -> int:
        """The id of the pod's newest transition."""
        own = Transition.pod_id == self.pods[name], Transition.check_id.is_(None)
        return int(self.rows(Transition, *own)[-1].id)

    def rows(self, model: type, *where: Any) -> Sequence[Any]:
        """Rows of a table in the order of their keys."""
        table: sa.Table = sa.inspect(model).local_table
        with read(self.engine) as conn:
            return list(conn.execute(sa.select(table).where(*where).order_by(*table.primary_key.columns)))
