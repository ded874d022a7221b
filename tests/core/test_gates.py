"""Each gate alone: when it closes, until when, and in which words (behaviour §6, Gates; dashboard, hold texts)."""

import pytest

from podhealth.core import gates
from podhealth.core.answers import Closed, Open, clock_text
from podhealth.core.facts import Approved, LastHeal, OpenHeal, ProviderFacts, SnoozeFacts, Switch
from podhealth.core.ladder import PolicyRules, Step
from podhealth.core.words import Action, DesiredState, Gate, HealState, KillScope, Mode
from tests.core.healfacts import NOW, a_sick_check, ago, ahead, ready

OFF = PolicyRules("web", enabled=False)
ASK = dict(gates.GATES)


def test_every_word_has_its_gate_in_the_order_of_the_words() -> None:
    assert [gate for gate, _ in gates.GATES] == list(Gate)


@pytest.mark.parametrize("gate", list(Gate))
def test_every_gate_lets_a_plain_heal_pass(gate) -> None:
    assert isinstance(ASK[gate](ready()), Open)


def a_switch(scope: KillScope, name: str) -> Switch:
    return Switch(scope, name, "ann", "storage move", ahead(minutes=58))


# gate, what is changed, the page's text, the card's text, until
CLOSED = [
    pytest.param(Gate.RUNNING, {"is_deleted": True}, "The pod is deleted.", "Deleted", None, id="deleted"),
    pytest.param(
        Gate.RUNNING,
        {"desired": DesiredState.STOPPED, "desired_reason": "by ann"},
        "Stopped on purpose: by ann.",
        "Stopped on purpose",
        None,
        id="stopped",
    ),
    pytest.param(
        Gate.RUNNING,
        {"checks": (a_sick_check(is_enabled=False),)},
        "No check is enabled. Add a check to have it watched.",
        "Not monitored",
        None,
        id="no check",
    ),
    pytest.param(
        Gate.POLICY,
        {"policy": None},
        "No policy applies to this pod. Bind one by tag, or make a default policy.",
        "No policy",
        None,
        id="no policy",
    ),
    pytest.param(Gate.MODE_OFF, {"policy": OFF}, "Policy web is off.", "Policy off", None, id="not enabled"),
    pytest.param(
        Gate.MODE_OFF,
        {"policy": PolicyRules("web", mode=Mode.OFF)},
        "Policy web is off.",
        "Policy off",
        None,
        id="mode off",
    ),
    pytest.param(
        Gate.KILL_SWITCH,
        {"switch": a_switch(KillScope.TENANT, "acme")},
        'Healing is switched off for acme by ann: "storage move". Ends 11:00:11 UTC.',
        "Switched off by ann",
        ahead(minutes=58),
        id="kill switch of a tenant",
    ),
    pytest.param(
        Gate.KILL_SWITCH,
        {"switch": a_switch(KillScope.SYSTEM, "")},
        'Healing is switched off everywhere by ann: "storage move". Ends 11:00:11 UTC.',
        "Switched off by ann",
        ahead(minutes=58),
        id="kill switch of all",
    ),
    pytest.param(
        Gate.SNOOZE,
        {"snooze": SnoozeFacts("ann", "upgrade", ahead(seconds=49))},
        'Snoozed by ann until 10:03 UTC: "upgrade". Probing goes on.',
        "Snoozed until 10:03",
        ahead(seconds=49),
        id="snooze",
    ),
    pytest.param(
        Gate.OPEN_HEAL,
        {"open_heal": OpenHeal(5, Action.RESTART, 1, 2, HealState.VERIFYING, ahead(seconds=769))},
        "A heal is open: restart 1 of 2, verifying until 10:15 UTC.",
        "Restarting 1 of 2",
        ahead(seconds=769),
        id="verifying",
    ),
    pytest.param(
        Gate.OPEN_HEAL,
        {"open_heal": OpenHeal(5, Action.MIGRATE, 1, 1, HealState.RUNNING, None)},
        "A heal is open: migrate 1 of 1, under way.",
        "Migrating 1 of 1",
        None,
        id="under way",
    ),
    pytest.param(
        Gate.PROVIDER,
        {"provider": ProviderFacts(error="connection refused")},
        "The provider does not answer: connection refused. Asked again every 30 s.",
        "Provider does not answer",
        None,
        id="not reached",
    ),
    pytest.param(
        Gate.PROVIDER,
        {"provider": ProviderFacts(error="401", is_permanent=True)},
        "The provider refuses us: 401. Asked again every 30 s.",
        "Provider refuses us",
        None,
        id="refused",
    ),
    pytest.param(
        Gate.PROVIDER,
        {"provider": ProviderFacts(lock="backup")},
        "The provider holds lock backup on this guest. Asked again every 30 s.",
        "Locked: backup",
        None,
        id="locked",
    ),
    pytest.param(
        Gate.PROVIDER,
        {"last_heal": LastHeal(ago(hours=2), None, "403: no right to reboot")},
        "The provider refused the last heal for good: 403: no right to reboot. Nothing more until somebody resets "
        "healing.",
        "Provider refused",
        None,
        id="refused for good",
    ),
    pytest.param(
        Gate.LADDER,
        {"spent": 3, "ladder": (Step(Action.RESTART, 2), Step(Action.MIGRATE, 1))},
        "Restart, restart, migrate did not help. Nothing more until 10 min of unbroken health, or a reset.",
        "Exhausted",
        None,
        id="exhausted",
    ),
    pytest.param(
        Gate.LADDER,
        {"ladder": ()},
        "The policy only watches: there is nothing it would try.",
        "Only watched",
        None,
        id="empty ladder",
    ),
    pytest.param(
        Gate.COOLDOWN,
        {"spent": 1, "last_heal": LastHeal(ago(minutes=3), None)},
        "Next attempt not before 10:09:11 UTC (10 min after attempt 1).",
        "Cooldown until 10:09:11",
        ahead(minutes=7),
        id="cooldown",
    ),
    pytest.param(
        Gate.COOLDOWN,
        {"spent": 0, "last_heal": LastHeal(ago(minutes=3), None, cancelled_by="ann@acme.example")},
        "Next attempt not before 10:09:11 UTC (10 min after ann@acme.example cancelled one).",
        "Cooldown until 10:09:11",
        ahead(minutes=7),
        id="the pause after a person cancelled one, its attempt given back",
    ),
    pytest.param(
        Gate.COOLDOWN,
        {"spent": 1, "last_heal": LastHeal(ago(minutes=30), ahead(seconds=49))},
        "Next attempt not before 10:03 UTC (10 min after attempt 1).",
        "Cooldown until 10:03",
        ahead(seconds=49),
        id="the start deadline of the last heal",
    ),
    pytest.param(
        Gate.MODE,
        {"policy": PolicyRules("web", mode=Mode.SHADOW)},
        "Shadow: would restart now (1 of 3). Nothing is done.",
        "Would restart",
        None,
        id="shadow",
    ),
    pytest.param(
        Gate.MODE,
        {"policy": PolicyRules("web", mode=Mode.APPROVE)},
        "Wants to restart (1 of 3). Approve until 11:02:11 UTC, else nothing is done.",
        "Wants to restart",
        ahead(minutes=60),
        id="approve",
    ),
    pytest.param(
        Gate.MODE,
        {"policy": PolicyRules("web", mode=Mode.APPROVE), "spent": 1, "approved": Approved("ann", 1, ahead(minutes=9))},
        "Wants to restart (2 of 3). Approve until 11:02:11 UTC, else nothing is done.",
        "Wants to restart",
        ahead(minutes=60),
        id="approved, but another attempt",
    ),
]


@pytest.mark.parametrize(("gate", "changed", "page", "card", "until"), CLOSED)
def test_the_gate_closes_in_these_words_until_then(gate, changed, page, card, until) -> None:
    answer = ASK[gate](ready(**changed))

    assert isinstance(answer, Closed)
    assert (answer.reason, answer.card, answer.until) == (page, card, until)


def test_times_of_day_show_seconds_only_where_there_are_some() -> None:
    assert clock_text(NOW) == "10:02:11"
    assert clock_text(NOW.replace(second=0)) == "10:02"
