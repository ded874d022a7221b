"""Which results have the healer look at their pod (behaviour §6)."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from podhealth import clock
from podhealth.core.probe import Finding
from podhealth.core.words import Outcome, Status
from podhealth.models import CheckState, PodStatus, Result
from podhealth.store.db import write
from tests.store.record.brought import ERROR, FAIL, OK, TLS, a_pod_with_checks, be_judged, every, one, probe
from tests.support import build


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


def test_a_result_for_a_pod_with_an_open_heal_has_it_judged(engine: sa.Engine) -> None:
    pod_id, (check_id,) = a_pod_with_checks(engine)
    probe(engine, check_id, OK, OK)
    with write(engine) as conn:
        build.a_heal(conn, pod_id)

    assert probe(engine, check_id, OK).judged_pod_ids == [pod_id]
