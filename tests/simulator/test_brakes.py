"""The simulator's brakes: which scopes have a breaker, and how long a heal keeps its place on a node (behaviour §6)."""

from datetime import timedelta

import pytest

from podhealth.core.words import BreakerScope
from podhealth.simulator.engine import begin
from podhealth.simulator.scenario import parse_scenario
from podhealth.simulator.simulate import run

FLEET = """
name: small
harm: none
lasts: 1h
tenants: {acme: {policies: [{name: standard, action: restart, isDefault: true}]}}
pods: [{name: web, count: 2, nodes: [n1], boot: 90sPODS}]
faults: [{kind: dies, pods: [web-1, web-2], at: 20m}]
expect: {heals: 2}
"""
OTHERS = "}, {name: db, count: 40, nodes: [n2, n3]"


@pytest.mark.parametrize(("others", "nodes"), [("", set()), (OTHERS, {"n1", "n2", "n3"})], ids=["all", "some"])
def test_a_node_that_has_all_of_a_tenant_has_no_breaker_of_its_own(others: str, nodes: set[str]) -> None:
    brakes = begin(parse_scenario(FLEET.replace("PODS", others), "small")).brakes

    assert {scope.name for scope in brakes.scopes if scope.scope == BreakerScope.NODE} == nodes
    assert [scope.name for scope in brakes.scopes if scope.scope == BreakerScope.TENANT] == ["acme"]


def test_a_heal_keeps_its_node_until_its_pod_has_started() -> None:
    pods = run(parse_scenario(FLEET.replace("PODS", OTHERS), "small"), 5).pods
    first, second = sorted((pod.heals[0] for pod in pods if pod.heals), key=lambda heal: heal.triggered_at)

    assert (first.pod.machine.node, second.pod.machine.node) == ("n1", "n1")
    assert second.triggered_at - first.action_ended_at >= timedelta(seconds=90)


def test_a_heal_that_is_over_keeps_its_node_while_its_pod_starts() -> None:
    after = run(parse_scenario(FLEET.replace("PODS", OTHERS), "small"), 5)
    heal = next(pod.heals[0] for pod in after.pods if pod.heals)
    after.brakes.take_slot(heal)
    heal.pod.hand.starting_since = 1
    is_freed_early = after.brakes.free_slot(heal.pod)
    heal.pod.hand.starting_since = None
    is_freed = after.brakes.free_slot(heal.pod)

    assert (is_freed_early, is_freed, after.brakes.slots) == (False, True, {})
