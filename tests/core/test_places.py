"""When a node is unreachable and a vantage blind, and when they are back (behaviour §6, Node and vantage)."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from podhealth.core.places import (
    NodeSight,
    PodSight,
    ReferenceSight,
    Share,
    is_node_back,
    newest_good,
    sees_by_pods,
    sees_by_references,
    why_blind,
    why_blind_by_pods,
    why_unreachable,
)

NOW = datetime(2026, 11, 24, 10, 0, 0, tzinfo=UTC)
SILENT = "its provider does not answer and all pods on it fail"


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def a_pod(tenant_id: int = 1, *kinds: str, **changed: object) -> PodSight:
    return replace(PodSight(tenant_id, frozenset(kinds or ("ping",)), ago(20)), **changed)


OF_TWO_TENANTS = (a_pod(1), a_pod(1), a_pod(2))
OF_ONE_TENANT = (a_pod(1), a_pod(1), a_pod(1))
HEALTHY = PodSight(2, frozenset(), None, ago(3))


@pytest.mark.parametrize(
    ("node", "reason"),
    [
        pytest.param(NodeSight(said_down_at=ago(59)), "its provider says that it is down", id="said down"),
        pytest.param(NodeSight(said_down_at=ago(60)), None, id="said down too long ago"),
        pytest.param(
            NodeSight(said_down_at=ago(5), said_up_at=ago(1)),
            "its provider says that it is down",
            id="any answer of down counts, whoever else says up",
        ),
        pytest.param(NodeSight(pods=OF_TWO_TENANTS), SILENT, id="silent, three pods of two tenants"),
        pytest.param(
            NodeSight(pods=(a_pod(1, "http"), a_pod(1, "ping"), a_pod(1))), SILENT, id="silent, one tenant, two kinds"
        ),
        pytest.param(NodeSight(pods=OF_ONE_TENANT), None, id="silence of one tenant's pods of one kind proves nothing"),
        pytest.param(NodeSight(pods=OF_TWO_TENANTS[1:]), None, id="two pods are too few"),
        pytest.param(NodeSight(pods=(*OF_TWO_TENANTS, HEALTHY)), None, id="one pod answers"),
        pytest.param(NodeSight(said_up_at=ago(30), pods=OF_TWO_TENANTS), None, id="its provider says that it is up"),
        pytest.param(
            NodeSight(said_up_at=ago(30), refused_at=ago(2), pods=OF_TWO_TENANTS), SILENT, id="no answer any more"
        ),
        pytest.param(NodeSight(said_up_at=ago(61), pods=OF_TWO_TENANTS), SILENT, id="said up too long ago"),
        pytest.param(
            NodeSight(pods=(*OF_TWO_TENANTS[:2], a_pod(2, answered_at=ago(10)))),
            None,
            id="answered another check since",
        ),
        pytest.param(
            NodeSight(pods=(*OF_TWO_TENANTS[:2], a_pod(2, answered_at=ago(21)))), SILENT, id="answered before it failed"
        ),
        pytest.param(
            NodeSight(pods=tuple(replace(p, is_vantage_blind=True) for p in OF_TWO_TENANTS)), None, id="seen blindly"
        ),
        pytest.param(
            NodeSight(pods=tuple(replace(p, has_references=True, trusted_since=ago(21)) for p in OF_TWO_TENANTS)),
            None,
            id="the prober's own network is not proven since the fails began",
        ),
        pytest.param(
            NodeSight(pods=tuple(replace(p, has_references=True, trusted_since=ago(19)) for p in OF_TWO_TENANTS)),
            SILENT,
            id="a reference has answered since",
        ),
    ],
)
def test_a_node_is_unreachable_when_it_is_said_or_all_is_silent(node: NodeSight, reason: str | None) -> None:
    assert why_unreachable(node, NOW) == reason


@pytest.mark.parametrize(
    ("node", "answered_at", "is_back"),
    [
        pytest.param(NodeSight(said_up_at=ago(1)), None, True, id="said up"),
        pytest.param(NodeSight(said_up_at=ago(301)), None, False, id="said up before"),
        pytest.param(NodeSight(said_down_at=ago(70), said_up_at=ago(80)), None, False, id="said down after said up"),
        pytest.param(NodeSight(said_down_at=ago(50), said_up_at=ago(1)), ago(1), False, id="said down of late"),
        pytest.param(NodeSight(), ago(1), True, id="a pod answers"),
        pytest.param(NodeSight(), ago(301), False, id="a pod had answered before"),
        pytest.param(NodeSight(), None, False, id="nobody says anything"),
    ],
)
def test_a_node_is_back_when_its_provider_or_a_pod_says_so(
    node: NodeSight, answered_at: datetime | None, is_back: bool
) -> None:
    assert is_node_back(node, answered_at, ago(300), NOW) == is_back


def a_reference(target: str = "10.0.0.1", fails: int = 2, **changed: object) -> ReferenceSight:
    return replace(ReferenceSight(target, ago(4), ago(30), fails), **changed)


@pytest.mark.parametrize(
    ("references", "is_blind"),
    [
        pytest.param([a_reference(), a_reference("10.0.0.2")], True, id="all failed twice"),
        pytest.param([a_reference(), a_reference("10.0.0.2", 1)], False, id="one failed once"),
        pytest.param([a_reference(), a_reference("10.0.0.2", 0)], False, id="one answers"),
        pytest.param([a_reference()], False, id="one alone is not asked"),
        pytest.param([], False, id="none"),
        pytest.param([a_reference(), a_reference("10.0.0.2", begun_at=ago(31))], False, id="asked too long ago"),
        pytest.param([a_reference(), a_reference("10.0.0.2", begun_at=None)], False, id="never asked"),
    ],
)
def test_a_vantage_is_blind_when_all_its_references_fail_twice(
    references: list[ReferenceSight], is_blind: bool
) -> None:
    assert (why_blind(references, NOW) is not None) == is_blind


def test_the_reason_tells_no_tenant_of_the_nodes_of_another() -> None:
    reason = why_blind([a_reference("10.0.0.2"), a_reference("10.0.0.1")], NOW)

    assert reason == "none of its reference targets answers"


def test_a_vantage_sees_again_by_a_reference_begun_after_it_went_blind() -> None:
    late, early = a_reference(good_begun_at=ago(9)), a_reference("10.0.0.2", good_begun_at=ago(11))

    assert sees_by_references([late, early], ago(10))
    assert not sees_by_references([early], ago(10))
    assert not sees_by_references([a_reference(good_begun_at=None)], ago(10))
    assert newest_good([early, late]) == ago(9)
    assert newest_good([]) is None


def shares(failing: int, tenants: int = 3, nodes: int = 3, pods: int = 10) -> list[Share]:
    """One tenant a node, more tenants on the last; ``failing`` of each one's pods."""
    return [Share(n, min(n, nodes), pods, failing, pods) for n in range(1, tenants + 1)]


