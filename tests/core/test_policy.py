"""Reading a policy's fields, and which policy governs a pod (behaviour §6, Fields and Binding)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podhealth.core.errors import InputError
from podhealth.core.ladder import PolicyRules, Step
from podhealth.core.policy import Candidate, effective_policy, parse_policy, policy_fields
from podhealth.core.words import Action, Mode

LEAST = {"name": "web", "action": "restart"}


def test_absent_fields_take_the_seeds_defaults() -> None:
    rules = parse_policy(LEAST)

    assert rules == PolicyRules(
        name="web",
        enabled=True,
        mode=Mode.AUTO,
        trigger_after_failures=3,
        action=Action.RESTART,
        cooldown_minutes=10,
        max_attempts=3,
        notify_on_trigger=True,
        escalate_after_attempts=None,
        escalation_action=None,
        backoff_factor=2.0,
        verify_timeout_s=300,
        healthy_delay_s=30,
        sustained_health_s=600,
        start_deadline_s=120,
        selector=(),
        priority=0,
        is_default=False,
        steps=None,
    )


# Each field: a value it takes, by our name, among them every 0.
TAKEN = [
    ("name", "db", "name", "db"),
    ("enabled", False, "enabled", False),
    ("mode", "shadow", "mode", Mode.SHADOW),
    ("triggerAfterFailures", 1, "trigger_after_failures", 1),
    ("triggerAfterFailures", 100, "trigger_after_failures", 100),
    ("action", "notify_only", "action", Action.NOTIFY_ONLY),
    ("cooldownMinutes", 0, "cooldown_minutes", 0),
    ("cooldownMinutes", 1440, "cooldown_minutes", 1440),
    ("maxAttempts", 0, "max_attempts", 0),
    ("maxAttempts", 20, "max_attempts", 20),
    ("notifyOnTrigger", False, "notify_on_trigger", False),
    ("escalateAfterAttempts", 0, "escalate_after_attempts", 0),
    ("escalateAfterAttempts", None, "escalate_after_attempts", None),
    ("escalationAction", "migrate", "escalation_action", Action.MIGRATE),
    ("escalationAction", None, "escalation_action", None),
    ("backoffFactor", 1, "backoff_factor", 1.0),
    ("backoffFactor", 4, "backoff_factor", 4.0),
    ("verifyTimeout", 10, "verify_timeout_s", 10),
    ("healthyDelay", 0, "healthy_delay_s", 0),
    ("sustainedHealth", 0, "sustained_health_s", 0),
    ("startDeadline", 1800, "start_deadline_s", 1800),
    ("selector", ["web", "prod", "web"], "selector", ("web", "prod")),
    ("priority", -1, "priority", -1),
    ("isDefault", True, "is_default", True),
    ("steps", [], "steps", ()),
    ("steps", [{"action": "migrate"}], "steps", (Step(Action.MIGRATE, 1),)),
]


@pytest.mark.parametrize(("field", "value", "ours", "wanted"), TAKEN)
def test_a_field_within_its_bounds_is_taken(field, value, ours, wanted) -> None:
    assert getattr(parse_policy(LEAST | {field: value}), ours) == wanted


REFUSED = [
    ("name", ""),
    ("name", "x" * 64),
    ("name", 7),
    ("name", "a\nb"),
    ("name", "\ud800"),
    ("enabled", 1),
    ("enabled", "true"),
    ("mode", "on"),
    ("mode", None),
    ("triggerAfterFailures", 0),
    ("triggerAfterFailures", 101),
    ("triggerAfterFailures", True),
    ("triggerAfterFailures", "3"),
    ("triggerAfterFailures", 3.0),
    ("triggerAfterFailures", None),
    ("action", "escalate"),
    ("action", ["restart"]),
    ("cooldownMinutes", -1),
    ("cooldownMinutes", 1441),
    ("maxAttempts", 21),
    ("notifyOnTrigger", 0),
    ("escalateAfterAttempts", 21),
    ("escalateAfterAttempts", "2"),
    ("escalationAction", "restart"),
    ("escalationAction", "reboot"),
    ("backoffFactor", 0.5),
    ("backoffFactor", float("nan")),
    ("backoffFactor", 5),
    ("verifyTimeout", 9),
    ("healthyDelay", -1),
    ("sustainedHealth", 86_401),
    ("startDeadline", 9),
    ("startDeadline", 1801),
    ("selector", "web"),
    ("selector", [""]),
    ("selector", ["x"] * 21),
    ("selector", [1]),
    ("priority", 1001),
    ("isDefault", "yes"),
    ("steps", {}),
    ("steps", [{"action": "restart"}] * 11),
]


@pytest.mark.parametrize(("field", "value"), REFUSED)
def test_a_bad_value_is_refused_by_the_fields_name(field, value) -> None:
    with pytest.raises(InputError) as refused:
        parse_policy(LEAST | {field: value})

    assert refused.value.field == field


@pytest.mark.parametrize(
    ("step", "field"),
    [
        ({}, "steps[0].action"),
        ({"action": "fly"}, "steps[0].action"),
        ({"action": "restart", "attempts": 21}, "steps[0].attempts"),
        ({"action": "restart", "graceful": 1}, "steps[0].graceful"),
        ({"action": "restart", "timeoutSeconds": 4}, "steps[0].timeoutSeconds"),
        ({"action": "restart", "retries": 1}, "retries"),
        ("restart", "steps[0]"),
    ],
)
def test_a_bad_step_is_refused_by_its_place(step, field) -> None:
    with pytest.raises(InputError) as refused:
        parse_policy(LEAST | {"steps": [step]})

    assert refused.value.field == field


@pytest.mark.parametrize("missing", ["name", "action"])
def test_a_new_policy_must_say_its_name_and_action(missing) -> None:
    with pytest.raises(InputError) as refused:
        parse_policy({key: value for key, value in LEAST.items() if key != missing})

    assert refused.value.field == missing


def test_a_misspelt_field_is_refused_rather_than_passed_over() -> None:
    with pytest.raises(InputError, match="cooldownMinute"):
        parse_policy(LEAST | {"cooldownMinute": 3})


def test_what_is_absent_in_a_change_stays() -> None:
    before = parse_policy(LEAST | {"maxAttempts": 0, "cooldownMinutes": 0, "selector": ["web"]})

    after = parse_policy({"enabled": False}, before)

    assert (after.max_attempts, after.cooldown_minutes, after.selector, after.enabled) == (0, 0, ("web",), False)


def test_a_change_of_the_action_alone_may_not_make_it_equal_to_the_escalation() -> None:
    before = parse_policy(LEAST | {"escalationAction": "migrate"})

    with pytest.raises(InputError, match="escalationAction"):
        parse_policy({"action": "migrate"}, before)


def test_a_policy_that_is_not_enabled_is_off_in_any_mode() -> None:
    assert parse_policy(LEAST | {"enabled": False, "mode": "auto"}).effective_mode == Mode.OFF


@given(
    st.fixed_dictionaries(
        {"name": st.just("p"), "action": st.sampled_from(["restart", "stop"])},
        optional={
            "maxAttempts": st.integers(0, 20),
            "cooldownMinutes": st.integers(0, 1440),
            "escalationAction": st.sampled_from([None, "migrate"]),
            "backoffFactor": st.floats(1, 4),
            "steps": st.none() | st.just([{"action": "restart", "attempts": 2, "graceful": False}]),
        },
    )
)
def test_fields_written_and_read_back_are_the_same_policy(fields) -> None:
    rules = parse_policy(fields)

    assert parse_policy(policy_fields(rules)) == rules


WEB = Candidate(1, "web", ("web",), 10, False)
WEB_PROD = Candidate(2, "web prod", ("web", "prod"), 20, False)
DEFAULT = Candidate(3, "all", (), 0, True)
OTHER_WEB = Candidate(4, "web too", ("web",), 10, False)
ALL = (WEB, WEB_PROD, DEFAULT, OTHER_WEB)


@pytest.mark.parametrize(
    ("override", "tags", "policies", "wanted"),
    [
        pytest.param(1, ["web", "prod"], ALL, (1, "set for this pod"), id="the pod's own wins"),
        pytest.param(None, ["web", "prod"], ALL, (2, "tags web, prod, priority 20"), id="higher priority wins"),
        pytest.param(None, ["web"], ALL, (1, "tag web, priority 10"), id="all tags are needed, the older one wins"),
        pytest.param(None, ["db"], ALL, (3, "the tenant's default"), id="else the default"),
        pytest.param(99, ["db"], ALL, (3, "the tenant's default"), id="an override that is gone counts for nothing"),
        pytest.param(None, ["db"], (WEB,), (None, "no policy is bound to this pod, by tag or as default"), id="none"),
        pytest.param(
            None, [], (Candidate(5, "e", (), 9, False),), (None, None), id="an empty selector selects nothing"
        ),
    ],
)
def test_exactly_one_policy_governs_and_says_why(override, tags, policies, wanted) -> None:
    bound = effective_policy(override, tags, policies)

    assert bound.policy_id == wanted[0]
    assert wanted[1] in (None, bound.why)


@given(st.permutations(ALL))
def test_the_order_of_rows_never_decides(policies) -> None:
    assert effective_policy(None, ["web", "prod"], policies).policy_id == 2
