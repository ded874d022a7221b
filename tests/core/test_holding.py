"""Which holds are told, when, and how often (behaviour §6: a lock is told after 60 min; §7: held over 15 min)."""

from dataclasses import replace
from datetime import timedelta

import pytest

from podhealth.core.decide import Decision, decide
from podhealth.core.facts import Facts, ProviderFacts, References, Switch
from podhealth.core.holding import Hold, hold_after, lock_of, telling, worth_telling
from podhealth.core.words import Gate, KillScope, NoticeKind
from tests.core.healfacts import NOW, ago, ahead, ready

LOCKED = ready(provider=ProviderFacts(lock="backup"))
SILENT = ready(provider=ProviderFacts(error="timed out"))
HA_MANAGED = ready(provider=ProviderFacts(lock="ha"))
SWITCHED_OFF = ready(switch=Switch(KillScope.SYSTEM, "", "op", "fire", ahead(hours=9)))
WAITING = ready(references=References("local", None))


@pytest.mark.parametrize("gate", list(Gate))
def test_only_holds_that_nobody_hears_of_otherwise_are_told(gate: Gate) -> None:
    told = {Gate.KILL_SWITCH, Gate.EVIDENCE, Gate.PROVIDER, Gate.BUDGET}

    assert worth_telling(gate) == (gate in told)


@pytest.mark.parametrize(
    ("before", "facts", "after"),
    [
        pytest.param(None, LOCKED, Hold(Gate.PROVIDER, NOW), id="begins"),
        pytest.param(Hold(Gate.PROVIDER, ago(minutes=9)), SILENT, Hold(Gate.PROVIDER, ago(minutes=9)), id="goes on"),
        pytest.param(
            Hold(Gate.PROVIDER, ago(minutes=9)),
            SWITCHED_OFF,
            Hold(Gate.KILL_SWITCH, NOW),
            id="another gate begins anew",
        ),
        pytest.param(
            Hold(Gate.PROVIDER, ago(minutes=9)), WAITING, Hold(Gate.PROVIDER, ago(minutes=9)), id="hidden by settling"
        ),
        pytest.param(
            Hold(Gate.KILL_SWITCH, ago(minutes=9)), WAITING, Hold(Gate.SETTLING, NOW), id="settling comes after it"
        ),
        pytest.param(Hold(Gate.PROVIDER, ago(minutes=9)), ready(), None, id="acted"),
    ],
)
def test_a_hold_lasts_while_its_gate_is_not_found_open(before: Hold | None, facts: Facts, after: Hold | None) -> None:
    assert hold_after(before, decide(facts), NOW) == after


def held(facts: Facts, minutes: float, told: float | None = None, locked: float | None = None) -> object:
    judged: Decision = decide(facts)
    assert judged.gate is not None
    hold = Hold(judged.gate, ago(minutes=minutes), None if told is None else ago(minutes=told))
    found = telling(hold, judged, None if locked is None else ago(minutes=locked), NOW)
    return found.kind or found.look_at


@pytest.mark.parametrize(
    ("facts", "minutes", "told", "locked", "answer"),
    [
        pytest.param(SILENT, 14, None, None, ahead(minutes=1), id="not yet"),
        pytest.param(SILENT, 15, None, None, NoticeKind.HELD, id="15 min"),
        pytest.param(SILENT, 40, 25, None, None, id="once a hold"),
        pytest.param(LOCKED, 59, None, 59, ahead(minutes=1), id="a lock of 59 min is not told"),
        pytest.param(LOCKED, 61, None, 61, NoticeKind.LOCKED, id="a lock of 61 min is told"),
        pytest.param(LOCKED, 300, 1, 61, None, id="once a lock"),
        pytest.param(LOCKED, 100, 85, 61, NoticeKind.LOCKED, id="a lock after an outage that was told"),
        pytest.param(LOCKED, 90, None, 5, ahead(minutes=55), id="only the lock's own time counts"),
        pytest.param(HA_MANAGED, 16, None, None, NoticeKind.HELD, id="another healer's guest is no lock"),
        pytest.param(SWITCHED_OFF, 15, None, None, NoticeKind.HELD, id="a kill switch"),
        pytest.param(WAITING, 500, None, None, None, id="settling never"),
    ],
)
def test_a_hold_is_told_once_when_it_has_lasted(
    facts: Facts, minutes: float, told: float | None, locked: float | None, answer: object
) -> None:
    assert held(facts, minutes, told, locked) == answer


def test_only_a_lock_of_the_provider_is_one() -> None:
    assert lock_of(decide(LOCKED)) == "backup"
    assert lock_of(decide(HA_MANAGED)) is None
    assert lock_of(decide(SILENT)) is None
    assert lock_of(decide(replace(LOCKED, spent=3, provider=None))) is None


def test_nothing_holds_nothing_is_told() -> None:
    assert telling(None, decide(ready()), None, NOW + timedelta(hours=2)).kind is None


def test_a_judgement_that_did_not_come_to_the_gate_tells_nothing_of_it() -> None:
    assert telling(Hold(Gate.PROVIDER, ago(minutes=90)), decide(WAITING), None, NOW).kind is None
