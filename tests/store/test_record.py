"""Results: what they change, what they leave alone, and that how they are cut into transactions does not matter."""

import itertools
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from podhealth import clock
from podhealth.core.aggregate import CheckView, aggregate
from podhealth.core.probe import Finding
from podhealth.core.status import FRESH_START, advance
from podhealth.core.words import FailClass, Kind, Outcome, Phase, Severity, Status
from podhealth.models import CheckState, FeedEntry, PodStatus, Result, Transition
from podhealth.models.base import to_us
from podhealth.store import claim, podstate
from podhealth.store.db import db_now_us, read, write
from podhealth.store.record import Found, Recorded, record
from tests.support import build

OK = Finding(Outcome.OK, latency_ms=1.5)
SLOW = Finding(Outcome.SLOW, latency_ms=900.0)
FAIL = Finding(Outcome.FAIL, FailClass.DOWN, "refused", None, "connection refused")
TLS = Finding(Outcome.FAIL, FailClass.TLS, "expired", None, "the certificate has expired")
ERROR = Finding(Outcome.ERROR, None, "dns", None, "not resolved")
MINUTE = timedelta(seconds=60)
NUMBERS = itertools.count()


def a_pod_with_checks(engine: sa.Engine, *names: str, tenant: str = "acme", **columns: Any) -> tuple[int, list[int]]:
    with write(engine) as conn:
        pod_id = build.a_pod(conn, build.a_tenant(conn, tenant))
        return pod_id, [build.a_check(conn, pod_id, "tcp", name, **columns) for name in names or ("tcp",)]


def probed(engine: sa.Engine, findings: dict[int, Finding], worker: str = "w1") -> list[Found]:
    """Make these checks due, claim them, and return what a prober would bring back."""
    with write(engine) as conn:
        conn.execute(sa.update(CheckState).where(CheckState.check_id.in_(findings)).values(next_at=clock.utcnow()))
        claims = claim.claim_chosen(conn, "local", worker, list(findings))
        now = db_now_us(conn)
    assert {c.check_id for c in claims} == set(findings)
    return [
        Found(c.check_id, c.token, c.generation, c.due_us, now, now + i, findings[c.check_id], worker)
        for i, c in enumerate(sorted(claims))
    ]


def store(engine: sa.Engine, found: list[Found]) -> Recorded:
    with write(engine) as conn:
        return record(conn, found)


def probe(engine: sa.Engine, check_id: int, *findings: Finding) -> Recorded:
    for finding in findings:
        last = store(engine, probed(engine, {check_id: finding}))
    return last


def one(engine: sa.Engine, model: type, *where: Any) -> Any:
    with read(engine) as conn:
        return conn.execute(sa.select(model.__table__).where(*where)).one()


def every(engine: sa.Engine, model: type) -> list[Any]:
    with read(engine) as conn:
        return list(conn.execute(sa.select(model.__table__)))


def test_a_result_is_kept_with_all_it_says(engine: sa.Engine) -> None:
    _, (check_id,) = a_pod_with_checks(engine)
    finding = Finding(Outcome.OK, None, "http_200", 12.5, None, 512, "0123456789abcdef", "hello")

    (found,) = probed(engine, {check_id: finding})
    store(engine, [found])

    result = one(engine, Result)
    assert (result.outcome, result.code, result.latency_ms, result.size) == (Outcome.OK, "http_200", 12.5, 512)
    assert (result.body_hash, result.excerpt, result.worker_id) == ("0123456789abcdef", "hello", "w1")
    assert (result.claim_token, result.is_late, result.is_manual) == (found.token, False, False)
    assert to_us(result.scheduled_at) == found.due_us


def test_the_first_success_makes_check_and_pod_healthy(engine: sa.Engine) -> None:
    pod_id, (check_id,) = a_pod_with_checks(engine)

    done = probe(engine, check_id, OK)

    assert one(engine, CheckState).status == Status.HEALTHY
    assert one(engine, PodStatus).status == Status.HEALTHY
    assert [(t.check_id, t.from_status, t.to_status) for t in every(engine, Transition)] == [
        (check_id, Status.UNKNOWN, Status.HEALTHY),
        (None, Status.UNKNOWN, Status.HEALTHY),
    ]
    assert (done.applied, done.late, list(done.published.values())) == (1, 0, [1])


