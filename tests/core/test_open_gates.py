"""When a gate lets a heal pass that it might be thought to hold, and when a provider is asked again (behaviour §6)."""

import pytest

from podhealth.core import gates
from podhealth.core.answers import Closed, Open
from podhealth.core.facts import Approved, LastHeal, ProviderFacts
from podhealth.core.ladder import PolicyRules, Step
from podhealth.core.words import Action, FailClass, Gate, HealOn, Mode, Outcome, Severity, Status
from tests.core.healfacts import NOW, a_sick_check, ago, ahead, ready

ASK = dict(gates.GATES)

OPEN = [
    pytest.param(
        Gate.EVIDENCE,
        {"checks": (a_sick_check(), a_sick_check(check_id=2, name="tcp", status=Status.UNKNOWN))},
        id="one fresh sick check suffices",
    ),
    pytest.param(
        Gate.EVIDENCE,
        {"checks": (a_sick_check(severity=Severity.WARNING, status=Status.UNKNOWN),)},
        id="warnings are no evidence",
    ),
    pytest.param(
        Gate.TRIGGER,
        {"checks": (a_sick_check(last_class=FailClass.CONTENT, heal_on=HealOn.CONTENT),)},
        id="content where the check says so",
    ),
    pytest.param(
        Gate.TRIGGER,
        {"checks": (a_sick_check(last_outcome=Outcome.ERROR, last_class=None),)},
        id="an error does not stop the check that started the episode",
    ),
    pytest.param(Gate.TRIGGER, {"checks": (a_sick_check(failures=3),)}, id="exactly at the threshold"),
    pytest.param(Gate.SETTLING, {"checks": (a_sick_check(bad_since=ago(minutes=1)),)}, id="exactly one interval"),
    pytest.param(
        Gate.SETTLING,
        {"checks": (a_sick_check(interval_s=86_400, bad_since=ago(minutes=2)),)},
        id="a daily check settles in two minutes",
    ),
    pytest.param(Gate.SETTLING, {"provider": None, "has_provider": False}, id="nobody to ask"),
    pytest.param(
        Gate.SETTLING, {"provider": None, "ladder": (Step(Action.NOTIFY_ONLY, 1),)}, id="telling needs no provider"
    ),
    pytest.param(Gate.SETTLING, {"provider": None, "spent": 3}, id="exhausted: nothing to ask for"),
    pytest.param(
        Gate.SETTLING,
        {"provider": None, "spent": 1, "last_heal": LastHeal(ago(minutes=1), None)},
        id="not asked while it cools down",
    ),
    pytest.param(Gate.COOLDOWN, {"spent": 1, "last_heal": LastHeal(ago(minutes=10), None)}, id="exactly over"),
    pytest.param(Gate.MODE, {"policy": None}, id="no policy, as heal now has it"),
    pytest.param(
        Gate.MODE,
        {"policy": PolicyRules("web", mode=Mode.APPROVE), "spent": 1, "approved": Approved("ann", 2, ahead(minutes=9))},
        id="approved",
    ),
]


@pytest.mark.parametrize(("gate", "changed"), OPEN)
def test_the_gate_is_open(gate, changed) -> None:
    assert isinstance(ASK[gate](ready(**changed)), Open)


@pytest.mark.parametrize(
    ("changed", "gate", "ask_at"),
    [
        ({"provider": None}, Gate.SETTLING, NOW),
        ({"provider": ProviderFacts(node_is_up=False)}, Gate.SETTLING, ahead(seconds=30)),
        ({"provider": ProviderFacts(error="refused")}, Gate.PROVIDER, ahead(seconds=30)),
        ({"provider": ProviderFacts(lock="backup")}, Gate.PROVIDER, ahead(seconds=30)),
    ],
)
def test_a_provider_is_asked_again_without_a_promise_that_it_will_answer_otherwise(changed, gate, ask_at) -> None:
    answer = ASK[gate](ready(**changed))

    assert isinstance(answer, Closed)
    assert (answer.until, answer.ask_at) == (None, ask_at)
