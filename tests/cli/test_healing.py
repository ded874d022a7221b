"""How the operator of an installation stops all healing, lets it go on, and passes a breaker."""

import pytest
import sqlalchemy as sa

from podhealth.core.words import KillScope
from podhealth.models import AuditEntry, Breaker
from podhealth.store import holds
from podhealth.store.db import db_now, read, write
from tests.cli.conftest import Run, refused
from tests.support import build

COMMAND = "healing"


def test_stopping_holds_every_pod_of_every_tenant_until_it_is_resumed(run: Run, sqlite_engine: sa.Engine) -> None:
    with write(sqlite_engine) as conn:
        pods = [(t, build.a_pod(conn, t)) for t in (build.a_tenant(conn, "acme"), build.a_tenant(conn, "zeta"))]
    assert run("stop", "--reason", "storage move", "--hours", "2")[0].startswith("healing is switched off everywhere")

    with read(sqlite_engine) as conn:
        for tenant_id, pod_id in pods:
            (switch,) = holds.switches_for(conn, tenant_id, pod_id, db_now(conn))
            assert (switch.scope, switch.reason) == (KillScope.SYSTEM, "storage move")
    assert run("status") == ["healing is switched off everywhere"]

    assert run("resume") == ["healing goes on"]
    assert run("status") == ["healing is on"]
    with read(sqlite_engine) as conn:
        actions = conn.execute(sa.select(AuditEntry.what).order_by(AuditEntry.id)).scalars().all()
    assert actions[-2:] == ["kill switch set", "kill switch ended"]


def test_a_breaker_is_passed_and_shown(run: Run, sqlite_engine: sa.Engine) -> None:
    with write(sqlite_engine) as conn:
        build.a_check(conn, build.a_pod(conn, build.a_tenant(conn)))
        now = db_now(conn)
        values = {"scope": "vantage", "scope_key": "local", "state": "half_open", "suspects": 4, "rest": 9}
        conn.execute(sa.insert(Breaker).values(**values, opened_at=now, updated_at=now))
    assert run("status") == ["healing is on", "breaker of vantage local: half-open, 4 of 9 pods"]

    run("pass-breaker", "vantage", "local", "--reason", "I look after it")

    assert ", passed until " in run("status")[1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("resume",), "healing is not switched off everywhere"),
        (("stop", "--reason", " "), "--reason: must not begin or end with a space"),
        (("stop", "--reason", "x", "--hours", "0"), "--hours: must be more than 0, and at most 31 days"),
        (("stop", "--reason", "x", "--hours", "1000"), "--hours: must be more than 0, and at most 31 days"),
        (("pass-breaker", "vantage", "nowhere", "--reason", "x"), "there is no such breaker"),
        (("pass-breaker", "tenant", "1", "--reason", "x"), "Invalid value for '{node|vantage}'"),
    ],
)
def test_what_cannot_be_is_one_line(run: Run, capsys: pytest.CaptureFixture[str], words, said) -> None:
    assert refused(run, capsys, *words).startswith(said)
