"""The gates that ask whether the trouble is real: evidence, starting, trigger, settling (behaviour §6, Gates)."""

import pytest

from podhealth.core import gates
from podhealth.core.answers import Closed, Open
from podhealth.core.facts import EpisodeFacts, ProviderFacts, Starting
from podhealth.core.ladder import PolicyRules
from podhealth.core.words import FailClass, Gate, Outcome, Status
from tests.core.healfacts import a_healthy_check, a_sick_check, ago, ahead, ready

ASK = dict(gates.GATES)

# gate, what is changed, the page's text, the card's text, until
CLOSED = [
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
]


@pytest.mark.parametrize(("gate", "changed", "page", "card", "until"), CLOSED)
def test_the_gate_closes_in_these_words_until_then(gate, changed, page, card, until) -> None:
    answer = ASK[gate](ready(**changed))

    assert isinstance(answer, Closed)
    assert (answer.reason, answer.card, answer.until) == (page, card, until)


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
