"""The policy form as text: what it asks core/policy for, and that it comes back as it was typed."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podhealth.core.ladder import PolicyRules, Step
from podhealth.core.policy import MAX_STEPS
from podhealth.core.words import Action, Mode
from podhealth.web.forms.policies import LABELS, NEW, PolicyForm, form_of, html_id, label_of, read_form
from podhealth.web.forms.policy_ladder import arranged

R, S, M, N = Action.RESTART, Action.STOP, Action.MIGRATE, Action.NOTIFY_ONLY


def posted(form: PolicyForm, **changes: str) -> dict[str, str]:
    """What a browser sends for a form: boxes that are not ticked are absent."""
    sent = {name: value for name, value in form.values.items() if value or name not in ("isDefault", "notifyOnTrigger")}
    for place, step in enumerate(form.steps):
        sent |= {f"steps-{place}-{key}": value for key, value in step.items() if value or key != "graceful"}
    return sent | changes


def of(rules: PolicyRules | None = None, **changes: str) -> PolicyForm:
    """The form of these rules, sent with some fields changed."""
    rules = rules or PolicyRules("web")
    return read_form(posted(form_of(rules), **changes), rules)


names = st.text(st.characters(categories=["L", "N", "P"], exclude_characters="\0"), min_size=1, max_size=20).map(
    lambda text: unicodedata.normalize("NFC", text)
)
steps = st.lists(
    st.builds(Step, st.sampled_from(Action), st.integers(0, 20), st.booleans(), st.none() | st.integers(5, 1800)),
    max_size=MAX_STEPS,
).map(tuple)
policies = st.builds(
    PolicyRules,
    name=names,
    enabled=st.booleans(),
    mode=st.sampled_from(Mode),
    trigger_after_failures=st.integers(1, 100),
    action=st.just(R),
    cooldown_minutes=st.integers(0, 1440),
    max_attempts=st.integers(0, 20),
    notify_on_trigger=st.booleans(),
    escalate_after_attempts=st.none() | st.integers(0, 20),
    escalation_action=st.sampled_from([None, S, M, N]),
    backoff_factor=st.floats(1, 4),
    verify_timeout_s=st.integers(10, 7200),
    healthy_delay_s=st.integers(0, 3600),
    sustained_health_s=st.integers(0, 86_400),
    start_deadline_s=st.integers(10, 1800),
    selector=st.lists(names, max_size=5, unique=True).map(tuple),
    priority=st.integers(-1000, 1000),
    is_default=st.booleans(),
    steps=st.none() | steps,
)


@given(policies)
def test_a_form_that_is_sent_back_untouched_changes_nothing(rules: PolicyRules) -> None:
    form = of(rules)

    assert (form.rules, form.errors) == (rules, {})


@given(st.dictionaries(st.sampled_from([*LABELS, "steps-0-action", "steps-1-action", "ladder"]), st.text(max_size=30)))
def test_no_text_breaks_the_form_and_each_error_has_a_label(sent: dict[str, str]) -> None:
    form = read_form(sent)

    assert form.errors
    assert all(label_of(field) and html_id(field) for field in form.errors)


def test_a_new_policy_starts_in_shadow() -> None:
    assert form_of(NEW).values["mode"] == "shadow"


@pytest.mark.parametrize(
    ("field", "text", "ours", "wanted"),
    [
        ("cooldownMinutes", "0", "cooldown_minutes", 0),
        ("maxAttempts", "0", "max_attempts", 0),
        ("escalateAfterAttempts", "0", "escalate_after_attempts", 0),
        ("escalateAfterAttempts", "", "escalate_after_attempts", None),
        ("escalationAction", "", "escalation_action", None),
        ("escalationAction", "migrate", "escalation_action", M),
        ("healthyDelay", " 7 ", "healthy_delay_s", 7),
        ("priority", "-5", "priority", -5),
        ("backoffFactor", "1.5", "backoff_factor", 1.5),
        ("name", "  web two ", "name", "web two"),
        ("selector", "web\r\n\r\n prod \r\nweb", "selector", ("web", "prod")),
        ("selector", "a, b", "selector", ("a, b",)),
        ("selector", "", "selector", ()),
        ("isDefault", "on", "is_default", True),
        ("notifyOnTrigger", "", "notify_on_trigger", False),
        ("mode", "approve", "mode", Mode.APPROVE),
    ],
)
def test_a_text_becomes_the_value_it_says(field, text, ours, wanted) -> None:
    form = of(**{field: text})

    assert (getattr(form.rules, ours), form.errors) == (wanted, {})


@pytest.mark.parametrize(
    ("field", "text"),
    [
        *(
            (field, text)
            for field in ("cooldownMinutes", "priority")
            for text in ("", "x", "1.0", "1e2", "٣", "+1", "0x1")
        ),
        ("maxAttempts", "9" * 40),
        ("backoffFactor", "nan"),
        ("backoffFactor", "1,5"),
        ("backoffFactor", ""),
        ("name", "   "),
        ("mode", ""),
        ("action", ""),
    ],
)
def test_what_is_no_such_value_is_refused_by_name_and_kept(field, text) -> None:
    form = of(**{field: text})

    assert list(form.errors) == [field]
    assert form.values[field] == text


def test_all_refused_fields_are_named_at_once() -> None:
    form = of(name="", maxAttempts="21", priority="", mode="loud", selector="x" * 64)

    assert set(form.errors) == {"name", "maxAttempts", "priority", "mode", "selector"}
    assert form.rules is None


def test_an_escalation_to_the_same_action_is_refused_beside_it() -> None:
    assert list(of(escalationAction="restart").errors) == ["escalationAction"]


def test_a_missing_name_alone_leaves_open_nothing_of_what_a_policy_does() -> None:
    form = of(name="")

    assert list(form.errors) == ["name"]
    assert form.rules == PolicyRules("web")


STEPS = PolicyRules("web", steps=(Step(R, 2, True, 60), Step(M, 1), Step(N, 1)))


def test_steps_are_read_in_the_order_of_their_places_with_gaps_closed() -> None:
    sent = posted(form_of(STEPS))
    sent = {name.replace("steps-1-", "steps-7-"): value for name, value in sent.items()}
    sent |= {"steps-9-action": "stop", "steps-9-attempts": "0"}

    assert read_form(sent, STEPS).rules.steps == (Step(R, 2, True, 60), Step(N, 1), Step(M, 1), Step(S, 0, False))


def test_a_bad_step_is_named_by_its_place() -> None:
    form = of(STEPS, **{"steps-1-attempts": "21", "steps-2-timeoutSeconds": "1", "steps-0-action": "sing"})

    assert set(form.errors) == {"steps[0].action", "steps[1].attempts", "steps[2].timeoutSeconds"}
    assert label_of("steps[1].attempts") == "Step 2, attempts"
    assert html_id("steps[1].attempts") == "steps-1-attempts"
    assert form.steps[1]["attempts"] == "21"


def test_too_many_steps_are_refused_as_a_whole() -> None:
    sent = {
        f"steps-{place}-{key}": text for place in range(11) for key, text in (("action", "stop"), ("attempts", "1"))
    }

    assert list(of(STEPS, **sent).errors) == ["steps"]


def test_the_ladder_that_is_not_chosen_is_not_read() -> None:
    simple = of(ladder="simple", **{"steps-0-action": "sing", "steps-0-attempts": "99"})
    stepwise = of(STEPS, maxAttempts="99", action="sing")

    assert (simple.errors, simple.rules.steps) == ({}, None)
    assert (stepwise.errors, stepwise.rules.max_attempts) == ({}, 3)


def test_a_simple_ladder_shows_as_steps_that_say_the_same() -> None:
    rules = PolicyRules("web", escalate_after_attempts=2, escalation_action=M)

    assert [(s["action"], s["attempts"]) for s in form_of(rules).steps] == [("restart", "2"), ("migrate", "1")]


def test_a_policy_that_is_not_enabled_shows_as_off_and_keeps_its_mode() -> None:
    rules = PolicyRules("web", enabled=False, mode=Mode.APPROVE)

    assert form_of(rules).values["mode"] == "off"
    assert of(rules).rules == rules


def test_another_mode_enables_a_policy() -> None:
    form = of(PolicyRules("web", enabled=False), mode="auto")

    assert (form.rules.enabled, form.rules.mode, form.asks_for_auto) == (True, Mode.AUTO, True)


@pytest.mark.parametrize(
    ("what", "wanted"),
    [
        ("up-1", "migrate restart notify_only"),
        ("down-0", "migrate restart notify_only"),
        ("remove-1", "restart notify_only"),
        ("add", "restart migrate notify_only notify_only"),
        *(
            (what, "restart migrate notify_only")
            for what in ("up-0", "down-2", "up-3", "remove-9", "up--1", "sort", "")
        ),
    ],
)
def test_the_steps_are_arranged(what, wanted) -> None:
    assert " ".join(step["action"] for step in arranged(form_of(STEPS), what).steps) == wanted


def test_no_step_is_added_beyond_the_most_there_may_be() -> None:
    full = form_of(PolicyRules("web", steps=(Step(S, 1),) * MAX_STEPS))

    assert len(arranged(full, "add").steps) == MAX_STEPS
