"""What a policy's heals came to (behaviour §6, Effect)."""

from datetime import timedelta
from typing import Any

import pytest

from podhealth.core.effect import ActionEffect, Happened, effect
from podhealth.core.words import Action, HealState
from tests.core.healfacts import NOW

R, M, S, N = Action.RESTART, Action.MIGRATE, Action.STOP, Action.NOTIFY_ONLY
HOUR = timedelta(hours=1)


def a_heal(action: Action = R, state: HealState = HealState.SUCCEEDED, **changed: Any) -> Happened:
    """A restart that took three minutes, of a pod that was bad for two minutes before and well again after one more."""
    happened = Happened(
        pod_id=1,
        action=action,
        state=state,
        triggered_at=NOW,
        completed_at=NOW + timedelta(minutes=3),
        bad_since=NOW - timedelta(minutes=2),
        healthy_at=NOW + timedelta(minutes=1),
    )
    return happened._replace(**changed)


def test_nothing_came_to_nothing() -> None:
    assert effect([]) == ((), None, ())


@pytest.mark.parametrize(
    ("states", "heals", "succeeded", "failed", "still_open", "rate"),
    [
        pytest.param(["succeeded"], 1, 1, 0, 0, 1.0, id="one that helped"),
        pytest.param(["failed", "timed_out"], 2, 0, 2, 0, 0.0, id="none that helped"),
        pytest.param(["succeeded", "failed", "succeeded", "timed_out"], 4, 2, 2, 0, 0.5, id="half"),
        pytest.param(["planned", "running", "verifying"], 3, 0, 0, 3, None, id="open ones say nothing yet"),
        pytest.param(["succeeded", "verifying"], 2, 1, 0, 1, 1.0, id="open ones are in no rate"),
        pytest.param(["succeeded", "cancelled", "skipped"], 1, 1, 0, 0, 1.0, id="what did nothing counts nowhere"),
    ],
)
def test_the_success_rate_is_of_what_was_done_and_is_over(states, heals, succeeded, failed, still_open, rate) -> None:
    (restart,) = effect([a_heal(state=HealState(state)) for state in states]).actions

    assert restart[1:5] == (heals, succeeded, failed, still_open)
    assert restart.success_rate == rate


def test_only_heals_that_did_nothing_leave_no_action() -> None:
    assert effect([a_heal(state=HealState.CANCELLED)]) == ((), None, ())


def test_telling_people_is_in_neither_rate_nor_mttr() -> None:
    told = effect([a_heal(N), a_heal(N)])

    assert told.actions == (ActionEffect(N, 2, 2, 0, 0, 0, None, None, None),)
    assert told.total is None


def test_each_action_stands_by_itself_and_the_total_holds_all_that_did_something() -> None:
    found = effect([a_heal(R), a_heal(R, HealState.FAILED), a_heal(M), a_heal(N)])

    assert [(one.action, one.heals, one.success_rate) for one in found.actions] == [
        (R, 2, 0.5),
        (M, 1, 1.0),
        (N, 1, None),
    ]
    assert found.total is not None
    assert (found.total.heals, found.total.succeeded) == (3, 2)


@pytest.mark.parametrize(
    ("after", "relapsed"),
    [
        pytest.param(None, 0, id="nothing since"),
        pytest.param(timedelta(minutes=1), 1, id="at once"),
        pytest.param(24 * HOUR - timedelta(seconds=1), 1, id="just within a day"),
        pytest.param(24 * HOUR, 0, id="a day later"),
    ],
)
def test_a_relapse_is_new_trouble_within_24_hours_of_a_heal_that_helped(after, relapsed) -> None:
    end = NOW + timedelta(minutes=3)
    (restart,) = effect([a_heal(next_trouble_at=None if after is None else end + after), a_heal()]).actions

    assert (restart.relapsed, restart.relapse_rate) == (relapsed, relapsed / 2)


def test_a_heal_that_failed_has_nothing_to_relapse_from() -> None:
    (restart,) = effect([a_heal(state=HealState.FAILED, next_trouble_at=NOW + HOUR)]).actions

    assert (restart.relapsed, restart.relapse_rate) == (0, None)


@pytest.mark.parametrize(
    ("changed", "minutes"),
    [
        pytest.param({}, 3, id="from the first fail to healthy"),
        pytest.param({"healthy_at": None}, 5, id="to the proof, where the pod as a whole is still ill"),
        pytest.param({"healthy_at": NOW + 9 * HOUR}, 5, id="to the proof, where the pod as a whole took longer"),
        pytest.param({"bad_since": None}, None, id="not of a pod that was not ill"),
        pytest.param({"action": S}, None, id="not of a stop"),
        pytest.param({"state": HealState.FAILED}, None, id="not of one that failed"),
    ],
)
def test_the_time_to_health_counts_from_the_first_fail(changed, minutes) -> None:
    (one,) = effect([a_heal(**changed)]).actions

    assert one.mttr == (None if minutes is None else timedelta(minutes=minutes))


def test_the_time_to_health_is_the_mean() -> None:
    quick, slow = a_heal(), a_heal(bad_since=NOW - timedelta(minutes=6))

    assert effect([quick, slow]).actions[0].mttr == timedelta(minutes=5)


@pytest.mark.parametrize(
    ("heals", "span", "is_chronic"),
    [(6, 23 * HOUR, True), (5, HOUR, False), (6, 24 * HOUR, False), (12, 100 * HOUR, False)],
)
def test_a_pod_healed_more_than_five_times_in_a_day_is_chronic(heals, span, is_chronic) -> None:
    happened = [a_heal(triggered_at=NOW + span * number / (heals - 1)) for number in range(heals)]

    assert effect(happened).chronic_pods == ((1,) if is_chronic else ())
