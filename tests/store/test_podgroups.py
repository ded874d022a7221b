"""The list of pods in groups by node or tag, with their figures; on both databases."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import sqlalchemy as sa

from podhealth.models import Breaker, Node
from podhealth.store.db import db_now, read, write
from podhealth.store.podfilters import GroupBy, Sort, Wanted
from podhealth.store.podlist import Found, find_pods
from tests.support.build import a_pod, a_tenant

See = Callable[..., Found]


@pytest.fixture
def tenant(engine: sa.Engine) -> int:
    with write(engine) as conn:
        return a_tenant(conn)


@pytest.fixture
def see(engine: sa.Engine, tenant: int) -> See:
    """``see(GroupBy.NODE, page=2, size=3, statuses=…)``: what a page of the grouped list finds."""

    def seeing(group: GroupBy, page: int = 1, size: int = 100, **wanted: Any) -> Found:
        with read(engine) as conn:
            return find_pods(conn, tenant, db_now(conn), Wanted(group=group, **wanted), page, size)

    return seeing


@pytest.fixture
def nodes(engine: sa.Engine, tenant: int) -> dict[str, int]:
    with write(engine) as conn:
        insert = sa.insert(Node)
        return {
            name: conn.execute(
                insert.values(tenant_id=tenant, name=name, created_at=db_now(conn))
            ).inserted_primary_key[0]
            for name in ("n1", "n2", "N3")
        }


def make(engine: sa.Engine, tenant: int, *pods: tuple[str, dict[str, Any]]) -> dict[str, int]:
    with write(engine) as conn:
        return {name: a_pod(conn, tenant, name, **({"status": "healthy"} | columns)) for name, columns in pods}


def told(found: Found) -> list[tuple[str | None, str, int, int]]:
    return [(p.group.name, p.group.worst, p.group.sick, p.group.pods) for p in found.parts]


def test_a_node_says_how_its_worst_pod_is_and_how_many_are_unhealthy(engine, tenant, nodes, see):
    make(
        engine,
        tenant,
        ("a", {"node_id": nodes["n1"]}),
        ("b", {"node_id": nodes["n2"], "status": "unhealthy"}),
        ("c", {"node_id": nodes["n2"], "status": "unhealthy", "phase": "maintenance"}),
        ("d", {"node_id": nodes["n2"]}),
        ("e", {"node_id": nodes["N3"], "status": "degraded"}),
        ("f", {}),
        ("g", {"node_id": nodes["n1"], "phase": "stopped", "status": "unknown"}),
    )

    found = see(GroupBy.NODE)

    worst_first = [("n2", "unhealthy", 1, 3), ("N3", "degraded", 0, 1), ("n1", "healthy", 0, 2)]
    assert told(found) == [*worst_first, (None, "healthy", 0, 1)]
    assert [p.group.is_calm for p in found.parts] == [False, False, True, True]
    assert [name for name, *_ in told(see(GroupBy.NODE, sort=Sort.NAME))] == ["n1", "n2", "N3", None]


def test_only_the_nodes_whose_breaker_holds_are_marked(engine, tenant, nodes, see):
    make(engine, tenant, *((name, {"node_id": node_id}) for name, node_id in nodes.items()))
    with write(engine) as conn:
        now = db_now(conn)
        for name, state in (("n1", "open"), ("n2", "closed")):
            breaker = {"scope": "node", "scope_key": str(nodes[name]), "state": state, "updated_at": now}
            conn.execute(sa.insert(Breaker).values(**breaker))

    assert [p.group.name for p in see(GroupBy.NODE).parts if p.group.is_held] == ["n1"]


def ids(found: Found) -> list[tuple[str | None, Sequence[int], Sequence[int]]]:
    return [(p.group.name, p.pod_ids, p.also) for p in found.parts]


def test_a_pod_with_several_tags_is_in_each_and_shown_in_full_once(engine, tenant, see):
    made = make(engine, tenant, ("a", {"tags": ["x", "y"]}), ("b", {"tags": ["y"]}), ("c", {}))
    a, b, c = made.values()

    found = see(GroupBy.TAG, sort=Sort.NAME)

    assert ids(found) == [("x", (a,), ()), ("y", (b,), (a,)), (None, (c,), ())]
    assert (found.matching, found.rows, found.pod_ids) == (3, 4, (a, b, c))


def test_pages_are_cut_by_pods_and_a_group_goes_on(engine, tenant, nodes, see):
    made = make(
        engine,
        tenant,
        *((f"a{n}", {"node_id": nodes["n1"]}) for n in range(3)),
        *((f"b{n}", {"node_id": nodes["n2"]}) for n in range(2)),
    )

    pages = [see(GroupBy.NODE, page=page, size=2, sort=Sort.NAME) for page in (1, 2, 3)]

    assert [pod_id for page in pages for pod_id in page.pod_ids] == list(made.values())
    assert [[p.group.name for p in page.parts] for page in pages] == [["n1"], ["n1", "n2"], ["n2"]]
    assert [[p.is_rest for p in page.parts] for page in pages] == [[False], [True, False], [True]]
    assert {page.pages for page in pages} == {3}


def test_a_groups_figures_are_of_all_its_pods_whatever_matches(engine, tenant, nodes, see):
    on = {"node_id": nodes["n1"]}
    make(engine, tenant, ("a", on | {"status": "unhealthy"}), ("b", on), ("c", {"node_id": nodes["n2"]}))

    (part,) = see(GroupBy.NODE, statuses=("healthy",), words=("b",)).parts

    assert (part.group.name, part.group.worst, part.group.sick, part.group.pods) == ("n1", "unhealthy", 1, 2)
    assert (part.matching, len(part.pod_ids)) == (1, 1)


def test_groups_are_of_what_matches_and_of_the_own_tenant(engine, tenant, nodes, see):
    with write(engine) as conn:
        zeta = a_tenant(conn, "zeta")
    make(engine, zeta, ("theirs", {"tags": ["secret"]}))
    make(engine, tenant, ("a", {"tags": ["x"]}), ("b", {"tags": ["y"], "status": "unhealthy"}))

    assert told(see(GroupBy.TAG)) == [("y", "unhealthy", 1, 1), ("x", "healthy", 0, 1)]
    assert see(GroupBy.TAG, words=("nothing",)).parts == ()
    assert told(see(GroupBy.TAG, words=("a",))) == [("x", "healthy", 0, 1)]
