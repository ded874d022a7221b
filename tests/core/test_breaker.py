"""When a breaker opens, half-opens and closes, and which pods count (behaviour §6, Breaker)."""

from datetime import timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from podhealth.core.breaker import (
    CALM,
    FRESH,
    Member,
    Part,
    Standing,
    Tally,
    advance,
    is_all_of_a_tenant,
    next_trial_at,
    part_of,
)
from podhealth.core.words import BreakerScope, BreakerState, HealState
from tests.core.healfacts import NOW, ago, ahead

US = timedelta(microseconds=1)
OPEN, HALF_OPEN, CLOSED = BreakerState.OPEN, BreakerState.HALF_OPEN, BreakerState.CLOSED


@pytest.mark.parametrize(
    ("pod", "part"),
    [
        pytest.param(Member(), Part.REST, id="well"),
        pytest.param(Member(newest_run=ago(seconds=1)), Part.SUSPECT, id="one failure is enough"),
        pytest.param(Member(newest_run=NOW - FRESH + US), Part.SUSPECT, id="just within 15 min"),
        pytest.param(Member(newest_run=NOW - FRESH), Part.NEITHER, id="ill for longer"),
        pytest.param(Member(newest_run=ago(hours=3), is_held=True), Part.SUSPECT, id="held, however long"),
        pytest.param(Member(is_monitored=False, has_open_heal=True), Part.SUSPECT, id="being healed"),
        pytest.param(Member(newest_run=NOW, is_exhausted=True), Part.NEITHER, id="exhausted"),
        pytest.param(Member(newest_run=NOW, is_chronic=True), Part.NEITHER, id="chronic"),
        pytest.param(Member(newest_run=NOW, is_healed=False), Part.NEITHER, id="no policy, or one that only tells"),
        pytest.param(Member(is_healed=False), Part.NEITHER, id="well, and nobody would heal it"),
        pytest.param(Member(newest_run=NOW, is_monitored=False), Part.NEITHER, id="starting or in maintenance"),
    ],
)
def test_what_a_pod_counts_as(pod, part) -> None:
    assert part_of(pod, NOW) == part


@pytest.mark.parametrize(
    ("counted", "limit"), [(0, 2), (1, 2), (3, 2), (9, 2), (10, 3), (12, 3), (13, 3), (14, 4), (5000, 1500)]
)
def test_the_limit_is_two_or_30_percent_rounded_down(counted, limit) -> None:
    assert Tally({}, counted).limit == limit


def stands(suspects: int, counted: int) -> BreakerState:
    return advance(Standing(), Tally({1: suspects}, counted), NOW).state


def test_of_twelve_pods_four_open_it_and_three_do_not() -> None:
    assert (stands(3, 12), stands(4, 12)) == (CLOSED, OPEN)


def test_three_pods_that_are_all_down_open_it() -> None:
    assert stands(3, 3) == OPEN


def test_a_tenant_of_one_or_two_pods_is_never_held() -> None:
    assert (stands(1, 1), stands(2, 2)) == (CLOSED, CLOSED)


def test_the_outage_of_one_tenant_never_opens_the_breaker_of_a_shared_node() -> None:
    shared = Tally({1: 50, 2: 0}, 100, is_shared=True)

    assert (shared.limit, shared.suspects) == (30, 16)
    assert advance(Standing(), shared, NOW).state == CLOSED
    assert advance(Standing(), Tally({1: 50}, 100), NOW).state == OPEN


def test_an_outage_of_several_tenants_opens_the_breaker_of_a_shared_node() -> None:
    assert advance(Standing(), Tally({1: 4, 2: 1, 3: 1}, 6, is_shared=True), NOW).state == OPEN


@pytest.mark.parametrize("counted", [2, 6, 9, 12, 13, 100])
def test_in_a_shared_scope_one_tenant_alone_never_opens_it_and_two_can(counted) -> None:
    alone, both = Tally({1: counted}, counted, is_shared=True), Tally({1: counted, 2: counted}, counted, is_shared=True)

    assert alone.suspects <= alone.limit
    assert both.suspects > both.limit


def test_an_open_breaker_is_half_open_after_15_minutes_to_the_microsecond() -> None:
    opened, many = Standing(OPEN, ago(minutes=15)), Tally({1: 5}, 5)

    assert advance(opened, many, NOW - US).state == OPEN
    assert advance(opened, many, NOW) == Standing(HALF_OPEN, ago(minutes=15), NOW)


@pytest.mark.parametrize("state", [OPEN, HALF_OPEN])
def test_it_closes_after_five_minutes_at_the_limit(state) -> None:
    at_limit = Tally({1: 2}, 5)
    calm = advance(Standing(state, ago(minutes=3), None), at_limit, NOW)

    assert calm.calm_since == NOW
    assert advance(calm, at_limit, NOW + CALM - US).state != CLOSED
    assert advance(calm, at_limit, NOW + CALM) == Standing()


