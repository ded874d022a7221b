"""What a heal that a person asks for obeys, and what it passes over (behaviour §6, Heal now)."""

from dataclasses import replace

import pytest
from hypothesis import given

from podhealth.core.decide import SKIPPED_BY_HEAL_NOW
from podhealth.core.facts import LastHeal, SnoozeFacts, Switch
from podhealth.core.heal_now import heal_now
from podhealth.core.ladder import PolicyRules, Rung, Step
from podhealth.core.words import Action, Answer, BreakerScope, Gate, KillScope, Mode, Role
from tests.core.healfacts import a_sick_check, ago, ahead, ready
from tests.core.test_decide import BRAKES, FACTS

RESTART = Rung(Step(Action.RESTART, 3), 1, 1, 3)


def test_with_all_gates_open_it_holds_nothing_and_passes_over_nothing() -> None:
    asked = heal_now(ready(), RESTART)

    assert (asked.refusal, asked.holds, asked.passes) == (None, (), ())
    assert (asked.decided.answer, asked.decided.rung) == (Answer.ACT, RESTART)


@pytest.mark.parametrize("gate", sorted(SKIPPED_BY_HEAL_NOW))
def test_each_gate_that_it_skips_is_named_with_its_reason(gate) -> None:
    asked = heal_now(ready(**BRAKES[gate]), RESTART)

    assert [passed.gate for passed in asked.passes] == [gate]
    assert asked.passes[0].answer.reason
    assert asked.holds == ()


@pytest.mark.parametrize("gate", sorted(set(Gate) - SKIPPED_BY_HEAL_NOW))
def test_each_gate_that_it_obeys_holds_with_its_reason_and_what_ends_it(gate) -> None:
    asked = heal_now(ready(**BRAKES[gate]), RESTART)

    assert [hold.gate for hold in asked.holds] == [gate]
    assert asked.refusal == asked.decided.reason == asked.holds[0].answer.reason
    assert asked.holds[0].lift.how


@given(FACTS)
def test_it_may_be_done_exactly_where_nothing_holds(changed) -> None:
    asked = heal_now(ready(**changed), RESTART)

    assert (asked.decided.answer == Answer.ACT) == (asked.holds == ())
    assert asked.refusal == (None if not asked.holds else asked.decided.reason)


def test_all_that_holds_is_named_in_the_order_of_the_gates() -> None:
    asked = heal_now(ready(**BRAKES[Gate.BREAKER], **BRAKES[Gate.KILL_SWITCH], **BRAKES[Gate.SNOOZE]), RESTART)

    assert [hold.gate for hold in asked.holds] == [Gate.KILL_SWITCH, Gate.SNOOZE, Gate.BREAKER]


def test_a_pod_without_provider_cannot_be_healed() -> None:
    asked = heal_now(ready(has_provider=False), RESTART)

    assert asked.refusal == "The pod has no provider that could act."
    assert asked.holds[0].lift == (Role.ADMIN, "give it a provider")


@pytest.mark.parametrize(
    ("changed", "role", "how"),
    [
        ({"switch": Switch(KillScope.POD, "web-1", "ann", "move", ahead(hours=1))}, Role.OPERATOR, "end it"),
        ({"switch": Switch(KillScope.TENANT, "acme", "ann", "move", ahead(hours=1))}, Role.ADMIN, "end it"),
        ({"switch": Switch(KillScope.SYSTEM, "", "op", "fire", ahead(hours=1))}, Role.PLATFORM, "end it"),
        ({"snooze": SnoozeFacts("ann", "disk", ahead(hours=1))}, Role.OPERATOR, "end the snooze"),
        ({"snooze": SnoozeFacts("ann", "disk", ahead(hours=1), "Maintenance")}, Role.OPERATOR, "end the window"),
        ({"last_heal": LastHeal(ago(hours=1), None, "401")}, Role.OPERATOR, "reset its healing"),
        ({"checks": (a_sick_check(is_enabled=False),)}, Role.ADMIN, "add or enable a check"),
        (BRAKES[Gate.BREAKER], Role.ADMIN, "let heals pass it"),
        (
            {"breakers": (replace(BRAKES[Gate.BREAKER]["breakers"][0], scope=BreakerScope.NODE),)},
            Role.PLATFORM,
            "let heals pass it",
        ),
        (BRAKES[Gate.NODE], None, "It ends when the node answers again."),
    ],
)
def test_who_may_end_what_holds_is_said(changed, role, how) -> None:
    assert heal_now(ready(**changed), RESTART).holds[0].lift == (role, how)


def test_what_only_shadow_would_wait_for_is_told_as_what_really_is() -> None:
    shadow = PolicyRules("web", mode=Mode.SHADOW)

    asked = heal_now(ready(policy=shadow, **BRAKES[Gate.COOLDOWN]), RESTART)

    assert [(passed.gate, passed.answer.reason, passed.answer.until is None) for passed in asked.passes] == [
        (Gate.COOLDOWN, "Next attempt not before 10:11:11 UTC (10 min after attempt 1).", False),
        (Gate.MODE, "Policy web only shows what it would do.", True),
    ]


def test_nothing_is_said_of_a_ladder_where_there_is_no_policy_nor_of_a_mode_where_it_is_off() -> None:
    without = heal_now(ready(policy=None, ladder=()), RESTART)
    off = heal_now(ready(policy=PolicyRules("web", mode=Mode.OFF)), RESTART)

    assert [passed.gate for passed in without.passes] == [Gate.POLICY]
    assert [passed.gate for passed in off.passes] == [Gate.MODE_OFF]


def test_a_provider_that_was_not_asked_is_not_passed_over() -> None:
    assert heal_now(ready(provider=None), RESTART).passes == ()
