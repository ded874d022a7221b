"""What opens an episode, what ladder it goes on with, and when it is over (behaviour §6, Trigger to Relapse)."""

from dataclasses import replace
from datetime import timedelta

import pytest

from podhealth.core.episode import (
    Closing,
    Course,
    Previous,
    TriggerFacts,
    closing,
    given_back,
    relapse,
    triggering,
)
from podhealth.core.ladder import Step
from podhealth.core.words import Action, DesiredState, FailClass, HealOn, Outcome, Severity, Status
from tests.core.healfacts import NOW, a_sick_check, ago, ahead

HOURS = timedelta(hours=1)


@pytest.mark.parametrize(
    ("changed", "after", "wanted"),
    [
        pytest.param({}, 3, True, id="enough failures"),
        pytest.param({"failures": 3}, 3, True, id="exactly enough"),
        pytest.param({"failures": 2}, 3, False, id="one too few"),
        pytest.param({"failures": 2, "failure_threshold": 1}, 1, True, id="both thresholds low"),
        pytest.param({"failures": 9, "failure_threshold": 10}, 3, False, id="the check asks for more"),
        pytest.param({"failures": 4}, 5, False, id="the policy asks for more"),
        pytest.param({"heal": False}, 3, False, id="set not to heal"),
        pytest.param({"is_enabled": False}, 3, False, id="disabled"),
        pytest.param({"severity": Severity.WARNING}, 3, False, id="only a warning"),
        pytest.param({"status": Status.DEGRADED}, 3, False, id="only degraded"),
        pytest.param({"status": Status.UNKNOWN}, 3, False, id="stale"),
        pytest.param({"last_class": FailClass.TLS}, 3, False, id="tls"),
        pytest.param({"last_class": FailClass.CONTENT}, 3, False, id="content"),
        pytest.param({"last_class": FailClass.CONTENT, "heal_on": HealOn.CONTENT}, 3, True, id="content that heals"),
        pytest.param({"heal_on": HealOn.CONTENT}, 3, True, id="down heals there too"),
        pytest.param({"last_outcome": Outcome.ERROR, "last_class": None}, 3, False, id="an error tells no class"),
        pytest.param({"last_outcome": Outcome.OK, "last_class": None}, 3, False, id="on its way back"),
    ],
)
def test_a_check_triggers(changed, after, wanted) -> None:
    assert bool(triggering([a_sick_check(**changed)], after)) is wanted


def test_the_check_that_started_the_episode_stays_its_trigger_through_an_error() -> None:
    check = a_sick_check(last_outcome=Outcome.ERROR, last_class=None)

    assert triggering([check], 3, {check.check_id}) == (check,)


def test_several_triggers_stand_in_the_order_in_which_they_fell_ill() -> None:
    older, newer = a_sick_check(check_id=9, bad_since=ago(minutes=9)), a_sick_check(check_id=1)

    assert triggering([newer, older], 3) == (older, newer)


LADDER = (Step(Action.RESTART, 2), Step(Action.MIGRATE, 1))
BEFORE = Previous(7, 4, LADDER, 2, ago(hours=1))


@pytest.mark.parametrize(
    ("previous", "spans", "wanted"),
    [
        pytest.param(None, [], None, id="never healed"),
        pytest.param(BEFORE, [], (LADDER, 4, 2), id="an hour after a heal: the ladder goes on"),
        pytest.param(BEFORE._replace(last_heal_at=ago(hours=24)), [], None, id="a day after: clean"),
        pytest.param(
            BEFORE._replace(last_heal_at=ago(hours=23, minutes=59)), [], (LADDER, 4, 2), id="just within a day"
        ),
        pytest.param(BEFORE._replace(policy_id=8), [], None, id="another policy begins its own"),
        pytest.param(BEFORE, [6 * HOURS], (LADDER, 4, 1), id="six hours of health give one back"),
        pytest.param(BEFORE, [5.9 * HOURS, 5.9 * HOURS], (LADDER, 4, 2), id="broken health gives nothing back"),
        pytest.param(BEFORE, [13 * HOURS, 6 * HOURS], (LADDER, 4, 0), id="never below none"),
    ],
)
def test_an_episode_soon_after_a_heal_goes_on_with_its_ladder(previous, spans, wanted) -> None:
    assert relapse(previous, 7, NOW, spans) == wanted