def test_one_suspect_too_many_begins_the_five_minutes_anew() -> None:
    calm = Standing(OPEN, ago(minutes=9), None, ago(minutes=4))
    stirred = advance(calm, Tally({1: 3}, 3), NOW)

    assert stirred.calm_since is None
    assert advance(stirred, Tally({1: 2}, 3), ahead(minutes=1)).state == OPEN


@pytest.mark.parametrize(
    ("scope", "pods", "in_all", "is_needless"),
    [
        pytest.param(BreakerScope.NODE, 4, [4], True, id="a node with all pods of its only tenant"),
        pytest.param(BreakerScope.VANTAGE, 4, [4], True, id="a vantage that sees them all"),
        pytest.param(BreakerScope.NODE, 3, [4], False, id="a node with a part of them"),
        pytest.param(BreakerScope.NODE, 4, [2, 2], False, id="a node that tenants share"),
        pytest.param(BreakerScope.NODE, 0, [], False, id="a node with nobody's pods"),
        pytest.param(BreakerScope.TENANT, 4, [4], False, id="the tenant itself"),
    ],
)
def test_what_is_all_of_a_tenant_needs_no_breaker_beside_the_tenants(scope, pods, in_all, is_needless) -> None:
    assert is_all_of_a_tenant(scope, pods, in_all) is is_needless


def test_after_a_failed_heal_the_next_waits_15_minutes_and_after_a_good_one_not_at_all() -> None:
    assert next_trial_at(HealState.FAILED, NOW) == ahead(minutes=15)
    assert next_trial_at(HealState.TIMED_OUT, NOW) == ahead(minutes=15)
    assert next_trial_at(HealState.SUCCEEDED, NOW) is None
    assert next_trial_at(HealState.CANCELLED, NOW) is None


def test_pods_that_stay_ill_do_not_keep_a_breaker_open_for_ever() -> None:
    """Half-open, each pod is tried until its ladder is spent; an exhausted pod counts no more."""
    standing, now = advance(Standing(), Tally({1: 5}, 20), NOW), NOW
    standing = advance(standing, Tally({1: 8}, 20), now)
    for held in range(8, -1, -1):
        pods = [Member(newest_run=NOW, is_held=n < held, is_exhausted=n >= held) for n in range(8)]
        now += timedelta(minutes=15)
        suspects = sum(part_of(pod, now) == Part.SUSPECT for pod in pods)
        counted = 12 + suspects
        standing = advance(standing, Tally({1: suspects}, counted), now)
    assert standing.state == CLOSED


class OneBreaker(RuleBasedStateMachine):
    """A breaker through random counts, beside what the text says of it."""

    def __init__(self) -> None:
        super().__init__()
        self.now, self.was, self.standing = NOW, Standing(), Standing()
        self.tally = Tally({}, 10)
        self.calm_for = timedelta(0)

    @rule(suspects=st.integers(0, 8), counted=st.integers(0, 30), seconds=st.sampled_from([1, 60, 299, 300, 900]))
    def count(self, suspects: int, counted: int, seconds: int) -> None:
        calm_before = self.tally.suspects <= self.tally.limit
        self.now += timedelta(seconds=seconds)
        self.tally = Tally({1: suspects}, max(suspects, counted))
        is_calm = self.tally.suspects <= self.tally.limit
        self.calm_for = self.calm_for + timedelta(seconds=seconds) if is_calm and calm_before else timedelta(0)
        self.was, self.standing = self.standing, advance(self.standing, self.tally, self.now)

    @precondition(lambda self: self.standing != Standing())
    @rule()
    def count_again_at_once(self) -> None:
        assert advance(self.standing, self.tally, self.now) == self.standing

    @invariant()
    def too_many_are_never_let_pass(self) -> None:
        if self.tally.suspects > self.tally.limit:
            assert self.standing.state != CLOSED

    @invariant()
    def it_closes_after_calm_alone(self) -> None:
        if self.was.state != CLOSED and self.standing.state == CLOSED:
            assert self.calm_for >= CALM
        if self.standing.state != CLOSED:
            assert self.calm_for < CALM

    @invariant()
    def it_is_half_open_once_it_has_been_open_for_15_minutes(self) -> None:
        opened_at = self.standing.opened_at
        assert (opened_at is None) == (self.standing.state == CLOSED)
        if opened_at is not None and self.was.state != CLOSED:
            assert (self.standing.state == HALF_OPEN) == (self.now - opened_at >= timedelta(minutes=15))


TestOneBreaker = OneBreaker.TestCase
TestOneBreaker.settings = settings(max_examples=60, stateful_step_count=30)
