"""What a prober brings back, how it is stored, and what stands in the tables then."""

from typing import Any

import sqlalchemy as sa

from podhealth import clock
from podhealth.core.probe import Finding
from podhealth.core.words import FailClass, Outcome
from podhealth.models import CheckState, PodStatus
from podhealth.store import claim
from podhealth.store.db import db_now_us, read, write
from podhealth.store.record import Found, Recorded, record
from tests.support import build

OK = Finding(Outcome.OK, latency_ms=1.5)
SLOW = Finding(Outcome.SLOW, latency_ms=900.0)
FAIL = Finding(Outcome.FAIL, FailClass.DOWN, "refused", None, "connection refused")
TLS = Finding(Outcome.FAIL, FailClass.TLS, "expired", None, "the certificate has expired")
ERROR = Finding(Outcome.ERROR, None, "dns", None, "not resolved")


def a_pod_with_checks(engine: sa.Engine, *names: str, tenant: str = "acme", **columns: Any) -> tuple[int, list[int]]:
    with write(engine) as conn:
        pod_id = build.a_pod(conn, build.a_tenant(conn, tenant))
        return pod_id, [build.a_check(conn, pod_id, "tcp", name, **columns) for name in names or ("tcp",)]


def probed(engine: sa.Engine, findings: dict[int, Finding], worker: str = "w1") -> list[Found]:
    """Make these checks due, claim them, and return what a prober would bring back."""
    with write(engine) as conn:
        conn.execute(sa.update(CheckState).where(CheckState.check_id.in_(findings)).values(next_at=clock.utcnow()))
        claims = claim.claim_chosen(conn, "local", worker, list(findings))
        now = db_now_us(conn)
    assert {c.check_id for c in claims} == set(findings)
    return [
        Found(c.check_id, c.token, c.generation, c.due_us, now, now + i, findings[c.check_id], worker)
        for i, c in enumerate(sorted(claims))
    ]


def store(engine: sa.Engine, found: list[Found]) -> Recorded:
    with write(engine) as conn:
        return record(conn, found)


def probe(engine: sa.Engine, check_id: int, *findings: Finding) -> Recorded:
    for finding in findings:
        last = store(engine, probed(engine, {check_id: finding}))
    return last


def one(engine: sa.Engine, model: type, *where: Any) -> Any:
    with read(engine) as conn:
        return conn.execute(sa.select(model.__table__).where(*where)).one()


def every(engine: sa.Engine, model: type) -> list[Any]:
    with read(engine) as conn:
        return list(conn.execute(sa.select(model.__table__)))


def be_judged(engine: sa.Engine) -> None:
    with write(engine) as conn:
        conn.execute(sa.update(PodStatus).values(judge_at=None))
