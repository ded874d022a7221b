"""The ladder that a policy's fields make (behaviour §6, Ladder): twenty rows, striking, and rungs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podhealth.core.ladder import PolicyRules, Step, ladder, length, next_rung, strike
from podhealth.core.words import Action

R, S, M, N = Action.RESTART, Action.STOP, Action.MIGRATE, Action.NOTIFY_ONLY

# action, maxAttempts, escalateAfterAttempts, escalationAction -> the actions in order
ROWS = [
    (R, 3, 2, M, [R, R, M]),
    (R, 3, None, None, [R, R, R]),
    (R, 1, None, None, [R]),
    (R, 0, None, None, []),
    (R, 3, None, M, [R, R, R, M]),
    (R, 3, 3, M, [R, R, R, M]),
    (R, 3, 5, M, [R, R, R, M]),
    (R, 3, 0, M, [M]),
    (R, 0, 2, M, [M]),
    (R, 0, None, M, [M]),
    (R, 0, 0, None, [N]),
    (R, 3, 2, None, [R, R, N]),
    (R, 3, 0, None, [N]),
    (R, 2, 1, S, [R, S]),
    (M, 1, None, N, [M, N]),
    (M, 2, 1, R, [M, R]),
    (S, 1, None, None, [S]),
    (S, 3, 1, N, [S, N]),
    (N, 3, None, None, [N, N, N]),
    (N, 3, 2, R, [N, N, R]),
    (R, 20, 20, M, [R] * 20 + [M]),
]


@pytest.mark.parametrize(("action", "most", "after", "then", "wanted"), ROWS)
def test_the_seeds_fields_make_this_ladder(action, most, after, then, wanted) -> None:
    rules = PolicyRules("p", action=action, max_attempts=most, escalate_after_attempts=after, escalation_action=then)

    assert [step.action for step in ladder(rules) for _ in range(step.attempts)] == wanted


def test_steps_say_the_whole_ladder_whatever_the_other_fields_say() -> None:
    steps = (Step(R, 2, graceful=True), Step(R, 1, graceful=False, timeout_s=30), Step(M, 0), Step(N, 1))

    assert ladder(PolicyRules("p", max_attempts=9, steps=steps)) == (steps[0], steps[1], steps[3])


def test_an_empty_list_of_steps_only_watches() -> None:
    assert ladder(PolicyRules("p", steps=())) == ()


def test_steps_the_provider_cannot_do_are_struck_with_the_reason() -> None:
    kept, struck = strike((Step(R, 2), Step(M, 1)), lambda action: action == R, "it cannot")

    assert kept == (Step(R, 2),)
    assert struck == ((M, "it cannot"),)


def test_with_no_step_left_people_are_told_once() -> None:
    kept, _ = strike((Step(R, 2), Step(M, 1)), lambda _: False, "no provider")

    assert kept == (Step(N, 1),)


def test_telling_people_is_never_struck() -> None:
    assert strike((Step(N, 3),), lambda _: False, "no provider") == ((Step(N, 3),), ())


def test_a_ladder_that_was_empty_stays_empty() -> None:
    assert strike((), lambda _: False, "no provider") == ((), ())


def test_a_step_survives_being_stored() -> None:
    step = Step(M, 2, graceful=False, timeout_s=40)

    assert Step.from_json(step.as_json()) == step


@pytest.mark.parametrize(
    ("spent", "wanted"),
    [(0, (R, 1, 1, 2)), (1, (R, 2, 2, 2)), (2, (M, 3, 1, 1))],
)
def test_each_attempt_is_this_rung(spent, wanted) -> None:
    rung = next_rung((Step(R, 2), Step(M, 1)), spent)

    assert rung is not None
    assert (rung.step.action, rung.attempt, rung.nth, rung.of) == wanted


def test_rungs_are_named_as_people_count_them() -> None:
    assert str(next_rung((Step(R, 2),), 1)) == "restart 2 of 2"
    assert str(next_rung((Step(N, 1),), 0)) == "tell people"


@given(st.lists(st.builds(Step, st.sampled_from(Action), st.integers(1, 20)), max_size=10))
def test_climbing_rung_by_rung_spends_exactly_the_ladder(steps) -> None:
    steps = tuple(steps)
    climbed = [rung.step.action for spent in range(length(steps)) if (rung := next_rung(steps, spent))]

    assert climbed == [step.action for step in steps for _ in range(step.attempts)]
    assert next_rung(steps, length(steps)) is None
