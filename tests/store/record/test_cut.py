"""How results are cut into transactions does not matter."""

import itertools
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from podhealth.core.aggregate import CheckView, aggregate
from podhealth.core.flap import push
from podhealth.core.probe import Finding
from podhealth.core.status import FRESH_START, Counters, advance
from podhealth.core.words import Kind, Outcome, Severity, Status
from podhealth.models import CheckState, PodStatus, Result, Transition
from tests.store.record.brought import ERROR, FAIL, OK, SLOW, a_pod_with_checks, every, one, probed, store

NUMBERS = itertools.count()


def test_a_chunk_of_many_pods_is_one_feed_entry_a_changed_pod(engine: sa.Engine) -> None:
    found = []
    for i in range(5):
        _, ids = a_pod_with_checks(engine, *"abcdefghijk", tenant=f"t{i}")  # more than a statement holds
        found += probed(engine, dict.fromkeys(ids, OK))

    done = store(engine, found)

    assert sorted(done.published.values()) == [1] * 5
    assert len(every(engine, Result)) == done.applied == 55
    assert {s.status for s in every(engine, PodStatus)} == {Status.HEALTHY}


def test_transitions_of_a_pod_chain_and_never_share_a_moment(engine: sa.Engine) -> None:
    _, ids = a_pod_with_checks(engine, "a", "b", "c")
    for finding in (OK, FAIL, FAIL, FAIL, OK, OK):
        store(engine, probed(engine, dict.fromkeys(ids, finding)))

    own = sorted((t.at, t.from_status, t.to_status) for t in every(engine, Transition) if t.check_id is None)

    assert len({at for at, _, _ in own}) == len(own)
    assert [before[2] for before in own[:-1]] == [after[1] for after in own[1:]]


def fold(check_id: int, kept: list[Any]) -> tuple[Counters, tuple[int, int]]:
    """What the pure rules make of the stored results of a check, in their order: its counters and its window."""
    counters, window = FRESH_START, (0, 0)
    for result in sorted((r for r in kept if r.check_id == check_id and not r.is_late), key=lambda r: r.claim_token):
        counters = advance(counters, result.outcome, 3, 2)
        if result.outcome != Outcome.ERROR:
            window = push(*window, result.outcome == Outcome.FAIL)
    return counters, window


def folded(state: Any) -> tuple[Counters, tuple[int, int]]:
    """The same, as it is stored."""
    counters = Counters(state.status, state.failures, state.successes, state.slow_run)
    return counters, (state.recent_bits, state.recent_count)


ROUNDS = st.lists(
    st.dictionaries(st.integers(0, 3), st.sampled_from([OK, OK, SLOW, FAIL, FAIL, ERROR]), min_size=1), max_size=12
)


@pytest.mark.slow
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(rounds=ROUNDS, cuts=st.lists(st.integers(1, 5), min_size=1, max_size=6))
@example(rounds=[{0: FAIL}, {0: OK}, {0: OK}, {0: SLOW}, {0: OK}, {0: OK}], cuts=[1])  # the last ones change nothing
def test_states_are_what_the_rules_make_of_the_results_however_they_are_cut(
    engine: sa.Engine, rounds: list[dict[int, Finding]], cuts: list[int]
) -> None:
    tenant = f"t{next(NUMBERS)}"
    _, first = a_pod_with_checks(engine, "a", "b", tenant=tenant, success_threshold=2)
    _, second = a_pod_with_checks(engine, "a", "b", tenant=tenant + "x", success_threshold=2)
    ids = first + second
    cut = itertools.cycle(cuts)
    for findings in rounds:
        found = probed(engine, {ids[i]: finding for i, finding in findings.items()})
        while found:
            size = next(cut)
            store(engine, found[:size])
            found = found[size:]

    kept = every(engine, Result)
    states = {s.check_id: s for s in every(engine, CheckState)}
    assert {i: folded(states[i]) for i in ids} == {i: fold(i, kept) for i in ids}
    assert {p.pod_id: p.status for p in every(engine, PodStatus) if p.pod_id in {states[i].pod_id for i in ids}} == {
        states[pair[0]].pod_id: aggregate([view(states[i]) for i in pair]).status for pair in (first, second)
    }


def view(state: Any) -> CheckView:
    return CheckView(
        state.check_id,
        "",
        Kind.TCP,
        state.status,
        Severity.CRITICAL,
        True,
        state.is_flapping,
        state.failures,
        state.successes,
    )


@pytest.mark.slow
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(rounds=ROUNDS)
@example(rounds=[dict.fromkeys(range(4), OK), {0: FAIL, 1: FAIL}])  # of which the first is the cause
def test_one_chunk_or_many_give_the_same_transitions(engine: sa.Engine, rounds: list[dict[int, Finding]]) -> None:
    histories = []
    for size in (1, 100):
        _, ids = a_pod_with_checks(engine, "a", "b", "c", "d", tenant=f"t{next(NUMBERS)}")
        for findings in rounds:
            found = probed(engine, {ids[i]: finding for i, finding in findings.items()})
            for start in range(0, len(found), size):
                store(engine, found[start : start + size])
        places = {None: None} | {check_id: i for i, check_id in enumerate(ids)}
        pod_id = one(engine, CheckState, CheckState.check_id == ids[0]).pod_id
        histories.append(
            [
                (places[t.check_id], t.from_status, t.to_status, places[t.cause_check_id], t.reason)
                for t in sorted(every(engine, Transition), key=lambda t: t.id)
                if t.pod_id == pod_id
            ]
        )

    by_place = [sorted(h, key=lambda t: (t[0] is not None, t[0] or 0)) for h in histories]
    assert by_place[0] == by_place[1]
