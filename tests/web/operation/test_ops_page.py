"""The operator's page: what it shows of PodHealth itself, and what a platform admin does there."""

import re
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from podhealth.core.words import BreakerScope, BreakerState, KillScope, Role
from podhealth.models import AuditEntry, Breaker, CheckState, KillSwitch, Node, Tenant, User, Vantage, Worker
from podhealth.store.db import db_now, read, write
from tests.support.build import a_check, a_pod
from tests.support.cast import Caller, a_cast, a_platform_session

STOP = {"length": "60", "until": "", "reason": "storage move"}


@pytest.fixture
def op(engine: sa.Engine, app: Any) -> Caller:
    """A platform admin who looks into no tenant."""
    return Caller(app, session=a_platform_session(engine))


def _insert(engine: sa.Engine, model: Any, **values: Any) -> None:
    with write(engine) as conn:
        conn.execute(sa.insert(model).values(**values))


def _switches(engine: sa.Engine) -> list[Any]:
    with read(engine) as conn:
        return list(conn.execute(sa.select(KillSwitch.__table__)))


def _audited(engine: sa.Engine, chain: int = 0) -> list[str]:
    with read(engine) as conn:
        return list(conn.scalars(sa.select(AuditEntry.what).where(AuditEntry.chain == chain).order_by(AuditEntry.seq)))


def _a_worker(engine: sa.Engine, name: str, age_s: float, **values: Any) -> None:
    with read(engine) as conn:
        at = db_now(conn) - timedelta(seconds=age_s)
    _insert(engine, Worker, id=name, host="h1", pid=7, started_at=at, beat_at=at, **{"role": "probe"} | values)


@pytest.mark.parametrize("tab", ["now", "workers", "vantages", "breakers", "queues", "tenants", "nonsense"])
def test_each_tab_is_there_and_an_unknown_one_is_the_first(op: Caller, tab: str):
    page = op.get(f"/ops?tab={tab}")

    assert page.status_code == 200
    assert f'href="/ops?tab={"now" if tab == "nonsense" else tab}" aria-current="page"' in re.sub(
        r"\s+", " ", page.text
    )


def test_a_prober_too_few_shows_on_the_first_tab(engine: sa.Engine, tenant: int, op: Caller):
    with write(engine) as conn:
        a_check(conn, a_pod(conn, tenant, "web-1"), "http")
    alone = op.get("/ops").text
    _a_worker(engine, "w-1", 0, vantage="local", lag_p99_ms=420.0)
    manned = op.get("/ops").text

    assert "none at local" in alone
    assert "none at local" not in manned
    assert "p99 0.4 s" in manned


def test_checks_that_no_prober_takes_are_counted(engine: sa.Engine, tenant: int, op: Caller):
    with write(engine) as conn:
        check_id = a_check(conn, a_pod(conn, tenant, "web-1"), "http")
        due = db_now(conn) - timedelta(seconds=40)
        conn.execute(sa.update(CheckState).where(CheckState.check_id == check_id).values(next_at=due))

    assert re.search(r"1 wait, the first for 4[0-9] s", op.get("/ops").text)


def test_a_process_that_went_without_a_word_is_gone(engine: sa.Engine, op: Caller):
    _a_worker(engine, "w-here", 1)
    _a_worker(engine, "w-gone", 30)
    _a_worker(engine, "w-forgotten", 4000)
    page = op.get("/ops?tab=workers").text
    rows = {
        name: page.partition(f'id="{name}"')[2].partition("</tr>")[0] for name in ("worker-w-here", "worker-w-gone")
    }

    assert "Healthy" in rows["worker-w-here"]
    assert "gone" in rows["worker-w-gone"]
    assert "w-forgotten" not in page


def test_a_blind_vantage_and_an_unreachable_node_are_told_with_the_reason(engine: sa.Engine, tenant: int, op: Caller):
    with read(engine) as conn:
        now = db_now(conn)
    _insert(engine, Vantage, name="dc2", blind_since=now, blind_reason="0 of 3 answer", updated_at=now)
    down = {"unreachable_since": now, "unreachable_reason": "its provider says so"}
    _insert(engine, Node, tenant_id=tenant, name="node-3", created_at=now, **down)
    page = op.get("/ops?tab=vantages").text

    assert "0 of 3 answer" in page
    assert "its provider says so" in page


def test_all_healing_is_stopped_once_and_goes_on_again(engine: sa.Engine, op: Caller):
    first, again = op.post("/ops/switch", data=STOP), op.post("/ops/switch", data=STOP)
    (switch,) = _switches(engine)
    ended = op.post(f"/ops/switches/{switch.id}/end")

    assert (first.status_code, again.status_code, ended.status_code) == (303, 409, 303)
    assert "already" in again.text
    assert (switch.scope, switch.tenant_id, switch.reason) == (KillScope.SYSTEM, None, "storage move")
    assert _switches(engine)[0].ended_at is not None
    assert _audited(engine)[-2:] == ["kill switch set", "kill switch ended"]


