"""Each gate alone: when it closes, until when, and in which words (behaviour §6, Gates; dashboard, hold texts)."""

import pytest

from podhealth.core import gates
from podhealth.core.answers import Closed, Open, clock_text
from podhealth.core.facts import (
    EpisodeFacts,
    LastHeal,
    OpenHeal,
    ProviderFacts,
    SnoozeFacts,
    Starting,
    Switch,
)
from podhealth.core.ladder import PolicyRules, Step
from podhealth.core.words import (
    Action,
    DesiredState,
    FailClass,
    Gate,
    HealOn,
    HealState,
    KillScope,
    Mode,
    Outcome,
    Severity,
    Status,
)
from tests.core.healfacts import NOW, a_healthy_check, a_sick_check, ago, ahead, ready

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
        Gate.EVIDENCE,
        {"checks": (a_sick_check(status=Status.UNKNOWN, last_at=ago(minutes=6), fresh_until=ago(minutes=3)),)},
        "The newest result of http is from 09:56:11 UTC; it counts for 3 min at most.",
        "Old evidence",
        None,
        id="stale",
    ),
    pytest.param(
        Gate.EVIDENCE,
        {"checks": (a_sick_check(status=Status.UNKNOWN, last_at=None, fresh_until=None),)},
        "There is no fresh result of http.",
        "Old evidence",
        None,
        id="no result",
    ),
    pytest.param(
        Gate.STARTING,
        {"starting": Starting(ago(seconds=11), ahead(seconds=109), "restart by the healer")},
        "Starting since 10:02 UTC. Failures do not count until it was healthy once or it is 10:04.",
        "Starting until 10:04",
        ahead(seconds=109),
        id="starting",
    ),
    pytest.param(
        Gate.TRIGGER,
        {"status": Status.DEGRADED, "checks": (a_sick_check(status=Status.DEGRADED, failures=1),)},
        "http fails; healing starts at 3 failures in a row.",
        "Heals at 3 failures in a row",
        None,
        id="too few for the check",
    ),
    pytest.param(
        Gate.TRIGGER,
        {"policy": PolicyRules("web", trigger_after_failures=10)},
        "http fails; healing starts at 10 failures in a row.",
        "Heals at 10 failures in a row",
        None,
        id="too few for the policy",
    ),
    pytest.param(
        Gate.TRIGGER,
        {"checks": (a_sick_check(failure_threshold=5),)},
        "http fails; healing starts at 5 failures in a row.",
        "Heals at 5 failures in a row",
        None,
        id="the check's own threshold is higher",
    ),
    pytest.param(
        Gate.TRIGGER,
        {"checks": (a_sick_check(name="cert", heal=False),)},
        "Unhealthy because of cert, which is set not to heal.",
        "Set not to heal",
        None,
        id="set not to heal",
    ),
    pytest.param(
        Gate.TRIGGER,
        {"checks": (a_sick_check(last_class=FailClass.TLS),)},
        "http fails by its tls, which a heal of the pod cannot mend.",
        "Not healed: tls",
        None,
        id="tls never heals",
    ),
    pytest.param(
        Gate.TRIGGER,
        {"checks": (a_sick_check(last_class=FailClass.CONTENT),)},
        "http fails by its content, which a heal of the pod cannot mend.",
        "Not healed: content",
        None,
        id="content heals only where the check says so",
    ),
    pytest.param(
        Gate.TRIGGER,
        {"checks": (a_sick_check(last_outcome=Outcome.ERROR, last_class=None),), "episode": None},
        "The newest result of http is no failure; the next one decides.",
        "Waits for the next probe",
        None,
        id="an error tells no class",
    ),
    pytest.param(
        Gate.TRIGGER,
        {
            "status": Status.HEALTHY,
            "checks": (a_healthy_check(),),
            "episode": EpisodeFacts(7, frozenset({1}), ago(minutes=9), ahead(minutes=5)),
        },
        "Nothing fails just now. The episode ends at 10:07:11 UTC if it stays so.",
        "Watching until 10:07:11",
        ahead(minutes=5),
        id="calm in an open episode",
    ),
    pytest.param(
        Gate.TRIGGER,
        {"status": Status.UNKNOWN, "checks": (a_healthy_check(status=Status.UNKNOWN),)},
        "There is no fresh result to judge by.",
        "No fresh result",
        None,
        id="nothing is known",
    ),
    pytest.param(
        Gate.SETTLING,
        {"checks": (a_sick_check(bad_since=ago(seconds=11)),)},
        "http must have failed until 10:03 UTC before anything is done.",
        "Settling until 10:03",
        ahead(seconds=49),
        id="settles for one interval",
    ),
    pytest.param(
        Gate.SETTLING,
        {"provider": None},
        "The provider is asked how its node is.",
        "Asking the provider",
        None,
        id="the provider was not asked",
    ),
    pytest.param(
        Gate.SETTLING,
        {"provider": ProviderFacts(node_is_up=False)},
        "The pod's node is down; a heal of one pod cannot help.",
        "Node is down",
        None,
        id="node down",
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
]


@pytest.mark.parametrize(("gate", "changed", "page", "card", "until"), CLOSED)
def test_the_gate_closes_in_these_words_until_then(gate, changed, page, card, until) -> None:
    answer = ASK[gate](ready(**changed))

    assert isinstance(answer, Closed)
    assert (answer.reason, answer.card, answer.until) == (page, card, until)


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
]


@pytest.mark.parametrize(("gate", "changed"), OPEN)
def test_the_gate_is_open(gate, changed) -> None:
    assert isinstance(ASK[gate](ready(**changed)), Open)


def test_the_check_that_is_ill_longest_is_the_trigger() -> None:
    older = a_sick_check(check_id=9, name="tcp", bad_since=ago(minutes=9))

    answer = ASK[Gate.TRIGGER](ready(checks=(a_sick_check(), older)))

    assert answer.inputs["check"] == "tcp"


def test_one_settled_trigger_is_enough_beside_a_fresh_one() -> None:
    fresh = a_sick_check(check_id=2, name="tcp", bad_since=ago(seconds=1))

    assert isinstance(ASK[Gate.SETTLING](ready(checks=(a_sick_check(), fresh))), Open)


def test_a_count_of_failures_that_grows_is_the_same_answer_in_words_that_stay_true() -> None:
    counts = [
        ASK[Gate.TRIGGER](ready(status=Status.DEGRADED, checks=(a_sick_check(status=Status.DEGRADED, failures=n),)))
        for n in (1, 2)
    ]

    assert counts[0].same_as == counts[1].same_as
    assert (counts[0].reason, counts[0].card) == (counts[1].reason, counts[1].card)
    assert counts[0].inputs != counts[1].inputs


def test_times_of_day_show_seconds_only_where_there_are_some() -> None:
    assert clock_text(NOW) == "10:02:11"
    assert clock_text(NOW.replace(second=0)) == "10:02"


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
