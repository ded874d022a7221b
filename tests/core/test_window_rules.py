"""Fields of a maintenance window: what is taken, what is refused, and that the field is named."""

from typing import Any

import pytest

from podhealth.core.errors import InputError
from podhealth.core.window_rules import parse_window, window_fields
from podhealth.core.words import SnoozeHolds

GOOD: dict[str, Any] = {
    "name": "kernel update",
    "reason": "new kernel",
    "zone": "Europe/Berlin",
    "starts": "2026-11-24T02:00",
    "minutes": 120,
    "tags": ["prod"],
}


def test_the_least_window_is_once_and_holds_heals_and_alerts() -> None:
    rules = parse_window(GOOD)

    assert (rules.recurrence, rules.holds, rules.enabled) == (None, SnoozeHolds.HEALS_AND_ALERTS, True)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "x" * 64),
        ("name", "a\nb"),
        ("reason", " "),
        ("reason", None),
        ("reason", "x" * 201),
        ("zone", "Mars/Olympus"),
        ("zone", "localtime"),
        ("zone", "../etc/passwd"),
        ("zone", 1),
        ("starts", "2026-11-24"),
        ("starts", "2026-11-24T02:00Z"),
        ("starts", "2026-11-24T02:00:30"),
        ("starts", "2026-02-30T02:00"),
        ("starts", "1999-12-31T02:00"),
        ("starts", "2101-01-01T02:00"),
        ("starts", 1700000000),
        ("minutes", 0),
        ("minutes", 10_081),
        ("minutes", 1.0),
        ("minutes", True),
        ("minutes", "60"),
        ("recurrence", "FREQ=YEARLY"),
        ("recurrence", ""),
        ("recurrence", "FREQ=DAILY;UNTIL=20200101"),
        ("holds", "nothing"),
        ("allPods", 1),
        ("tags", "prod"),
        ("tags", [""]),
        ("podIds", [0]),
        ("podIds", ["7"]),
        ("podIds", list(range(1, 1_002))),
        ("nodeIds", [True]),
        ("enabled", "yes"),
    ],
)
def test_a_bad_value_is_refused_by_the_fields_name(field: str, value: object) -> None:
    with pytest.raises(InputError) as refused:
        parse_window(GOOD | {field: value})

    assert refused.value.field == field


@pytest.mark.parametrize("field", ["name", "reason", "zone", "starts", "minutes"])
def test_what_a_window_cannot_be_without_must_be_given(field: str) -> None:
    with pytest.raises(InputError) as refused:
        parse_window({name: value for name, value in GOOD.items() if name != field})

    assert (refused.value.field, refused.value.code) == (field, "missing")


def test_a_window_about_nobody_is_refused() -> None:
    with pytest.raises(InputError) as refused:
        parse_window(GOOD | {"tags": []})

    assert refused.value.field == "allPods"


def test_a_field_that_no_window_has_is_refused() -> None:
    with pytest.raises(InputError, match="is no field of a maintenance window"):
        parse_window(GOOD | {"duration": 5})


def test_an_edit_keeps_what_it_does_not_name() -> None:
    before = parse_window(GOOD | {"recurrence": "FREQ=DAILY"})
    after = parse_window({"minutes": 30}, before)

    assert (after.minutes, after.recurrence, after.tags) == (30, "FREQ=DAILY", ("prod",))
    assert parse_window({"recurrence": None}, before).recurrence is None


def test_what_is_sent_reads_back_the_same() -> None:
    rules = parse_window(GOOD | {"recurrence": "freq=weekly;byday=su", "podIds": [7, 3, 7]})

    assert parse_window(window_fields(rules)) == rules
    assert window_fields(rules)["podIds"] == [3, 7]


def test_many_chosen_pods_are_asked_for_as_a_set() -> None:
    covers = parse_window(GOOD | {"podIds": list(range(1, 1001)), "nodeIds": [3]}).covers

    # 200 windows of 1,000 pods each are looked through for each pod of a tenant: a list would take minutes.
    assert isinstance(covers.pod_ids, frozenset)
    assert isinstance(covers.node_ids, frozenset)
