"""The gates that look beyond the pod: when each closes, until when, and in which words (behaviour §6, Gates)."""

from dataclasses import replace
from datetime import timedelta

import pytest

from podhealth.core.answers import Closed, Open
from podhealth.core.facts import Blind, BreakerFacts, NodeDown, Spent, Turn
from podhealth.core.fleet_gates import blind, breaker, budget, chronic, concurrency, node
from podhealth.core.ladder import Step
from podhealth.core.words import Action, BreakerScope, BreakerState
from tests.core.healfacts import NOW, ago, ahead, ready

US = timedelta(microseconds=1)
FIRST = ago(minutes=50)
HOUR = timedelta(hours=1)
TELLS = {"ladder": (Step(Action.NOTIFY_ONLY, 1),)}
MOVES = {"ladder": (Step(Action.MIGRATE, 1),)}
SIX_HEALS = tuple(ago(hours=hours) for hours in (20, 5, 4, 3, 2, 1))


def a_breaker(**changed) -> BreakerFacts:
    opened = BreakerFacts(BreakerScope.TENANT, "acme", BreakerState.OPEN, ago(minutes=3), 5, 2)
    return replace(opened, **changed)


def test_an_unreachable_node_holds_with_its_reason() -> None:
    answer = node(ready(node=NodeDown("pve1", ago(minutes=3), "pve2 says it is offline")))

    assert answer == Closed(
        "Node pve1 has been unreachable since 09:59:11 UTC: pve2 says it is offline",
        "Node pve1 unreachable",
        None,
        {"node": "pve1", "since": ago(minutes=3)},
    )


def test_a_blind_vantage_holds_with_its_reason() -> None:
    answer = blind(ready(blind=Blind("hel1", ago(minutes=3), "no reference answers")))

    assert answer == Closed(
        "Vantage hel1 has been blind since 09:59:11 UTC: no reference answers",
        "Vantage hel1 is blind",
        None,
        {"vantage": "hel1", "since": ago(minutes=3)},
    )


def test_the_longest_reason_still_fits_the_column() -> None:
    for closed in (
        node(ready(node=NodeDown("n" * 63, ago(minutes=3), "r" * 400))),
        blind(ready(blind=Blind("v" * 40, ago(minutes=3), "r" * 400))),
    ):
        assert isinstance(closed, Closed)
        assert len(closed.reason) == 300


def test_the_sixth_heal_in_a_day_makes_the_pod_chronic_until_a_day_after_the_sixth_last() -> None:
    assert chronic(ready(recent_heals=SIX_HEALS)) == Closed(
        "Healed more than 5 times in 24 h: something else is wrong. "
        "Nothing more until somebody acknowledges it, or until 14:02:11 UTC.",
        "Chronic",
        ahead(hours=4),
        {"heals": 6},
    )


def test_with_more_heals_the_sixth_last_counts_not_the_first() -> None:
    answer = chronic(ready(recent_heals=(ago(hours=22), ago(hours=21), *SIX_HEALS)))

    assert isinstance(answer, Closed)
    assert answer.until == SIX_HEALS[0] + timedelta(hours=24)


def test_five_heals_in_a_day_are_not_chronic() -> None:
    assert chronic(ready(recent_heals=SIX_HEALS[1:])) == Open({"heals": 5})


def test_a_heal_leaves_the_count_24_hours_later_to_the_microsecond() -> None:
    day = timedelta(hours=24)

    assert isinstance(chronic(ready(recent_heals=(NOW - day + US, *SIX_HEALS[1:]))), Closed)
    assert isinstance(chronic(ready(recent_heals=(NOW - day, *SIX_HEALS[1:]))), Open)


def test_only_heals_after_the_acknowledgement_count() -> None:
    assert isinstance(chronic(ready(recent_heals=SIX_HEALS, chronic_acknowledged_at=ago(hours=20))), Open)

    after = tuple(ago(minutes=minutes) for minutes in (60, 50, 40, 30, 20, 10))
    again = chronic(ready(recent_heals=(*SIX_HEALS[:-1], *after), chronic_acknowledged_at=ago(minutes=90)))
    assert isinstance(again, Closed)
    assert again.until == after[0] + timedelta(hours=24)


def test_an_open_breaker_holds_all_heals_of_its_scope() -> None:
    assert breaker(ready(breakers=(a_breaker(),))) == Closed(
        "Too many pods of acme fell ill at once (more than 2): all heals wait since 09:59:11 UTC.",
        "Breaker open",
        None,
        {"breakers": [{"scope": "tenant", "name": "acme", "state": "open", "limit": 2}]},
        "breaker tenant acme open",
    )


@pytest.mark.parametrize(
    ("scope", "name", "words"),
    [
        pytest.param(BreakerScope.NODE, "pve1", "Too many pods on node pve1 fell ill", id="node"),
        pytest.param(BreakerScope.VANTAGE, "hel1", "Too many pods seen from vantage hel1 fell ill", id="vantage"),
    ],
)
def test_the_breaker_names_what_it_guards(scope, name, words) -> None:
    answer = breaker(ready(breakers=(a_breaker(scope=scope, scope_name=name),)))

    assert isinstance(answer, Closed)
    assert answer.reason.startswith(words)


def test_half_open_the_pods_wait_for_their_turn() -> None:
    waiting = a_breaker(state=BreakerState.HALF_OPEN, trial_at=ahead(minutes=9))
    answer = breaker(ready(breakers=(waiting,)))

    assert isinstance(answer, Closed)
    assert answer.reason == (
        "Too many pods of acme fell ill at once. "
        "One heal at a time is tried, the oldest trouble first; this pod waits for its turn."
    )
    assert (answer.card, answer.until) == ("Breaker half-open", ahead(minutes=9))