def test_a_steady_result_writes_one_state_and_one_result_and_tells_nobody(
    engine: sa.Engine, count_queries: Any
) -> None:
    _, (check_id,) = a_pod_with_checks(engine)
    probe(engine, check_id, OK)
    feed = len(every(engine, FeedEntry))
    found = probed(engine, {check_id: OK})
    store(engine, probed(engine, {check_id: OK}))
    found = probed(engine, {check_id: OK})

    with count_queries(engine) as statements:
        done = store(engine, found)

    assert done.published == {}
    assert len(every(engine, FeedEntry)) == feed
    assert not [s for s in statements if "cloud_pod_health_status SET" in s]


def test_a_check_is_due_again_at_its_next_slot(engine: sa.Engine) -> None:
    _, (check_id,) = a_pod_with_checks(engine)

    probe(engine, check_id, OK)

    state = one(engine, CheckState)
    assert state.next_at == state.slot_at
    assert timedelta(0) < state.next_at - clock.utcnow() <= MINUTE
    assert (state.due_at, state.worker_id) == (None, None)


def test_failures_lead_to_unhealthy_and_to_a_judgement(engine: sa.Engine) -> None:
    pod_id, (check_id,) = a_pod_with_checks(engine)
    probe(engine, check_id, OK, FAIL)
    assert one(engine, PodStatus).status == Status.DEGRADED

    done = probe(engine, check_id, FAIL, FAIL)

    status = one(engine, PodStatus)
    assert (status.status, status.reason, status.cause_check_id) == (
        Status.UNHEALTHY,
        "tcp: connection refused",
        check_id,
    )
    assert done.judged_pod_ids == [pod_id]
    assert status.judge_at is not None
    first_fail = sorted(r.checked_at for r in every(engine, Result) if r.outcome == Outcome.FAIL)[0]
    assert status.bad_since == first_fail


def test_a_check_in_doubt_is_due_again_soon(engine: sa.Engine) -> None:
    _, (check_id,) = a_pod_with_checks(engine, interval_seconds=3600)
    probe(engine, check_id, OK, FAIL)

    state = one(engine, CheckState)
    assert state.next_at - state.last_at <= timedelta(seconds=60)


@pytest.mark.parametrize(("mode", "failures", "is_asked"), [("auto", 4, True), ("auto", 5, False), ("off", 4, False)])
def test_a_fail_asks_for_a_judgement_until_no_policy_counts_further(
    engine: sa.Engine, mode: str, failures: int, is_asked: bool
) -> None:
    _, (check_id,) = a_pod_with_checks(engine)
    with write(engine) as conn:
        build.a_policy(conn, one(engine, PodStatus).tenant_id, mode=mode, trigger_after_failures=4)
    probe(engine, check_id, *[FAIL] * (failures - 1))
    be_judged(engine)

    done = probe(engine, check_id, FAIL)

    judge_at = one(engine, PodStatus).judge_at
    assert (done.judged_pod_ids, judge_at is not None) == ([], is_asked)
    assert judge_at is None or judge_at <= clock.utcnow() + timedelta(seconds=1)
    assert one(engine, CheckState).failures == failures


@pytest.mark.parametrize("finding", [OK, FAIL, ERROR], ids=lambda finding: finding.outcome.value)
def test_what_the_healer_knows_already_has_no_pod_with_an_episode_judged(engine: sa.Engine, finding: Finding) -> None:
    pod_id, (check_id,) = a_pod_with_checks(engine)
    with write(engine) as conn:
        build.an_episode(conn, pod_id, build.a_policy(conn, one(engine, PodStatus).tenant_id))
    probe(engine, check_id, *[OK if finding is OK else FAIL] * 4, finding)
    be_judged(engine)

    probe(engine, check_id, finding)

    assert one(engine, PodStatus).judge_at is None


@pytest.mark.parametrize("finding", [OK, TLS, ERROR], ids=["ok", "tls", "error"])
def test_news_of_a_pod_with_an_episode_has_it_judged(engine: sa.Engine, finding: Finding) -> None:
    pod_id, (check_id,) = a_pod_with_checks(engine)
    with write(engine) as conn:
        build.an_episode(conn, pod_id, build.a_policy(conn, one(engine, PodStatus).tenant_id))
    probe(engine, check_id, *[FAIL] * 4)
    be_judged(engine)

    probe(engine, check_id, finding)

    assert one(engine, PodStatus).judge_at is not None