def test_each_full_six_hours_of_one_span_give_one_back() -> None:
    assert given_back([6 * HOURS, 11.99 * HOURS, 12 * HOURS]) == 4


def a_course(**changed) -> Course:
    """The trigger has been calm for just over ten minutes."""
    course = Course(
        opened_at=ago(hours=1),
        policy_id=7,
        bound_policy_id=7,
        triggers=[TriggerFacts(1, None, 60, ago(minutes=10, seconds=1), 10)],
        status=Status.HEALTHY,
        status_since=ago(minutes=10),
        last_unhealthy_at=ago(minutes=10),
        sustained_health_s=600,
        has_open_heal=False,
    )
    return replace(course, **changed)


def a_trigger(**changed) -> TriggerFacts:
    return replace(TriggerFacts(1, None, 60, ago(minutes=10, seconds=1), 10), **changed)


CLOSINGS = [
    pytest.param({}, Closing("recovered"), id="calm long enough"),
    pytest.param({"status": Status.DEGRADED}, Closing("recovered"), id="other checks may say what they like"),
    pytest.param(
        {"triggers": [a_trigger(last_fail_at=ago(minutes=4))]}, Closing(None, ahead(minutes=6)), id="a fail since"
    ),
    pytest.param(
        {"last_unhealthy_at": ago(minutes=7)}, Closing(None, ahead(minutes=3)), id="unhealthy within the span"
    ),
    pytest.param({"status": Status.UNHEALTHY}, Closing(None), id="unhealthy now"),
    pytest.param(
        {"triggers": [a_trigger(interval_s=600)], "last_unhealthy_at": ago(minutes=15)},
        Closing(None, ahead(minutes=9, seconds=59)),
        id="two intervals where those are longer",
    ),
    pytest.param(
        {"triggers": [a_trigger(results_since=1)]},
        Closing(None, None, ahead(minutes=1)),
        id="one result proves nothing; the next is waited for",
    ),
    pytest.param({"triggers": [a_trigger(last_fail_at=None)]}, Closing("recovered"), id="no fail within the span"),
    pytest.param(
        {"opened_at": ago(minutes=1), "triggers": [a_trigger(last_fail_at=None)], "last_unhealthy_at": None},
        Closing(None, ahead(minutes=9)),
        id="just opened",
    ),
    pytest.param({"has_open_heal": True}, Closing(None), id="a heal is being verified"),
    pytest.param({"is_deleted": True}, Closing("pod deleted"), id="pod deleted"),
    pytest.param({"desired": DesiredState.STOPPED}, Closing("pod stopped"), id="pod stopped"),
    pytest.param({"bound_policy_id": 8}, Closing("policy changed"), id="another policy"),
    pytest.param({"bound_policy_id": None}, Closing("policy changed"), id="no policy any more"),
    pytest.param({"triggers": [a_trigger(gone="edited")]}, Closing("check edited"), id="trigger edited"),
    pytest.param({"triggers": [a_trigger(gone="deleted")]}, Closing("check deleted"), id="trigger deleted"),
    pytest.param({"triggers": [a_trigger(gone="disabled")]}, Closing("check disabled"), id="trigger disabled"),
    pytest.param(
        {"triggers": [a_trigger(gone="edited"), a_trigger(check_id=2)]}, Closing("recovered"), id="one trigger is left"
    ),
    pytest.param(
        {"status": Status.UNKNOWN, "status_since": ago(hours=23)}, Closing(None, ahead(hours=1)), id="unknown for long"
    ),
    pytest.param({"status": Status.UNKNOWN, "status_since": ago(hours=24)}, Closing("lost"), id="lost"),
]


@pytest.mark.parametrize(("changed", "wanted"), CLOSINGS)
def test_an_episode_ends(changed, wanted) -> None:
    assert closing(a_course(**changed), NOW) == wanted


def test_what_ends_it_at_once_does_not_wait_for_an_open_heal() -> None:
    assert closing(a_course(has_open_heal=True, bound_policy_id=None), NOW) == Closing("policy changed")


def test_sustained_health_of_none_still_asks_for_two_intervals() -> None:
    course = a_course(sustained_health_s=0, triggers=[a_trigger(last_fail_at=ago(seconds=119))], last_unhealthy_at=None)

    assert closing(course, NOW) == Closing(None, ahead(seconds=1))
