"""The simulated healer and the one over the database decide alike: the same short lives, the same decisions in a row.

Both see a result every five seconds; the database's pod is kept by a real process host.
"""

from collections.abc import Callable
from itertools import groupby
from typing import Any

import pytest

from podhealth.core.words import HealState
from podhealth.simulator.scenario import parse_scenario
from podhealth.simulator.simulate import run
from tests.healing.conftest import a_world, host  # noqa: F401 - fixtures
from tests.healing.world import World

Said = tuple[str, str | None, str | None]
POLICY = {"cooldown_minutes": 0, "sustained_health_s": 60, "max_attempts": 2}
FIELDS = (
    "name: p, isDefault: true, healthyDelay: 5, startDeadline: 20, verifyTimeout: 60, cooldownMinutes: 0,"
    " sustainedHealth: 60, maxAttempts: 2"
)
CHECK = "{checkType: http, intervalSeconds: 5, timeoutSeconds: 1, failureThreshold: 3}"


def once_each(decisions: list[Said]) -> list[Said]:
    return [said for said, _ in groupby(decisions)]


def simulated(fault: str, action: str = "restart") -> list[Said]:
    text = f"""
name: life
harm: none
lasts: 6m
references: {{local: 0}}
tenants: {{acme: {{policies: [{{{FIELDS}, action: {action}}}]}}}}
pods: [{{name: web, provider: process, boot: 3s, actionTakes: 0s, checks: [{CHECK}]}}]
faults: [{{{fault}, at: 30s}}]
"""
    (pod,) = run(parse_scenario(text, "life")).pods
    return once_each([(s.answer.value, s.gate and s.gate.value, s.action and s.action.value) for s in pod.said])


def lived(world: World, is_ill: Callable[[list[Any]], bool]) -> list[Said]:
    """Live as long in the database, ill or not as its heals so far say, and return the decisions."""
    world.probe("ok")
    for _ in range(66):
        world.probe("fail" if is_ill(world.heals()) else "ok", every_s=3.8)
        world.advance(1.2)
        world.settle()
    said = [(d.answer.value, d.gate and d.gate.value, d.action and d.action.value) for d in world.decisions()]
    return once_each(said)


@pytest.mark.slow
def test_a_restart_that_helps_is_decided_alike(a_world: Callable[..., World]) -> None:  # noqa: F811 - the fixture
    stored = lived(a_world(**POLICY), lambda heals: not heals or heals[0].action_ended_at is None)

    assert stored == simulated("kind: dies")
    assert ("act", None, "restart") in stored
    assert stored[-1][0] == "nothing"


@pytest.mark.slow
def test_restarts_that_do_not_help_are_decided_alike(a_world: Callable[..., World]) -> None:  # noqa: F811
    world = a_world(**POLICY)
    stored = lived(world, lambda _: True)

    assert stored == simulated("kind: badDeploy")
    assert stored.count(("act", None, "restart")) == 2
    assert stored[-1] == ("hold", "ladder", None)
    assert {heal.state for heal in world.heals()} == {HealState.FAILED}


@pytest.mark.slow
def test_a_policy_that_only_tells_is_decided_alike(a_world: Callable[..., World]) -> None:  # noqa: F811
    stored = lived(a_world(**POLICY, action="notify_only"), lambda _: True)

    assert stored == simulated("kind: badDeploy", "notify_only")
    assert ("act", None, "notify_only") in stored
