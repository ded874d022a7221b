"""Results: what is kept of them, and what they change of their check and its pod."""

from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from podhealth import clock
from podhealth.core.probe import Finding
from podhealth.core.words import Outcome, Phase, Status
from podhealth.models import CheckState, FeedEntry, PodStatus, Result, Transition
from podhealth.models.base import to_us
from podhealth.store import podstate
from podhealth.store.db import write
from tests.store.record.brought import ERROR, FAIL, OK, a_pod_with_checks, every, one, probe, probed, store

MINUTE = timedelta(seconds=60)
DAY = timedelta(days=1)


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


def test_the_end_of_a_certificate_stays_known_until_another_is_seen_and_a_late_result_tells_none(
    engine: sa.Engine,
) -> None:
    _, (check_id,) = a_pod_with_checks(engine)
    end = clock.utcnow().replace(microsecond=0) + 20 * DAY
    probe(engine, check_id, OK._replace(certificate_ends_at=end), OK, FAIL)  # changing, quiet, and in hand
    before = one(engine, CheckState).certificate_ends_at
    late = probed(engine, {check_id: OK._replace(certificate_ends_at=end + DAY)})
    with write(engine) as conn:
        conn.execute(sa.update(CheckState).values(claim_token=CheckState.claim_token + 1))
    store(engine, late)
    kept = one(engine, CheckState).certificate_ends_at
    probe(engine, check_id, OK._replace(certificate_ends_at=end + 2 * DAY))

    assert (before, kept, one(engine, CheckState).certificate_ends_at) == (end, end, end + 2 * DAY)


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


def test_a_check_in_doubt_is_due_again_soon(engine: sa.Engine) -> None:
    _, (check_id,) = a_pod_with_checks(engine, interval_seconds=3600)
    probe(engine, check_id, OK, FAIL)

    state = one(engine, CheckState)
    assert state.next_at - state.last_at <= timedelta(seconds=60)


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


@pytest.mark.fault("F46")
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