def be_judged(engine: sa.Engine) -> None:
    with write(engine) as conn:
        conn.execute(sa.update(PodStatus).values(judge_at=None))


def test_a_result_for_a_pod_with_an_open_heal_has_it_judged(engine: sa.Engine) -> None:
    pod_id, (check_id,) = a_pod_with_checks(engine)
    probe(engine, check_id, OK, OK)
    with write(engine) as conn:
        build.a_heal(conn, pod_id)

    assert probe(engine, check_id, OK).judged_pod_ids == [pod_id]


def test_our_own_trouble_changes_nothing(engine: sa.Engine) -> None:
    _, (check_id,) = a_pod_with_checks(engine)
    probe(engine, check_id, OK)
    before = one(engine, CheckState)

    probe(engine, check_id, ERROR)

    after = one(engine, CheckState)
    assert (after.status, after.successes, after.fresh_until) == (before.status, before.successes, before.fresh_until)
    assert after.last_outcome == Outcome.ERROR


def test_the_first_success_of_every_critical_check_ends_a_start(engine: sa.Engine, now: datetime) -> None:
    pod_id, (first, second) = a_pod_with_checks(engine, "a", "b")
    with write(engine) as conn:
        podstate.begin_starting(conn, pod_id, now, 120, "restarted", own_heal=True)

    probe(engine, first, OK)
    assert one(engine, PodStatus).phase == Phase.STARTING
    probe(engine, second, OK)

    status = one(engine, PodStatus)
    assert (status.phase, status.status) == (Phase.MONITORED, Status.HEALTHY)


def test_failures_do_not_count_while_starting(engine: sa.Engine, now: datetime) -> None:
    pod_id, (check_id,) = a_pod_with_checks(engine)
    with write(engine) as conn:
        podstate.begin_starting(conn, pod_id, now, 120, "restarted", own_heal=True)

    probe(engine, check_id, FAIL, FAIL, FAIL, FAIL)

    state = one(engine, CheckState)
    assert (state.status, state.failures) == (Status.UNKNOWN, 0)
    assert len(every(engine, Result)) == 4


def test_maintenance_counts_what_goes_well_and_not_what_goes_wrong(engine: sa.Engine, now: datetime) -> None:
    pod_id, (check_id,) = a_pod_with_checks(engine)
    probe(engine, check_id, FAIL, FAIL, FAIL)
    with write(engine) as conn:
        podstate.begin_maintenance(conn, pod_id, clock.utcnow(), now + timedelta(hours=1), "disk swap")

    probe(engine, check_id, FAIL)
    assert one(engine, CheckState).failures == 3
    probe(engine, check_id, OK)

    assert one(engine, PodStatus).status == Status.HEALTHY


@pytest.mark.parametrize("changed", [{"token": 1}, {"generation": 1}], ids=["token", "generation"])
def test_a_late_result_is_kept_and_changes_nothing(engine: sa.Engine, changed: dict[str, int]) -> None:
    _, (check_id,) = a_pod_with_checks(engine)
    probe(engine, check_id, OK)
    before = one(engine, PodStatus)
    (found,) = probed(engine, {check_id: FAIL})
    late = found._replace(**{name: getattr(found, name) - by for name, by in changed.items()})

    done = store(engine, [late])

    assert (done.applied, done.late) == (0, 1)
    assert one(engine, CheckState).failures == 0
    assert one(engine, PodStatus) == before
    assert [r.is_late for r in every(engine, Result)].count(True) == 1


def test_what_a_freed_claim_brings_is_late(engine: sa.Engine) -> None:
    _, (check_id,) = a_pod_with_checks(engine)
    found = probed(engine, {check_id: OK})
    with write(engine) as conn:
        claim.free_claims(conn, "w1")

    assert store(engine, found).late == 1
    assert one(engine, CheckState).status == Status.UNKNOWN


