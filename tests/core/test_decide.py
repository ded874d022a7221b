"""Walking the gates: the first closed one is the reason, and nothing is done while any is closed (behaviour §6)."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podhealth.core.decide import SKIPPED_BY_HEAL_NOW, SKIPPED_WHEN_PLANNED, decide, is_in_trouble
from podhealth.core.facts import (
    Blind,
    BreakerFacts,
    EpisodeFacts,
    LastHeal,
    NodeDown,
    OpenHeal,
    ProviderFacts,
    SnoozeFacts,
    Spent,
    Starting,
    Switch,
    Turn,
)
from podhealth.core.ladder import PolicyRules, Rung, Step
from podhealth.core.words import (
    Action,
    Answer,
    BreakerScope,
    BreakerState,
    DesiredState,
    Gate,
    HealState,
    KillScope,
    Mode,
    Outcome,
    Status,
)
from tests.core.healfacts import NOW, a_healthy_check, a_sick_check, ago, ahead, ready

# One way to close each gate that leaves all the gates before it open.
BRAKES = {
    Gate.RUNNING: {"desired": DesiredState.STOPPED},
    Gate.POLICY: {"policy": None},
    Gate.MODE_OFF: {"policy": PolicyRules("web", enabled=False)},
    Gate.KILL_SWITCH: {"switch": Switch(KillScope.SYSTEM, "", "op", "fire", ahead(hours=1))},
    Gate.SNOOZE: {"snooze": SnoozeFacts("ann", "upgrade", ahead(hours=2))},
    Gate.NODE: {"node": NodeDown("pve1", ago(minutes=2), "its provider says so")},
    Gate.BLIND: {"blind": Blind("main", ago(minutes=2), "no reference answers")},
    Gate.EVIDENCE: {"checks": (a_sick_check(status=Status.UNKNOWN),)},
    Gate.STARTING: {"starting": Starting(ago(seconds=1), ahead(minutes=2), None)},
    Gate.TRIGGER: {"checks": (a_sick_check(heal=False),)},
    Gate.SETTLING: {"checks": (a_sick_check(bad_since=ago(seconds=1)),)},
    Gate.OPEN_HEAL: {"open_heal": OpenHeal(5, Action.RESTART, 1, 3, HealState.RUNNING, None)},
    Gate.PROVIDER: {"provider": ProviderFacts(lock="backup")},
    Gate.LADDER: {"spent": 3},
    Gate.CHRONIC: {"recent_heals": tuple(ago(hours=hours) for hours in range(6, 0, -1))},
    Gate.COOLDOWN: {"spent": 1, "last_heal": LastHeal(ago(minutes=1), None)},
    Gate.BREAKER: {"breakers": (BreakerFacts(BreakerScope.TENANT, "acme", BreakerState.OPEN, ago(minutes=3), 5, 2),)},
    Gate.BUDGET: {"spent_by_tenant": tuple(Spent(ago(minutes=minutes)) for minutes in range(50, 44, -1))},
    Gate.CONCURRENCY: {"turn": Turn(open_in_tenant=1)},
    Gate.MODE: {"policy": PolicyRules("web", mode=Mode.SHADOW)},
}


def test_with_all_gates_open_the_next_rung_is_done() -> None:
    decision = decide(ready(spent=1))

    assert decision.answer == Answer.ACT
    assert decision.rung == Rung(Step(Action.RESTART, 3), 2, 2, 3)
    assert decision.reason == "restart 2 of 3 now"
    assert [asked.gate for asked in decision.asked] == list(Gate)


@pytest.mark.parametrize("gate", list(Gate))
def test_each_gate_alone_holds(gate) -> None:
    decision = decide(ready(**BRAKES[gate]))

    assert (decision.answer, decision.gate) == (Answer.HOLD, gate)


@pytest.mark.parametrize("gate", list(Gate))
def test_gates_after_the_closed_one_are_not_asked(gate) -> None:
    asked = [a.gate for a in decide(ready(**BRAKES[gate])).asked]

    assert asked == list(Gate)[: list(Gate).index(gate) + 1]


@given(st.sets(st.sampled_from(list(Gate)), min_size=1))
def test_of_several_closed_gates_the_first_is_the_reason(closed) -> None:
    # Where two brakes change the same fact (checks, policy, spent), the earlier one's change stands.
    changed = {}
    for gate in reversed(list(Gate)):
        if gate in closed:
            changed |= BRAKES[gate]

    decision = decide(ready(**changed))

    assert decision.answer == Answer.HOLD
    assert decision.gate == min(closed, key=list(Gate).index)


@pytest.mark.parametrize(
    ("changed", "wanted"),
    [
        pytest.param({}, True, id="unhealthy"),
        pytest.param({"status": Status.HEALTHY, "checks": (a_healthy_check(),)}, True, id="open episode"),
        pytest.param(
            {"status": Status.HEALTHY, "checks": (a_healthy_check(last_outcome=Outcome.FAIL),), "episode": None},
            True,
            id="newest result a fail",
        ),
        pytest.param(
            {"status": Status.HEALTHY, "checks": (a_healthy_check(),), "episode": None}, False, id="nothing wrong"
        ),
        pytest.param(
            {"status": Status.UNKNOWN, "checks": (a_healthy_check(last_outcome=Outcome.ERROR),), "episode": None},
            False,
            id="errors are no trouble of the pod",
        ),
        pytest.param(
            {"status": Status.HEALTHY, "checks": (a_sick_check(is_enabled=False),), "episode": None},
            False,
            id="disabled checks say nothing",
        ),
    ],
)
def test_there_is_something_to_judge_only_in_trouble(changed, wanted) -> None:
    facts = ready(**changed)

    assert is_in_trouble(facts) is wanted
    assert (decide(facts).answer == Answer.NOTHING) is not wanted


def test_a_hold_is_looked_at_again_when_its_gate_may_open() -> None:
    assert decide(ready(**BRAKES[Gate.KILL_SWITCH])).judge_at == ahead(hours=1)


def test_a_hold_is_looked_at_again_when_the_episode_may_end_before_that() -> None:
    episode = EpisodeFacts(7, frozenset({1}), ago(hours=1), ahead(minutes=3))

    assert decide(ready(**BRAKES[Gate.KILL_SWITCH], episode=episode)).judge_at == ahead(minutes=3)


def test_a_hold_without_an_end_waits_for_something_to_change() -> None:
    assert decide(ready(**BRAKES[Gate.MODE])).judge_at is None


@pytest.mark.parametrize("gate", sorted(SKIPPED_BY_HEAL_NOW))
def test_heal_now_skips_what_only_restrains_the_healer_itself(gate) -> None:
    rung = Rung(Step(Action.RESTART, 3), 1, 1, 3)

    decision = decide(ready(**BRAKES[gate]), SKIPPED_BY_HEAL_NOW, rung)

    assert (decision.answer, decision.rung) == (Answer.ACT, rung)


def test_these_gates_are_skipped_and_no_others() -> None:
    assert {gate.value for gate in SKIPPED_BY_HEAL_NOW} == {
        "policy", "mode_off", "trigger", "settling", "ladder", "chronic", "cooldown", "mode"
    }  # fmt: skip
    assert {gate.value for gate in SKIPPED_WHEN_PLANNED} == {
        "open_heal",
        "ladder",
        "chronic",
        "cooldown",
        "concurrency",
    }


@pytest.mark.parametrize("gate", sorted(set(Gate) - SKIPPED_BY_HEAL_NOW))
def test_heal_now_obeys_all_other_gates(gate) -> None:
    decision = decide(ready(**BRAKES[gate]), SKIPPED_BY_HEAL_NOW, Rung(Step(Action.RESTART, 1), 1, 1, 1))

    assert (decision.answer, decision.gate) == (Answer.HOLD, gate)


def test_a_person_may_heal_a_pod_that_is_not_ill() -> None:
    facts = ready(status=Status.HEALTHY, checks=(a_healthy_check(),), episode=None)

    assert decide(facts, SKIPPED_BY_HEAL_NOW, Rung(Step(Action.RESTART, 1), 1, 1, 1)).answer == Answer.ACT


def test_the_brakes_judge_what_a_person_asks_for_not_the_telling_that_comes_next() -> None:
    facts = ready(**BRAKES[Gate.BREAKER], ladder=(Step(Action.NOTIFY_ONLY, 1),))

    assert decide(facts).answer == Answer.ACT
    assert decide(facts, SKIPPED_BY_HEAL_NOW, Rung(Step(Action.RESTART, 1), 1, 1, 1)).gate == Gate.BREAKER


def test_a_planned_heal_is_judged_without_the_gates_it_closes_itself() -> None:
    facts = ready(**BRAKES[Gate.OPEN_HEAL], **BRAKES[Gate.LADDER])

    assert decide(facts, SKIPPED_WHEN_PLANNED).answer == Answer.ACT


def test_a_decision_keeps_what_each_gate_looked_at() -> None:
    rows = decide(ready(**BRAKES[Gate.COOLDOWN])).inputs["gates"]

    assert rows[0] == {"gate": "running", "open": True, "inputs": {"desired": "running"}}
    assert rows[-1]["gate"] == "cooldown"
    assert rows[-1]["open"] is False
    assert rows[-1]["inputs"]["waitSeconds"] == 600.0
    assert rows[-1]["inputs"]["until"].endswith("T10:11:11+00:00")
    assert rows[-1]["reason"] == "Next attempt not before 10:11:11 UTC (10 min after attempt 1)."


FACTS = st.fixed_dictionaries(
    {},
    optional={
        "spent": st.integers(0, 5),
        "status": st.sampled_from(Status),
        "is_deleted": st.booleans(),
        "desired": st.sampled_from(DesiredState),
        "policy": st.sampled_from([None, PolicyRules("p"), PolicyRules("p", mode=Mode.SHADOW)]),
        "switch": st.sampled_from([None, BRAKES[Gate.KILL_SWITCH]["switch"]]),
        "snooze": st.sampled_from([None, BRAKES[Gate.SNOOZE]["snooze"]]),
        "starting": st.sampled_from([None, BRAKES[Gate.STARTING]["starting"]]),
        "open_heal": st.sampled_from([None, BRAKES[Gate.OPEN_HEAL]["open_heal"]]),
        "provider": st.sampled_from([None, ProviderFacts(), ProviderFacts(error="x"), ProviderFacts(lock="backup")]),
        "node": st.sampled_from([None, BRAKES[Gate.NODE]["node"]]),
        "blind": st.sampled_from([None, BRAKES[Gate.BLIND]["blind"]]),
        "recent_heals": st.sampled_from([(), BRAKES[Gate.CHRONIC]["recent_heals"]]),
        "breakers": st.sampled_from([(), BRAKES[Gate.BREAKER]["breakers"]]),
        "spent_by_tenant": st.sampled_from([(), BRAKES[Gate.BUDGET]["spent_by_tenant"]]),
        "turn": st.sampled_from([None, Turn(), BRAKES[Gate.CONCURRENCY]["turn"]]),
        "last_heal": st.sampled_from([None, LastHeal(ago(minutes=1), None), LastHeal(ago(hours=3), None)]),
        "episode": st.sampled_from([None, EpisodeFacts(7, frozenset({1}), ago(minutes=1), None)]),
        "checks": st.lists(
            st.builds(
                a_sick_check,
                check_id=st.integers(1, 3),
                status=st.sampled_from(Status),
                failures=st.integers(0, 6),
                heal=st.booleans(),
                last_outcome=st.sampled_from(Outcome),
                bad_since=st.sampled_from([None, ago(seconds=1), ago(minutes=9)]),
            ),
            max_size=3,
        ).map(tuple),
    },
)


@given(FACTS)
def test_an_act_has_every_brake_off(changed) -> None:
    """The second opinion: not the gates' code, but what must never be true of an act."""
    facts = ready(**changed)
    if decide(facts).answer != Answer.ACT:
        return
    assert facts.status == Status.UNHEALTHY
    assert not facts.is_deleted
    assert facts.desired == DesiredState.RUNNING
    assert facts.policy is not None
    assert facts.policy.effective_mode == Mode.AUTO
    assert (facts.switch, facts.snooze, facts.starting, facts.open_heal) == (None, None, None, None)
    assert (facts.node, facts.blind, facts.breakers) == (None, None, ())
    assert len(facts.recent_heals) <= 5
    assert len(facts.spent_by_tenant) < 6
    assert facts.turn in (None, Turn())
    assert facts.spent < 3
    assert facts.last_heal is None or facts.now - facts.last_heal.ended_at >= timedelta(minutes=10)
    assert facts.provider == ProviderFacts()
    assert any(c.heal and c.status == Status.UNHEALTHY and c.failures >= 3 for c in facts.checks)


@given(FACTS, st.permutations(range(3)))
def test_the_order_of_checks_never_matters(changed, order) -> None:
    facts = ready(**changed)
    checks = {c.check_id: c for c in facts.checks}
    shuffled = [checks[i + 1] for i in order if i + 1 in checks]

    one = decide(replace(facts, checks=tuple(checks.values())))
    other = decide(replace(facts, checks=tuple(shuffled)))

    assert (one.answer, one.gate, one.reason, one.judge_at) == (other.answer, other.gate, other.reason, other.judge_at)


@given(FACTS)
def test_deciding_twice_says_the_same_and_looks_again_only_later(changed) -> None:
    facts = ready(**changed)
    decision = decide(facts)

    assert decide(facts) == decision
    assert decision.judge_at is None or decision.judge_at >= NOW
