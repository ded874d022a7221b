"""Results that come late, twice, or for a check that is gone change nothing."""

from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from podhealth import clock
from podhealth.core.probe import Finding
from podhealth.core.words import Status
from podhealth.models import CheckState, PodStatus, Result, Transition
from podhealth.models.base import to_us
from podhealth.store import claim, podstate
from podhealth.store.db import write
from podhealth.store.record import Found
from tests.store.record.brought import FAIL, OK, a_pod_with_checks, every, one, probe, probed, store


@pytest.mark.parametrize("finding", [FAIL, OK], ids=["changing", "quiet"])
@pytest.mark.parametrize("changed", [{"token": 1}, {"generation": 1}], ids=["token", "generation"])
def test_a_late_result_is_kept_and_changes_nothing(
    engine: sa.Engine, changed: dict[str, int], finding: Finding
) -> None:
    _, (check_id,) = a_pod_with_checks(engine)
    probe(engine, check_id, OK)
    before = one(engine, PodStatus)
    (found,) = probed(engine, {check_id: finding})
    late = found._replace(**{name: getattr(found, name) - by for name, by in changed.items()})

    done = store(engine, [late])

    assert (done.applied, done.late) == (0, 1)
    assert one(engine, CheckState).failures == 0
    assert one(engine, PodStatus) == before
    assert [r.is_late for r in every(engine, Result)].count(True) == 1


def test_what_ended_in_the_future_ended_now(engine: sa.Engine) -> None:
    _, (check_id,) = a_pod_with_checks(engine)
    (found,) = probed(engine, {check_id: OK})
    hour = 3_600_000_000  # by which the clock is set back while the probe is under way
    store(engine, [found._replace(begun_us=found.begun_us + hour, ended_us=found.ended_us + hour + 2_000_000)])
    (result,), state = every(engine, Result), one(engine, CheckState)

    assert result.checked_at <= clock.utcnow()
    assert result.checked_at - result.begun_at == timedelta(seconds=2)
    assert state.last_at == result.checked_at
    assert state.fresh_until < result.checked_at + timedelta(hours=1)


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