@pytest.mark.parametrize(
    ("found", "is_blind"),
    [
        pytest.param(shares(10), True, id="all fail"),
        pytest.param(shares(9), True, id="over 80 %"),
        pytest.param(shares(8), False, id="80 % are not over 80 %"),
        pytest.param(shares(10, tenants=2, nodes=2), False, id="two tenants"),
        pytest.param(shares(10, tenants=3, nodes=2), False, id="two nodes"),
        pytest.param(shares(2, pods=2), False, id="two pods each"),
        pytest.param([*shares(10), Share(4, 4, 20, 0, 20)], False, id="a large node stands"),
        pytest.param([*shares(10), Share(4, 4, 2, 0, 2)], True, id="a small node is not counted"),
        pytest.param([], False, id="none"),
    ],
)
def test_without_references_a_vantage_is_blind_when_nearly_all_fails(found: list[Share], is_blind: bool) -> None:
    assert (why_blind_by_pods(found) is not None) == is_blind


@pytest.mark.parametrize(
    ("found", "sees"),
    [
        pytest.param(shares(8), True, id="enough answer"),
        pytest.param(shares(9), False, id="still nearly all fail"),
        pytest.param([replace(s, failing=0, probed=4) for s in shares(0)], False, id="too few probed to tell"),
        pytest.param([replace(s, failing=3, probed=5) for s in shares(0)], True, id="half probed"),
        pytest.param([], True, id="nothing left to tell by"),
    ],
)
def test_without_references_a_vantage_sees_again_when_pods_answer(found: list[Share], sees: bool) -> None:
    assert sees_by_pods(found) == sees