def test_a_result_in_flight_at_an_edit_is_late(engine: sa.Engine, now: datetime) -> None:
    pod_id, (check_id,) = a_pod_with_checks(engine)
    found = probed(engine, {check_id: FAIL})
    with write(engine) as conn:
        podstate.reset_checks(conn, pod_id, now, "check edited", check_id)

    assert store(engine, found).late == 1
    assert one(engine, CheckState).last_outcome is None


@pytest.mark.parametrize("finding", [OK, FAIL], ids=["quiet", "changing"])
def test_recording_the_same_again_changes_nothing(engine: sa.Engine, finding: Finding) -> None:
    _, (check_id,) = a_pod_with_checks(engine)
    probe(engine, check_id, OK, OK)
    found = probed(engine, {check_id: finding})
    store(engine, found)
    before = (one(engine, CheckState), one(engine, PodStatus), every(engine, Result), every(engine, Transition))

    store(engine, found)

    assert (one(engine, CheckState), one(engine, PodStatus), every(engine, Result), every(engine, Transition)) == before


def test_a_result_of_a_check_that_is_gone_is_dropped(engine: sa.Engine) -> None:
    now = to_us(clock.utcnow())

    assert store(engine, [Found(999, 1, 1, now, now, now, OK, "w1")]).late == 1
    assert every(engine, Result) == []


def test_old_evidence_is_forgotten_before_a_new_result_counts(engine: sa.Engine) -> None:
    clock.shift(timedelta(minutes=-10))
    _, (check_id,) = a_pod_with_checks(engine)
    probe(engine, check_id, FAIL, FAIL)
    gone = one(engine, CheckState).fresh_until
    clock.shift(timedelta(0))

    probe(engine, check_id, FAIL)

    state = one(engine, CheckState)
    assert (state.failures, state.status) == (1, Status.DEGRADED)
    assert gone in [t.at for t in every(engine, Transition) if t.to_status == Status.UNKNOWN]


def test_a_check_that_keeps_changing_is_flapping(engine: sa.Engine) -> None:
    _, (check_id,) = a_pod_with_checks(engine)

    probe(engine, check_id, *([OK, FAIL] * 5))
    assert one(engine, CheckState).is_flapping
    probe(engine, check_id, OK)
    assert one(engine, PodStatus).status == Status.DEGRADED

    probe(engine, check_id, *([OK] * 20))
    assert not one(engine, CheckState).is_flapping
    assert one(engine, PodStatus).status == Status.HEALTHY


def test_a_chunk_of_many_pods_is_one_feed_entry_a_changed_pod(engine: sa.Engine) -> None:
    found = []
    for i in range(5):
        _, ids = a_pod_with_checks(engine, "a", "b", tenant=f"t{i}")
        found += probed(engine, dict.fromkeys(ids, OK))

    done = store(engine, found)

    assert sorted(done.published.values()) == [1] * 5
    assert {s.status for s in every(engine, PodStatus)} == {Status.HEALTHY}


def test_transitions_of_a_pod_chain_and_never_share_a_moment(engine: sa.Engine) -> None:
    _, ids = a_pod_with_checks(engine, "a", "b", "c")
    for finding in (OK, FAIL, FAIL, FAIL, OK, OK):
        store(engine, probed(engine, dict.fromkeys(ids, finding)))

    own = sorted((t.at, t.from_status, t.to_status) for t in every(engine, Transition) if t.check_id is None)

    assert len({at for at, _, _ in own}) == len(own)
    assert [before[2] for before in own[:-1]] == [after[1] for after in own[1:]]


def fold(check_id: int, kept: list[Any]) -> tuple[Status, int, int]:
    """What the pure rules make of the stored results of a check, in their order."""
    counters = FRESH_START
    for result in sorted((r for r in kept if r.check_id == check_id and not r.is_late), key=lambda r: r.claim_token):
        counters = advance(counters, result.outcome, 3, 2)
    return counters.status, counters.failures, counters.successes


ROUNDS = st.lists(
    st.dictionaries(st.integers(0, 3), st.sampled_from([OK, OK, SLOW, FAIL, FAIL, ERROR]), min_size=1), max_size=12
)


@pytest.mark.slow
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(rounds=ROUNDS, cuts=st.lists(st.integers(1, 5), min_size=1, max_size=6))
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
    assert {i: (states[i].status, states[i].failures, states[i].successes) for i in ids} == {
        i: fold(i, kept) for i in ids
    }
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
