"""What a policy says in plain English (behaviour §11); every number is the one that is obeyed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podhealth.core.ladder import PolicyRules, Step
from podhealth.core.sentence import auto_sentence, ladder_sentence, policy_sentence, span, told_only_sentence
from podhealth.core.words import Action, Mode

R, S, M, N = Action.RESTART, Action.STOP, Action.MIGRATE, Action.NOTIFY_ONLY


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        (
            {"escalate_after_attempts": 2, "escalation_action": M},
            "restart up to 2 times, 10 min apart, then migrate once",
        ),
        ({"max_attempts": 2}, "restart up to 2 times, 10 min apart"),
        ({}, "restart up to 3 times, 10 and 20 min apart"),
        ({"max_attempts": 4}, "restart up to 4 times, 10 to 40 min apart"),
        ({"max_attempts": 5}, "restart up to 5 times, 10 min to 1 h apart"),
        ({"max_attempts": 3, "backoff_factor": 1.0}, "restart up to 3 times, 10 min apart"),
        ({"max_attempts": 1}, "restart once"),
        ({"max_attempts": 0}, "only watch"),
        ({"max_attempts": 0, "escalation_action": M}, "do nothing but migrate once"),
        ({"max_attempts": 0, "escalate_after_attempts": 0}, "do nothing but tell people once"),
        ({"action": N, "backoff_factor": 1.0}, "only tell people, 3 times, 10 min apart"),
        ({"action": N, "max_attempts": 1}, "only tell people once"),
        (
            {"max_attempts": 3, "escalate_after_attempts": 2},
            "restart up to 2 times, 10 min apart, then tell people once",
        ),
        ({"action": S, "max_attempts": 1}, "stop once"),
        ({"cooldown_minutes": 0}, "restart up to 3 times, 1 min apart"),
        ({"max_attempts": 2, "cooldown_minutes": 90}, "restart up to 2 times, 1 h 30 min apart"),
        ({"max_attempts": 2, "cooldown_minutes": 120}, "restart up to 2 times, 2 h apart"),
        (
            {"steps": (Step(R, 1), Step(M, 2), Step(N, 1))},
            "restart once, then migrate up to 2 times, 20 min apart, then tell people once",
        ),
        ({"steps": ()}, "only watch"),
        ({"mode": Mode.OFF}, "Off: does nothing."),
        ({"enabled": False}, "Off: does nothing."),
    ],
)
def test_the_ladder_in_short(fields, wanted) -> None:
    assert ladder_sentence(PolicyRules("p", **fields)) == wanted


def test_the_whole_preview_says_when_what_how_it_is_proven_and_how_it_ends() -> None:
    rules = PolicyRules("p", mode=Mode.SHADOW, escalate_after_attempts=2, escalation_action=M)

    assert policy_sentence(rules) == (
        "After 3 failures in a row, restart up to 2 times, 10 min apart, then migrate once, then stop trying and tell "
        "people. A restart counts as done when the check was healthy for 30 s within 5 min. At most 3 attempts in one "
        "episode; an episode ends after 10 min of health. Shadow: nothing is really done."
    )


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        (
            {"trigger_after_failures": 1, "max_attempts": 1, "mode": Mode.APPROVE},
            "After 1 failure, restart once, then stop trying and tell people. A restart counts as done when the check "
            "was healthy for 30 s within 5 min. At most 1 attempt in one episode; an episode ends after 10 min of "
            "health. Each heal waits for somebody's approval.",
        ),
        (
            {"action": N, "max_attempts": 1},
            "After 3 failures in a row, only tell people once, then fall silent. At most 1 attempt in one episode; an "
            "episode ends after 10 min of health.",
        ),
        ({"max_attempts": 0}, "Only watches: nothing is tried, people are told once."),
        ({"enabled": False}, "Off: does nothing."),
    ],
)
def test_other_previews(fields, wanted) -> None:
    assert policy_sentence(PolicyRules("p", **fields)) == wanted


@pytest.mark.parametrize(
    ("seconds", "wanted"),
    [
        (0, "0 s"),
        (30, "30 s"),
        (60, "1 min"),
        (90, "90 s"),
        (120, "2 min"),
        (150, "2 min 30 s"),
        (3600, "1 h"),
        (5400, "1 h 30 min"),
    ],
)
def test_lengths_are_written_as_people_write_them(seconds, wanted) -> None:
    assert span(seconds) == wanted


@pytest.mark.parametrize(
    ("pods", "wanted"),
    [
        (0, ""),
        (1, "1 pod has no provider and is only told about"),
        (2, "2 pods have no provider and are only told about"),
    ],
)
def test_pods_without_provider_are_only_told_about(pods, wanted) -> None:
    assert told_only_sentence(pods) == wanted


@given(
    st.builds(
        PolicyRules,
        name=st.just("p"),
        mode=st.sampled_from(Mode),
        action=st.sampled_from(Action),
        max_attempts=st.integers(0, 20),
        escalate_after_attempts=st.none() | st.integers(0, 20),
        cooldown_minutes=st.integers(0, 1440),
        backoff_factor=st.floats(1, 4),
    )
)
def test_every_policy_has_a_sentence(rules) -> None:
    assert policy_sentence(rules)
    assert ladder_sentence(rules)


# Forty policies and what each says (the dashboard's own list); those above say more of single parts.

FORTY = [
    ({}, "restart up to 3 times, 10 and 20 min apart"),
    ({"max_attempts": 1}, "restart once"),
    ({"max_attempts": 2}, "restart up to 2 times, 10 min apart"),
    ({"max_attempts": 4}, "restart up to 4 times, 10 to 40 min apart"),
    ({"max_attempts": 5}, "restart up to 5 times, 10 min to 1 h apart"),
    ({"max_attempts": 20}, "restart up to 20 times, 10 min to 1 h apart"),
    ({"max_attempts": 0}, "only watch"),
    ({"max_attempts": 2, "escalation_action": M}, "restart up to 2 times, 10 min apart, then migrate once"),
    ({"max_attempts": 1, "escalation_action": S}, "restart once, then stop once"),
    ({"max_attempts": 1, "escalation_action": N}, "restart once, then tell people once"),
    ({"max_attempts": 3, "escalate_after_attempts": 1}, "restart once, then tell people once"),
    ({"escalate_after_attempts": 2, "escalation_action": M}, "restart up to 2 times, 10 min apart, then migrate once"),
    ({"escalate_after_attempts": 0, "escalation_action": M}, "migrate once"),
    ({"max_attempts": 0, "escalation_action": M}, "do nothing but migrate once"),
    ({"max_attempts": 0, "escalation_action": S}, "do nothing but stop once"),
    ({"max_attempts": 0, "escalate_after_attempts": 0}, "do nothing but tell people once"),
    ({"action": M, "max_attempts": 1}, "migrate once"),
    ({"action": M, "max_attempts": 2}, "migrate up to 2 times, 10 min apart"),
    ({"action": M, "max_attempts": 1, "escalation_action": R}, "migrate once, then restart once"),
    ({"action": S, "max_attempts": 1}, "stop once"),
    (
        {"action": S, "max_attempts": 2, "escalation_action": N},
        "stop up to 2 times, 10 min apart, then tell people once",
    ),
    ({"action": N}, "only tell people, 3 times, 10 and 20 min apart"),
    ({"action": N, "max_attempts": 1}, "only tell people once"),
    ({"action": N, "max_attempts": 2, "cooldown_minutes": 30}, "only tell people, 2 times, 30 min apart"),
    ({"action": N, "max_attempts": 1, "escalation_action": R}, "only tell people once, then restart once"),
    ({"cooldown_minutes": 0}, "restart up to 3 times, 1 min apart"),
    ({"cooldown_minutes": 1}, "restart up to 3 times, 1 and 2 min apart"),
    ({"cooldown_minutes": 5, "max_attempts": 2}, "restart up to 2 times, 5 min apart"),
    ({"cooldown_minutes": 60}, "restart up to 3 times, 1 h apart"),
    ({"cooldown_minutes": 90, "max_attempts": 2}, "restart up to 2 times, 1 h 30 min apart"),
    ({"cooldown_minutes": 1440, "max_attempts": 2}, "restart up to 2 times, 24 h apart"),
    ({"backoff_factor": 1.0}, "restart up to 3 times, 10 min apart"),
    ({"backoff_factor": 4.0}, "restart up to 3 times, 10 and 40 min apart"),
    ({"backoff_factor": 1.5, "cooldown_minutes": 20}, "restart up to 3 times, 20 and 30 min apart"),
    ({"steps": ()}, "only watch"),
    ({"steps": (Step(R, 0), Step(M, 1))}, "migrate once"),
    (
        {"steps": (Step(R, 1), Step(M, 2), Step(N, 1))},
        "restart once, then migrate up to 2 times, 20 min apart, then tell people once",
    ),
    ({"steps": (Step(M, 1), Step(R, 1), Step(S, 1))}, "migrate once, then restart once, then stop once"),
    ({"mode": Mode.OFF}, "Off: does nothing."),
    ({"enabled": False, "max_attempts": 7}, "Off: does nothing."),
    ({"mode": Mode.SHADOW, "max_attempts": 1}, "restart once"),
    (
        {"mode": Mode.APPROVE, "action": M, "max_attempts": 1, "escalation_action": N},
        "migrate once, then tell people once",
    ),
]


def test_they_are_forty_different_policies() -> None:
    assert len({PolicyRules("p", **fields) for fields, _ in FORTY}) >= 40


@pytest.mark.parametrize(("fields", "wanted"), FORTY)
def test_forty_policies_and_their_sentences(fields, wanted) -> None:
    rules = PolicyRules("p", **fields)

    assert ladder_sentence(rules) == wanted
    if wanted not in ("only watch", "Off: does nothing."):
        assert f", {wanted}, then " in policy_sentence(rules)


@pytest.mark.parametrize(
    ("fields", "pods", "wanted"),
    [
        ({}, 38, "From now on 38 pods are really restarted."),
        ({}, 1, "From now on 1 pod is really restarted."),
        ({}, 1200, "From now on 1,200 pods are really restarted."),
        ({"escalation_action": M}, 2, "From now on 2 pods are really restarted or migrated."),
        ({"steps": (Step(R, 1), Step(S, 1), Step(R, 2))}, 2, "From now on 2 pods are really restarted or stopped."),
        ({}, 0, "From now on each pod that this policy comes to govern is really restarted."),
        ({"action": N}, 5, "From now on people are told; nothing is done to any pod."),
        ({"max_attempts": 0}, 5, "From now on people are told; nothing is done to any pod."),
    ],
)
def test_auto_says_what_is_really_done(fields, pods, wanted) -> None:
    assert auto_sentence(PolicyRules("p", **fields), pods) == wanted
