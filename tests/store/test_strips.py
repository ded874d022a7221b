"""The last 24 h of pods as cards draw them: from stored changes, freshness applied, in a bounded number of queries."""

from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from podhealth.core.uptime import Uptime
from podhealth.store.db import read, write
from podhealth.store.strips import Run, Strip, card_strips, coverage_text, percent_text
from tests.support.build import a_check, a_heal, a_pod, a_policy, a_tenant, an_episode
from tests.support.past import an_outage, phase_turned, turned

HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)
# The end of the last bucket, so that buckets can be counted back; the day's own clock plays no part.
NOON = datetime.fromisoformat("2026-11-24T12:00:00+00:00")
NOW = NOON - SECOND
OLD = NOON - 40 * 24 * HOUR


@pytest.fixture
def tenant(engine: sa.Engine) -> int:
    with write(engine) as conn:
        return a_tenant(conn)


def a_watched_pod(conn: sa.Connection, tenant_id: int, name: str = "web", **columns: object) -> int:
    """A pod that was healthy since it was made, 40 days ago."""
    given = {"now": OLD, "status": "healthy"} | columns
    pod_id = a_pod(conn, tenant_id, name, **given)
    a_check(conn, pod_id, now=given["now"], status="healthy", fresh_until=NOW + HOUR)
    return pod_id


def strip_of(engine: sa.Engine, tenant_id: int, pod_id: int) -> Strip:
    with read(engine) as conn:
        return card_strips(conn, tenant_id, NOW, [pod_id])[pod_id][0]


def test_a_pod_without_changes_is_one_run(engine, tenant):
    with write(engine) as conn:
        pod_id = a_watched_pod(conn, tenant)

    strip = strip_of(engine, tenant, pod_id)

    assert strip == Strip(48, (Run(0, 48, "healthy"),), (), "web, last 24 h: healthy", "100 %", None)


def test_an_outage_is_drawn_where_it_was_and_told(engine, tenant):
    with write(engine) as conn:
        pod_id = a_watched_pod(conn, tenant)
        an_outage(conn, pod_id, NOON - 3 * HOUR, HOUR)

    strip = strip_of(engine, tenant, pod_id)

    assert strip.runs == (Run(0, 42, "healthy"), Run(42, 2, "unhealthy"), Run(44, 4, "healthy"))
    assert strip.sentence == "web, last 24 h: healthy but for 1 h unhealthy from 09:00"
    assert (strip.uptime, strip.coverage) == ("95.83 %", None)


def test_a_blip_is_a_notch_and_paints_no_half_hour(engine, tenant):
    with write(engine) as conn:
        pod_id = a_watched_pod(conn, tenant)
        an_outage(conn, pod_id, NOON - 3 * HOUR, 20 * SECOND)

    strip = strip_of(engine, tenant, pod_id)

    assert strip.runs == (Run(0, 48, "healthy"),)
    assert strip.notches == (Run(42, 1, "unhealthy"),)
    assert strip.uptime == "99.976 %"


def test_a_gap_in_the_evidence_is_unknown_and_counted_in_neither(engine, tenant):
    with write(engine) as conn:
        pod_id = a_watched_pod(conn, tenant)
        turned(conn, pod_id, NOON - 12 * HOUR, "healthy", "unknown")
        turned(conn, pod_id, NOON - 6 * HOUR, "unknown", "healthy")

    strip = strip_of(engine, tenant, pod_id)

    assert strip.runs == (Run(0, 24, "healthy"), Run(24, 12, "unknown"), Run(36, 12, "healthy"))
    assert (strip.uptime, strip.coverage) == ("100 %", "75 %")


def test_maintenance_is_shown_with_its_status_and_not_counted(engine, tenant):
    with write(engine) as conn:
        pod_id = a_watched_pod(conn, tenant)
        an_outage(conn, pod_id, NOON - 3 * HOUR, HOUR)
        phase_turned(conn, pod_id, NOON - 4 * HOUR, "monitored", "maintenance")
        phase_turned(conn, pod_id, NOON - HOUR, "maintenance", "monitored")

    strip = strip_of(engine, tenant, pod_id)

    assert Run(42, 2, "unhealthy") in strip.runs
    assert (strip.uptime, strip.coverage) == ("100 %", "87 %")


def test_before_its_creation_nothing_was_measured(engine, tenant):
    with write(engine) as conn:
        pod_id = a_watched_pod(conn, tenant, now=NOON - HOUR)

    strip = strip_of(engine, tenant, pod_id)

    assert strip.runs == (Run(0, 46, "none"), Run(46, 2, "healthy"))
    assert (strip.uptime, strip.coverage) == ("100 %", "4 %")


def test_a_pod_that_was_never_checked_has_no_uptime(engine, tenant):
    with write(engine) as conn:
        pod_id = a_pod(conn, tenant, "new", now=NOON - HOUR)
        a_check(conn, pod_id, now=NOON - HOUR)

    strip = strip_of(engine, tenant, pod_id)

    assert strip.runs == (Run(0, 46, "none"), Run(46, 2, "unknown"))
    assert (strip.uptime, strip.coverage) == (None, None)