@pytest.mark.parametrize(
    ("changed", "field"),
    [({"reason": ""}, "reason"), ({"reason": "x" * 201}, "reason"), ({"length": "7"}, "length")]
    + [({"length": "until", "until": when}, "until") for when in ("", "tomorrow", "2020-01-01T10:00")],
)
@pytest.mark.attack("A98")
def test_a_stop_that_is_not_well_said_stops_nothing_and_keeps_what_was_typed(engine, op: Caller, changed, field):
    page = op.post("/ops/switch", data=STOP | {"reason": "kept as typed"} | changed)

    assert page.status_code == 422
    assert f'id="switch-{field}-error"' in page.text
    assert field == "reason" or "kept as typed" in page.text
    assert _switches(engine) == []


@pytest.mark.parametrize("scope", [BreakerScope.TENANT, BreakerScope.VANTAGE])
def test_a_breaker_is_overridden_and_holds_again(engine: sa.Engine, tenant: int, op: Caller, scope: BreakerScope):
    with write(engine) as conn:
        a_check(conn, a_pod(conn, tenant, "web-1"), "http")
        key = str(tenant) if scope == BreakerScope.TENANT else "local"
        values = {"state": BreakerState.OPEN, "opened_at": db_now(conn), "updated_at": db_now(conn)}
        conn.execute(sa.insert(Breaker).values(scope=scope, scope_key=key, suspects=7, rest=5, **values))
    data = {"scope": scope.value, "key": key}
    shown = op.get("/ops?tab=breakers").text
    done = op.post("/ops/breakers/override", data=data | STOP)
    overridden = op.get("/ops?tab=breakers").text
    ended = op.post("/ops/breakers/override/end", data=data)

    assert "7 suspects" in shown
    assert (done.status_code, ended.status_code) == (303, 303)
    assert "storage move" in overridden
    assert "storage move" not in op.get("/ops?tab=breakers").text
    assert "breaker overridden" in _audited(engine, tenant if scope == BreakerScope.TENANT else 0)


@pytest.mark.parametrize("key", ["x", "0", "9" * 30, "987654321", ""])
def test_a_breaker_of_nothing_is_not_overridden(engine: sa.Engine, op: Caller, key: str):
    answer = op.post("/ops/breakers/override", data={"scope": "tenant", "key": key} | STOP)

    assert answer.status_code in (404, 422)
    with read(engine) as conn:
        assert conn.scalar(sa.select(sa.func.count()).select_from(Breaker)) == 0


def test_a_tenant_is_made_with_an_admin_who_comes_in_by_the_link(engine: sa.Engine, app: Any, op: Caller):
    page = op.post("/ops/tenants", data={"name": "newco", "admin": "Nina", "email": "nina@new.example"})
    link = re.search(r"/sign-in/link/[\w-]+", page.text)[0]
    visitor = Caller(app)
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', visitor.get(link).text)[1]
    visitor.post(link, data={"csrf_token": token})

    assert "newco" in visitor.get("/pods").text
    with read(engine) as conn:
        made = sa.select(User.role).join(Tenant, Tenant.id == User.tenant_id).where(Tenant.name == "newco")
        assert conn.scalar(made) == Role.ADMIN


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "acme"}, "name"),
        ({"email": "no address"}, "email"),
        ({"email": "taken@x.example"}, "email"),
        ({"admin": "x" * 64}, "admin"),
    ],
)
def test_a_tenant_that_cannot_be_made_leaves_nothing_behind(engine, tenant: int, op: Caller, changed, field):
    op.post("/ops/tenants", data={"name": "first", "admin": "A", "email": "taken@x.example"})
    with write(engine) as conn:
        conn.execute(sa.update(Tenant).where(Tenant.id == tenant).values(name="acme"))
        before = conn.scalar(sa.select(sa.func.count()).select_from(Tenant))
    page = op.post("/ops/tenants", data={"name": "newco", "admin": "Nina", "email": "nina@new.example"} | changed)

    assert page.status_code == 422
    assert f'id="tenant-{field}-error"' in page.text
    with read(engine) as conn:
        assert conn.scalar(sa.select(sa.func.count()).select_from(Tenant)) == before


def test_messages_that_died_are_told_with_their_channel(engine: sa.Engine, op: Caller):
    a_cast(engine)
    page = op.get("/ops?tab=queues").text

    assert "acme-canary channel: 1" in page
    assert "zeta-canary refused" in page


def test_alarms_stand_above_every_tab(engine: sa.Engine, tenant: int, op: Caller):
    with write(engine) as conn:
        a_check(conn, a_pod(conn, tenant, "web-1"), "http")
    page = re.sub(r"\s+", " ", op.get("/ops?tab=queues").text)

    assert 'Somebody should look: <a href="/ops#figure-tick">Tick</a> (never ran), ' in page
    assert '<a href="/ops#figure-probers">Probers</a> (none at local)' in page
