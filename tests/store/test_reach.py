"""How many pods a policy governs, or would: the same as judging each pod by itself (behaviour §6, Binding)."""

from itertools import combinations

import pytest
import sqlalchemy as sa

from podhealth.core.ladder import PolicyRules
from podhealth.core.words import Actor, ProviderKind, Role
from podhealth.models import Pod, Policy
from podhealth.store import policies, policy_versions, reach
from podhealth.store.db import db_now, read, write
from podhealth.store.reach import Reach, Staying
from podhealth.store.tenancy import Scope
from tests.support import build

NONE, PROCESS = ProviderKind.NONE, ProviderKind.PROCESS


@pytest.fixture
def scope(engine) -> Scope:
    """acme with a default policy, one for tag db of priority 20; zeta's pods and policies stand beside."""
    with write(engine) as conn:
        zeta = build.a_tenant(conn, "zeta")
        build.a_pod(conn, zeta, "theirs", tags=["web"])
        build.a_policy(conn, zeta, "theirs", selector=["web"], priority=1000)
        acme = Scope(build.a_tenant(conn), Role.ADMIN, Actor.USER, "ann")
        db = build.a_policy(conn, acme.tenant_id, "db", selector=["db"], priority=20)
        build.a_policy(conn, acme.tenant_id, "all", is_default=True)
        for number in range(3):
            build.a_pod(conn, acme.tenant_id, f"web-{number}", tags=["web"], provider=PROCESS)
        build.a_pod(conn, acme.tenant_id, "both", tags=["web", "db"], provider=PROCESS)
        build.a_pod(conn, acme.tenant_id, "plain")
        build.a_pod(conn, acme.tenant_id, "chosen", policy_id=db)
        build.a_pod(conn, acme.tenant_id, "gone", tags=["web"], deleted_at=db_now(conn))
    return acme


def reach_of(engine, scope, policy_id=None, **rules) -> Reach:
    with read(engine) as conn:
        return reach.reach_of(conn, scope, PolicyRules("draft", **rules), policy_id)


def named(engine, scope, name):
    with read(engine) as conn:
        return next(row for row in policies.list_policies(conn, scope) if row.name == name)


def at(engine, scope, name, priority, pods) -> Staying:
    return Staying(name, priority, pods, named(engine, scope, name).id)


def test_pods_are_counted_by_the_policy_that_governs_them(engine, scope) -> None:
    with read(engine) as conn:
        counts = reach.bound_pods(conn, scope)

    assert counts == {named(engine, scope, "db").id: 2, named(engine, scope, "all").id: 4}


def test_the_count_agrees_with_judging_each_pod(engine, scope) -> None:
    with read(engine) as conn:
        pods = conn.execute(sa.select(Pod.__table__).where(Pod.tenant_id == scope.tenant_id, Pod.deleted_at.is_(None)))
        each = [policies.effective_for(conn, pod).row.id for pod in pods.all()]
        counts = reach.bound_pods(conn, scope)

    assert counts == {policy_id: each.count(policy_id) for policy_id in each}


def test_pods_without_a_policy_are_counted_under_none(engine, scope) -> None:
    with write(engine) as conn:
        policies.delete_policy(conn, scope, named(engine, scope, "all").id)
        counts = reach.bound_pods(conn, scope)

    assert counts == {named(engine, scope, "db").id: 2, None: 4}


def test_lists_ask_in_sql_what_judging_each_pod_says(engine, scope) -> None:
    tags = ("web", "db", "it's")
    with write(engine) as conn:
        mine = scope.tenant_id
        old = build.a_policy(conn, mine, "old", selector=["web"], priority=20, deleted_at=db_now(conn))
        made = [
            build.a_policy(conn, mine, f"{n}", selector=of, priority=priority)
            for n, (of, priority) in enumerate(
                [(["web"], 5), (["web"], 5), (["web", "it's"], 20), (["it's"], -3), ([], 99), (["nobody"], 100)]
            )
        ]
        for n, chosen in enumerate((None, old, made[1], made[4])):
            for size in range(4):
                for worn in combinations(tags, size):
                    build.a_pod(conn, mine, f"p{n}-{'-'.join(worn)}", tags=list(worn), policy_id=chosen)

    for _ in range(2):
        with write(engine) as conn:
            pods = conn.execute(sa.select(Pod.__table__).where(Pod.tenant_id == mine)).all()
            judged = {pod.id: policies.effective_for(conn, pod).row for pod in pods}
            said = dict(
                conn.execute(sa.select(Pod.id, reach.governing(conn, scope)).where(Pod.tenant_id == mine)).all()
            )
            assert said == {pod_id: row and row.id for pod_id, row in judged.items()}
            conn.execute(sa.update(Policy).where(Policy.name == "all").values(deleted_at=db_now(conn)))
    assert None in said.values()


def test_counting_sends_two_statements(engine, scope, count_queries) -> None:
    with read(engine) as conn, count_queries(engine, at_most=2):
        reach.bound_pods(conn, scope)


def test_a_draft_for_tags_says_what_it_wins_and_what_stays(engine, scope) -> None:
    draft = reach_of(engine, scope, selector=("web",), priority=10)

    assert draft == Reach({PROCESS: 3}, (at(engine, scope, "db", 20, 1),), (at(engine, scope, "all", 0, 3),))
    assert draft.pods == 3


def test_a_draft_of_higher_priority_wins_them_all(engine, scope) -> None:
    found = reach_of(engine, scope, selector=("web",), priority=21)

    assert found == Reach({PROCESS: 4}, (), (at(engine, scope, "db", 20, 1), at(engine, scope, "all", 0, 3)))


def test_of_equal_priority_the_older_policy_wins(engine, scope) -> None:
    assert reach_of(engine, scope, selector=("db",), priority=20) == Reach({}, (at(engine, scope, "db", 20, 1),))


def test_a_draft_as_default_takes_over_from_the_default(engine, scope) -> None:
    assert reach_of(engine, scope, is_default=True) == Reach(
        {PROCESS: 3, NONE: 1}, (), (at(engine, scope, "all", 0, 4),)
    )


def test_a_draft_that_applies_to_nobody_reaches_nobody(engine, scope) -> None:
    assert reach_of(engine, scope) == Reach({})


def test_a_changed_policy_keeps_the_pods_that_chose_it(engine, scope) -> None:
    db = named(engine, scope, "db")

    assert reach_of(engine, scope, db.id) == Reach({NONE: 1})


def test_tags_in_use_come_the_commonest_first(engine, scope) -> None:
    with read(engine) as conn:
        assert reach.tags_in_use(conn, scope) == ["web", "db"]
        assert reach.tags_in_use(conn, scope, most=1) == ["web"]


def test_a_version_is_the_tenants_own_and_says_who_saved_it(engine, scope) -> None:
    with write(engine) as conn:
        saved = policies.save_policy(conn, scope, {"name": "new", "action": "restart"})
        version = policy_versions.get_version(conn, scope, saved.id, 1)
        stranger = scope._replace(tenant_id=scope.tenant_id - 1)

        assert version is not None
        assert (version.number, version.by, version.fields["name"]) == (1, "ann", "new")
        assert policy_versions.get_version(conn, scope, saved.id, 2) is None
        assert policy_versions.get_version(conn, stranger, saved.id, 1) is None
