"""Breakers as rows: who is counted where, whom a breaker holds, who may override it (behaviour §6, Breaker)."""

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from podhealth.core.breaker import Tally
from podhealth.core.errors import Conflict, Forbidden, InputError, NotFound
from podhealth.core.words import Action, Actor, BreakerScope, BreakerState, FeedKind, HealState, Mode, Phase, Role
from podhealth.models import AuditEntry, Breaker, BreakerHold, FeedEntry, Node, Notice, PodStatus
from podhealth.store import breakers, overrides
from podhealth.store.breakercounts import ScopeKey, count
from podhealth.store.db import db_now, read, write
from podhealth.store.tenancy import Scope
from tests.support import build

HELD = {"provider": "process", "provider_config": {"run_dir": "nowhere"}}
TENANT, NODE, VANTAGE = BreakerScope.TENANT, BreakerScope.NODE, BreakerScope.VANTAGE


class Pods:
    """Tenants with a policy of restarts, and pods of which some are ill."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine
        self.made = 0

    def tenant(self, name: str = "acme", **policy: Any) -> int:
        with write(self.engine) as conn:
            tenant_id = build.a_tenant(conn, name)
            build.a_policy(conn, tenant_id, **({"is_default": True} | policy))
        return tenant_id

    def node(self, name: str = "pve1") -> int:
        with write(self.engine) as conn:
            return int(conn.execute(sa.insert(Node).values(name=name, created_at=db_now(conn))).inserted_primary_key[0])

    def add(self, tenant_id: int, many: int, ill_for: float | None = None, **columns: Any) -> list[int]:
        """So many pods, whose check failed once ``ill_for`` seconds ago, or never."""
        check = {name: columns.pop(name) for name in ("severity", "enabled", "vantage") if name in columns}
        if ill_for is not None:
            columns = {"status": "degraded"} | columns
        with write(self.engine) as conn:
            pods = []
            for _ in range(many):
                self.made += 1
                pods.append(build.a_pod(conn, tenant_id, f"pod{self.made}", **(HELD | columns)))
                if ill_for is not None:
                    check |= {"failures": 1, "bad_since": db_now(conn) - timedelta(seconds=ill_for)}
                build.a_check(conn, pods[-1], **check)
        return pods

    def tally(self, scope: BreakerScope, key: object) -> Tally | None:
        with read(self.engine) as conn:
            return count(conn, db_now(conn)).tallies.get(ScopeKey(scope, str(key)))

    def run(self, work: Any) -> Any:
        with write(self.engine) as conn:
            return work(conn)

    def rows(self, query: sa.Select[Any]) -> list[sa.Row[Any]]:
        with read(self.engine) as conn:
            return list(conn.execute(query))

    def breaker(self, scope: BreakerScope = TENANT) -> sa.Row[Any] | None:
        found = self.rows(sa.select(Breaker.__table__).where(Breaker.scope == scope))
        return found[0] if found else None


@pytest.fixture
def pods(engine: sa.Engine) -> Pods:
    return Pods(engine)


def test_one_failure_makes_a_suspect_in_all_its_scopes(pods: Pods) -> None:
    tenant_id, node_id = pods.tenant(), pods.node()
    pods.add(tenant_id, 3, ill_for=1, node_id=node_id)
    pods.add(tenant_id, 9, node_id=node_id)
    pods.add(tenant_id, 1, vantage="afar")

    for scope, key, counted in ((TENANT, tenant_id, 13), (NODE, node_id, 12), (VANTAGE, "local", 12)):
        tally = pods.tally(scope, key)
        assert tally == Tally({tenant_id: 3}, counted)
        assert tally.limit == 3


def test_what_is_all_of_a_tenant_has_the_tenants_breaker_alone(pods: Pods) -> None:
    tenant_id, node_id = pods.tenant(), pods.node()
    pods.add(tenant_id, 3, ill_for=1, node_id=node_id)

    assert pods.tally(TENANT, tenant_id) == Tally({tenant_id: 3}, 3)
    assert pods.tally(NODE, node_id) is None
    assert pods.tally(VANTAGE, "local") is None


def test_few_suspects_are_not_even_counted(pods: Pods) -> None:
    tenant_id = pods.tenant()
    pods.add(tenant_id, 2, ill_for=1)

    assert pods.tally(TENANT, tenant_id) is None
    assert breakers.watch(pods.engine) == {}


@pytest.mark.parametrize(
    "columns",
    [
        pytest.param({"ill_for": 16 * 60}, id="ill for longer"),
        pytest.param({"ill_for": 1, "phase": Phase.MAINTENANCE}, id="in maintenance"),
        pytest.param({"ill_for": 1, "phase": Phase.STARTING}, id="starting"),
        pytest.param({"ill_for": 1, "provider": "none", "provider_config": None}, id="can only be told about"),
    ],
)
def test_who_is_in_neither_count(pods: Pods, columns) -> None:
    tenant_id = pods.tenant()
    pods.add(tenant_id, 3, ill_for=1)
    pods.add(tenant_id, 4, **columns)

    assert pods.tally(TENANT, tenant_id) == Tally({tenant_id: 3}, 3)


@pytest.mark.parametrize("check", [{"severity": "warning"}, {"enabled": False}], ids=["a warning", "a disabled check"])
def test_only_checks_that_can_make_the_pod_unhealthy_make_a_suspect(pods: Pods, check) -> None:
    tenant_id = pods.tenant()
    pods.add(tenant_id, 3, ill_for=1)
    pods.add(tenant_id, 4, ill_for=1, **check)

    assert pods.tally(TENANT, tenant_id) == Tally({tenant_id: 3}, 7)


@pytest.mark.parametrize(
    "policy",
    [{"mode": Mode.OFF}, {"enabled": False}, {"max_attempts": 0}, {"action": Action.NOTIFY_ONLY}],
    ids=["off", "not enabled", "only watches", "only tells"],
)
def test_pods_whose_policy_does_nothing_are_in_neither_count(pods: Pods, policy) -> None:
    tenant_id = pods.tenant(**policy)
    pods.add(tenant_id, 5, ill_for=1)

    assert pods.tally(TENANT, tenant_id) in (None, Tally({}, 0))
    breakers.watch(pods.engine)
    assert pods.breaker() is None


def test_exhausted_and_chronic_pods_are_in_neither_count(pods: Pods) -> None:
    tenant_id = pods.tenant()
    pods.add(tenant_id, 3, ill_for=1)
    exhausted, chronic, acknowledged = pods.add(tenant_id, 3, ill_for=1)

    def make(conn: sa.Connection) -> None:
        now = db_now(conn)
        build.an_episode(conn, exhausted, 1, exhausted_at=now)
        for pod_id in (chronic, acknowledged):
            for hour in range(6):
                at = now - timedelta(hours=hour, minutes=5)
                ended = {"state": HealState.SUCCEEDED, "triggered_at": at, "completed_at": at}
                build.a_heal(conn, pod_id, **ended, idempotency_key=f"{pod_id}-{hour}")
        conn.execute(sa.update(PodStatus).where(PodStatus.pod_id == acknowledged).values(chronic_acknowledged_at=now))

    pods.run(make)

    assert pods.tally(TENANT, tenant_id) == Tally({tenant_id: 4}, 4)


def test_a_pod_that_is_being_healed_is_a_suspect_though_it_starts(pods: Pods) -> None:
    tenant_id = pods.tenant()
    pods.add(tenant_id, 2, ill_for=1)
    (healed,) = pods.add(tenant_id, 1, phase=Phase.STARTING)
    pods.run(lambda conn: build.a_heal(conn, healed, state=HealState.VERIFYING))

    assert pods.tally(TENANT, tenant_id) == Tally({tenant_id: 3}, 3)


def test_a_selector_decides_which_policy_counts(pods: Pods) -> None:
    tenant_id = pods.tenant(selector=["web"], is_default=False)
    pods.add(tenant_id, 3, ill_for=1, tags=["web", "eu"])
    pods.add(tenant_id, 5, ill_for=1, tags=["db"])

    assert pods.tally(TENANT, tenant_id) == Tally({tenant_id: 3}, 3)


@pytest.mark.attack("A89")
def test_the_outage_of_one_tenant_holds_nobody_else_on_a_shared_node(pods: Pods) -> None:
    node_id = pods.node()
    ours, theirs = pods.tenant("ours"), pods.tenant("theirs")
    pods.add(ours, 20, ill_for=1, node_id=node_id)
    pods.add(theirs, 5, node_id=node_id)
    breakers.watch(pods.engine)

    assert pods.tally(NODE, node_id) == Tally({ours: 20}, 25, is_shared=True)
    assert (pods.breaker(NODE), pods.breaker(VANTAGE)) == (None, None)
    assert [row.scope_key for row in pods.rows(sa.select(Breaker.scope_key))] == [str(ours)]


def test_an_outage_of_a_shared_node_opens_its_breaker_and_all_its_tenants_are_noted(pods: Pods) -> None:
    node_id = pods.node()
    tenants = [pods.tenant(name) for name in ("one", "two", "three")]
    for tenant_id in tenants:
        pods.add(tenant_id, 1, ill_for=1, node_id=node_id)
        pods.add(tenant_id, 20)
    breakers.watch(pods.engine)

    assert pods.breaker(NODE).state == BreakerState.OPEN
    assert pods.breaker(TENANT) is None
    noted = pods.rows(sa.select(FeedEntry.tenant_id).where(FeedEntry.kind == FeedKind.BREAKER))
    assert {row.tenant_id for row in noted} == set(tenants)
    told = pods.rows(sa.select(Notice.tenant_id))
    assert {row.tenant_id for row in told} == set(tenants)


def test_a_breaker_that_opens_has_the_pods_judged_that_are_in_the_middle_of_it(pods: Pods) -> None:
    tenant_id = pods.tenant()
    ill = pods.add(tenant_id, 3, ill_for=1)
    pods.run(lambda conn: build.an_episode(conn, ill[0], 1))
    breakers.watch(pods.engine)

    due = pods.rows(sa.select(PodStatus.pod_id).where(PodStatus.judge_at.is_not(None)))
    assert [row.pod_id for row in due] == ill[:1]


def test_counting_again_without_a_change_writes_nothing(pods: Pods) -> None:
    pods.add(pods.tenant(), 3, ill_for=1)
    first = breakers.watch(pods.engine)

    assert first != {}
    assert breakers.watch(pods.engine) == {}


def test_what_it_held_is_let_go_when_it_closes(pods: Pods) -> None:
    tenant_id = pods.tenant()
    (held,) = pods.add(tenant_id, 1)

    def make(conn: sa.Connection) -> None:
        now = db_now(conn)
        values = {"scope": TENANT, "scope_key": str(tenant_id), "state": BreakerState.OPEN, "opened_at": now}
        values |= {"calm_since": now - timedelta(minutes=5), "updated_at": now}
        breaker_id = conn.execute(sa.insert(Breaker).values(**values)).inserted_primary_key[0]
        hold = {"breaker_id": breaker_id, "pod_id": held, "tenant_id": tenant_id, "since": now}
        conn.execute(sa.insert(BreakerHold).values(**hold))

    pods.run(make)
    breakers.watch(pods.engine)

    assert pods.breaker().state == BreakerState.CLOSED
    assert pods.rows(sa.select(BreakerHold.pod_id)) == []
    assert pods.rows(sa.select(PodStatus.judge_at).where(PodStatus.pod_id == held))[0].judge_at is not None


def who(tenant_id: int, role: Role = Role.ADMIN) -> Scope:
    return Scope(tenant_id, role, Actor.USER, "ann")


def hour(conn: sa.Connection, hours: float = 1) -> Any:
    return db_now(conn) + timedelta(hours=hours)


def test_an_admin_overrides_the_tenants_breaker_for_a_while_and_it_is_audited(pods: Pods) -> None:
    tenant_id = pods.tenant()
    key = str(tenant_id)
    pods.run(lambda conn: overrides.override(conn, who(tenant_id), TENANT, key, hour(conn), "switch rebooted"))
    row = pods.breaker()

    assert (row.state, row.override_by, row.override_reason) == (BreakerState.CLOSED, "ann", "switch rebooted")
    pods.run(lambda conn: overrides.end_override(conn, who(tenant_id), TENANT, key))
    assert pods.breaker().override_until is None
    audited = pods.rows(sa.select(AuditEntry.what).order_by(AuditEntry.seq))
    assert [entry.what for entry in audited] == ["breaker overridden", "breaker override ended"]
    with pytest.raises(Conflict, match="not overridden"):
        pods.run(lambda conn: overrides.end_override(conn, who(tenant_id), TENANT, key))


@pytest.mark.parametrize(
    ("scope", "key", "role", "hours", "reason", "error"),
    [
        pytest.param(TENANT, "own", Role.OPERATOR, 1, "why", Forbidden, id="an operator"),
        pytest.param(TENANT, "999", Role.ADMIN, 1, "why", NotFound, id="another tenant"),
        pytest.param(NODE, "1", Role.ADMIN, 1, "why", Forbidden, id="a node is the platform's"),
        pytest.param(VANTAGE, "local", Role.ADMIN, 1, "why", Forbidden, id="a vantage is the platform's"),
        pytest.param(NODE, "999", Role.PLATFORM, 1, "why", NotFound, id="no such node"),
        pytest.param(NODE, "x", Role.PLATFORM, 1, "why", NotFound, id="no node's id"),
        pytest.param(VANTAGE, "moon", Role.PLATFORM, 1, "why", NotFound, id="no such vantage"),
        pytest.param(TENANT, "own", Role.ADMIN, 24.01, "why", InputError, id="too long"),
        pytest.param(TENANT, "own", Role.ADMIN, 0, "why", InputError, id="past"),
        pytest.param(TENANT, "own", Role.ADMIN, 1, "", InputError, id="without a reason"),
    ],
)
def test_who_may_not_override_what(pods: Pods, scope, key, role, hours, reason, error) -> None:
    tenant_id = pods.tenant()
    pods.add(tenant_id, 1)
    key = str(tenant_id) if key == "own" else key

    with pytest.raises(error):
        pods.run(lambda conn: overrides.override(conn, who(tenant_id, role), scope, key, hour(conn, hours), reason))
    assert pods.breaker(scope) is None


def test_the_platform_overrides_the_breaker_of_a_node(pods: Pods) -> None:
    tenant_id, node_id = pods.tenant(), pods.node()
    platform = who(tenant_id, Role.PLATFORM)
    pods.run(lambda conn: overrides.override(conn, platform, NODE, str(node_id), hour(conn), "known"))

    assert pods.breaker(NODE).override_by == "ann"