def test_half_open_the_pod_whose_turn_it_is_passes() -> None:
    assert isinstance(breaker(ready(breakers=(a_breaker(state=BreakerState.HALF_OPEN, is_next=True),))), Open)


def test_the_second_breaker_holds_where_the_first_lets_pass() -> None:
    lets = a_breaker(state=BreakerState.HALF_OPEN, is_next=True)
    holds = a_breaker(scope=BreakerScope.NODE, scope_name="pve1")

    answer = breaker(ready(breakers=(lets, holds)))

    assert isinstance(answer, Closed)
    assert answer.same_as == "breaker node pve1 open"


def test_an_override_lets_heals_pass_until_it_ends() -> None:
    assert isinstance(breaker(ready(breakers=(a_breaker(override_until=NOW + US),))), Open)
    assert isinstance(breaker(ready(breakers=(a_breaker(override_until=NOW),))), Closed)


def six_calls(first=FIRST, **changed) -> tuple[Spent, ...]:
    return tuple(Spent(first + timedelta(minutes=i), **changed) for i in range(6))


def test_six_heals_in_the_hour_use_the_budget_up_until_the_first_is_an_hour_old() -> None:
    assert budget(ready(spent_by_tenant=six_calls())) == Closed(
        "The tenant's budget of 6 heals an hour is used up until 10:12:11 UTC.",
        "Budget used until 10:12:11",
        ahead(minutes=10),
        {"used": 6, "cost": 1, "limit": 6},
    )


def test_five_heals_in_the_hour_leave_one() -> None:
    assert budget(ready(spent_by_tenant=six_calls()[1:])) == Open({"used": 5, "cost": 1, "limit": 6})


def test_the_hour_slides_to_the_microsecond() -> None:
    assert isinstance(budget(ready(spent_by_tenant=six_calls(NOW - HOUR + US))), Closed)
    assert isinstance(budget(ready(spent_by_tenant=six_calls(NOW - HOUR))), Open)


def test_while_flapping_a_heal_costs_two_and_waits_until_both_are_free() -> None:
    five = six_calls()[1:]
    answer = budget(ready(spent_by_tenant=five, heal_cost=2))

    assert isinstance(answer, Closed)
    assert answer.until == five[0].at + HOUR
    assert isinstance(budget(ready(spent_by_tenant=five[1:], heal_cost=2)), Open)

    full = budget(ready(spent_by_tenant=six_calls(), heal_cost=2))
    assert isinstance(full, Closed)
    assert full.until == six_calls()[1].at + HOUR


def test_what_cost_two_gives_both_back_at_once() -> None:
    three = (Spent(ago(minutes=50), cost=2), Spent(ago(minutes=40), cost=2), Spent(ago(minutes=30), cost=2))
    answer = budget(ready(spent_by_tenant=three, heal_cost=2))

    assert isinstance(answer, Closed)
    assert answer.until == ahead(minutes=10)


@pytest.mark.attack("A90")
def test_one_migration_an_hour() -> None:
    moved = (Spent(ago(minutes=50), is_migration=True),)
    answer = budget(ready(spent_by_tenant=moved, **MOVES))

    assert answer == Closed(
        "One migration an hour for each tenant: the next one not before 10:12:11 UTC.",
        "Migration not before 10:12:11",
        ahead(minutes=10),
        {"used": 1, "cost": 1, "limit": 6, "migrations": 1},
    )
    assert isinstance(budget(ready(spent_by_tenant=moved)), Open)
    assert isinstance(budget(ready(spent_by_tenant=(Spent(ago(hours=1), is_migration=True),), **MOVES)), Open)


def test_a_node_heals_one_pod_at_a_time() -> None:
    assert concurrency(ready(turn=Turn(node_taken_by="web-1"))) == Closed(
        "web-1 on the same node is being healed; one at a time.",
        "Waits for its node",
        None,
        {"open": 0, "most": 1, "before": None},
        "concurrency node",
    )


@pytest.mark.parametrize(("most", "words"), [(1, "1 heal under way"), (2, "2 heals under way")])
def test_a_tenant_has_few_heals_at_a_time(most, words) -> None:
    answer = concurrency(ready(turn=Turn(open_in_tenant=most, most_in_tenant=most)))

    assert isinstance(answer, Closed)
    assert words in answer.reason
    assert isinstance(concurrency(ready(turn=Turn(open_in_tenant=most - 1, most_in_tenant=most))), Open)


def test_who_was_healed_less_often_or_waited_longer_comes_first() -> None:
    answer = concurrency(ready(turn=Turn(before="db-1")))

    assert isinstance(answer, Closed)
    assert (answer.reason, answer.card, answer.same_as) == (
        "db-1 comes first: it was healed less often, or has waited longer.",
        "Waits for its turn",
        "concurrency turn",
    )


@pytest.mark.parametrize(
    ("gate", "changed"),
    [
        pytest.param(chronic, {"recent_heals": SIX_HEALS}, id="chronic"),
        pytest.param(breaker, {"breakers": (a_breaker(),)}, id="breaker"),
        pytest.param(budget, {"spent_by_tenant": six_calls()}, id="budget"),
        pytest.param(concurrency, {"turn": Turn("web-1", 1, 1, "db-1")}, id="concurrency"),
    ],
)
def test_telling_people_passes_the_brakes_of_the_fleet(gate, changed) -> None:
    assert isinstance(gate(ready(**changed, **TELLS)), Open)
    assert isinstance(gate(ready(**changed)), Closed)