def test_a_stopped_pod_is_not_measured(engine, tenant):
    with write(engine) as conn:
        pod_id = a_watched_pod(conn, tenant, status="unknown", phase="stopped")
        turned(conn, pod_id, NOON - 6 * HOUR, "healthy", "unknown")
        phase_turned(conn, pod_id, NOON - 6 * HOUR, "monitored", "stopped")

    strip = strip_of(engine, tenant, pod_id)

    assert strip.runs == (Run(0, 36, "healthy"), Run(36, 12, "none"))
    assert strip.coverage == "75 %"


def test_evidence_out_of_date_is_unknown_before_the_reaper_has_stored_it(engine, tenant):
    with write(engine) as conn:
        pod_id = a_pod(conn, tenant, "web", now=OLD, status="healthy")
        a_check(conn, pod_id, now=OLD, status="healthy", fresh_until=NOON - 6 * HOUR)

    strip = strip_of(engine, tenant, pod_id)

    assert strip.runs == (Run(0, 36, "healthy"), Run(36, 12, "unknown"))
    assert strip.coverage == "75 %"


def test_one_silent_check_of_several_makes_its_pod_unknown(engine, tenant):
    with write(engine) as conn:
        pod_id = a_watched_pod(conn, tenant)
        a_check(conn, pod_id, "ping", now=OLD, status="healthy", fresh_until=NOON - 2 * HOUR)

    assert strip_of(engine, tenant, pod_id).runs[-1] == Run(44, 4, "unknown")


def test_an_outage_counts_from_its_first_failure(engine, tenant):
    with write(engine) as conn:
        pod_id = a_watched_pod(conn, tenant)
        turned(conn, pod_id, NOON - 2 * HOUR, "healthy", "unhealthy", failing_for=HOUR)
        turned(conn, pod_id, NOON - HOUR, "unhealthy", "healthy")

    assert strip_of(engine, tenant, pod_id).uptime == "91.66 %"


def test_starting_after_a_heal_is_down_until_the_first_success(engine, tenant):
    with write(engine) as conn:
        pod_id = a_watched_pod(conn, tenant)
        check_id = a_check(conn, pod_id, "ping", now=OLD, status="healthy", fresh_until=NOW + HOUR)
        an_episode(conn, pod_id, a_policy(conn, tenant), opened_at=NOON - 6 * HOUR)
        phase_turned(conn, pod_id, NOON - 6 * HOUR, "monitored", "starting")
        turned(conn, pod_id, NOON - 4 * HOUR, "unknown", "healthy", check_id=check_id)
        phase_turned(conn, pod_id, NOON - 3 * HOUR, "starting", "monitored")

    strip = strip_of(engine, tenant, pod_id)

    # Of 23 h that count (the hour of starting after its first success does not) two were down.
    assert (strip.uptime, strip.coverage) == ("91.3 %", "95 %")


def test_another_tenants_pods_are_left_out(engine, tenant):
    with write(engine) as conn:
        theirs = a_watched_pod(conn, a_tenant(conn, "zeta"), "zeta-1")
    with read(engine) as conn:
        assert card_strips(conn, tenant, NOW, [theirs]) == {}


def test_forty_pods_cost_as_many_queries_as_one(engine, tenant, count_queries):
    with write(engine) as conn:
        ids = [a_watched_pod(conn, tenant, f"web-{n}", phase="starting" if n % 2 else "monitored") for n in range(40)]
        policy_id = a_policy(conn, tenant)
        for pod_id in ids:
            an_outage(conn, pod_id, NOON - 3 * HOUR, HOUR)
            an_episode(conn, pod_id, policy_id)
            a_heal(conn, pod_id)
    with read(engine) as conn, count_queries(engine, at_most=5):
        strips = card_strips(conn, tenant, NOW, ids)

    assert set(strips) == set(ids)


@pytest.mark.parametrize(
    ("percentage", "text"),
    [
        (None, None),
        (100.0, "100 %"),
        (99.999, "99.999 %"),
        (99.9, "99.9 %"),
        (99.899, "99.89 %"),
        (99.42, "99.42 %"),
        (97.1, "97.1 %"),
        (58.019, "58.01 %"),
        (0.0, "0 %"),
    ],
)
def test_uptime_is_cut_to_two_decimals_and_to_three_where_they_tell(percentage, text):
    assert percent_text(percentage) == text


@pytest.mark.parametrize(
    ("up", "text"),
    [
        (Uptime(62, 0, 38), "62 %"),
        (Uptime(99, 0, 1), None),
        (Uptime(98_999, 0, 1_001), "98 %"),
        (Uptime(1, 1, 998), "under 1 %"),
        (Uptime(0, 0, 100), None),
        (Uptime(0, 50, 50), "50 %"),
    ],
)
def test_coverage_stands_beside_uptime_where_it_is_not_whole(up, text):
    assert coverage_text(up) == text
