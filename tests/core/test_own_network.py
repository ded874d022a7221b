"""A heal is planned only if a reference begun after the last counted fail came back ok (behaviour §6, Settling)."""

from datetime import timedelta

import pytest

from podhealth.core.decide import decide
from podhealth.core.facts import LastHeal, OpenHeal, References
from podhealth.core.judging import must_ask
from podhealth.core.ladder import Step
from podhealth.core.words import Action, Answer, Gate, HealState, Outcome
from tests.core.healfacts import NOW, a_sick_check, ago, ready

OLD = References("local", ago(seconds=6))  # the check failed 5 s ago


def test_the_reference_must_have_begun_after_the_last_counted_fail() -> None:
    decided = decide(ready(references=OLD))

    assert (decided.answer, decided.gate) == (Answer.HOLD, Gate.SETTLING)
    assert decided.reason == (
        "http failed at 10:02:06 UTC; nothing is done before a reference target of vantage local has answered since."
    )
    assert decided.card == "Checks its own network"


@pytest.mark.parametrize(
    ("references", "answer"),
    [
        pytest.param(References("local", ago(seconds=4)), Answer.ACT, id="begun since"),
        pytest.param(References("local", ago(seconds=5)), Answer.HOLD, id="begun at the same moment"),
        pytest.param(References("local", None), Answer.HOLD, id="never any"),
        pytest.param(None, Answer.ACT, id="there are no references"),
    ],
)
def test_without_a_proof_nothing_is_done(references: References | None, answer: Answer) -> None:
    assert decide(ready(references=references)).answer == answer


def test_it_is_judged_again_when_the_next_reference_should_be_back() -> None:
    assert decide(ready(references=References("local", ago(seconds=5)))).judge_at == NOW + timedelta(seconds=1)
    assert decide(ready(references=References("local", None))).judge_at == NOW + timedelta(seconds=5.5)
    checks = (a_sick_check(last_at=ago(seconds=0)),)
    recent = References("local", ago(seconds=1))
    assert decide(ready(checks=checks, references=recent)).judge_at == NOW + timedelta(seconds=4.5)


def test_the_provider_is_not_asked_before() -> None:
    facts = ready(references=OLD, provider=None)

    assert not must_ask(decide(facts), facts)


def test_telling_people_waits_for_it_too() -> None:
    assert decide(ready(references=OLD, ladder=(Step(Action.NOTIFY_ONLY, 1),))).gate == Gate.SETTLING


@pytest.mark.parametrize(
    ("changed", "gate"),
    [
        pytest.param(
            {"open_heal": OpenHeal(5, Action.RESTART, 1, 3, HealState.RUNNING, None)}, Gate.OPEN_HEAL, id="heal"
        ),
        pytest.param({"spent": 1, "last_heal": LastHeal(ago(minutes=1), None)}, Gate.COOLDOWN, id="cooldown"),
        pytest.param({"spent": 3}, Gate.LADDER, id="exhausted"),
    ],
)
def test_it_is_asked_only_where_a_heal_could_follow(changed: dict[str, object], gate: Gate) -> None:
    assert decide(ready(references=OLD, **changed)).gate == gate


def test_the_newest_fail_of_the_checks_that_trigger_counts() -> None:
    older, newer = a_sick_check(last_at=ago(seconds=30)), a_sick_check(check_id=2, name="tcp", last_at=ago(seconds=1))

    assert "tcp failed" in decide(ready(checks=(older, newer), references=OLD)).reason


def test_a_check_whose_newest_result_is_no_fail_is_left_to_the_trigger() -> None:
    checks = (a_sick_check(last_outcome=Outcome.ERROR, last_class=None),)

    assert decide(ready(checks=checks, references=OLD)).answer == Answer.ACT
