"""The timelines of a pod's page, its uptime, and what happened to it, in one list (both databases)."""

import re
from datetime import timedelta

import pytest
import sqlalchemy as sa

from podhealth.core.timeline import Range
from podhealth.core.words import Action, Answer, Gate, HealState, Phase
from podhealth.live.render import fragment
from podhealth.models import Decision, Pod, Tenant
from podhealth.store.db import read, write
from podhealth.store.podevents import A_PAGE
from podhealth.store.podpage import UptimeFigures, uptime_of
from tests.support.build import a_check, a_heal, a_pod, a_tenant
from tests.support.past import DAY, HOUR, MINUTE, a_healthy_pod, an_outage, page_of, phase_turned, turned


@pytest.fixture
def tenant(engine: sa.Engine) -> int:
    with write(engine) as conn:
        return a_tenant(conn)


@pytest.mark.parametrize(("range_", "buckets"), [("1h", 60), ("24h", 96), ("7d", 84), ("30d", 120)])
def test_a_range_is_cut_into_its_buckets(engine, tenant, now, range_, buckets):
    with write(engine) as conn:
        pod_id, check_id = a_healthy_pod(conn, tenant, now)

    page = page_of(engine, tenant, pod_id, now, range=Range(range_))

    strip = page.strips[0]
    assert (strip.check_id, strip.range, strip.strip.buckets) == (check_id, range_, buckets)
    assert strip.strip.runs == ((0, buckets, "healthy"),)


def test_the_table_behind_a_lane_sums_up_to_its_range_and_says_what_uptime_says(engine, tenant, now):
    with write(engine) as conn:
        pod_id, check_id = a_healthy_pod(conn, tenant, now)
        for id_ in (check_id, None):
            for hours, minutes in ((20, 18), (9, 1)):
                an_outage(conn, pod_id, now - hours * HOUR, minutes * MINUTE, id_)
            found = {"failing_for": 2 * MINUTE, "check_id": id_, "reason": "refused"}
            turned(conn, pod_id, now - 2 * HOUR, "healthy", "unhealthy", **found)
            turned(conn, pod_id, now - 2 * HOUR + 5 * MINUTE, "unhealthy", "healthy", check_id=id_)

    page = page_of(engine, tenant, pod_id, now)

    runs = page.strips[0].runs
    assert sum((run.end - run.begin for run in runs), timedelta()) == DAY
    assert sum((run.end - run.begin for run in runs if run.shade == "unhealthy"), timedelta()) == 26 * MINUTE
    assert page.uptime.lines[0] == ("24 h", "98.19 %", "100 %", "26 min")
    assert page.strips[0].strip.uptime == "98.19 %"
    assert (page.uptime.longest, page.uptime.longest_at) == ("18 min", now - 20 * HOUR)
    assert (runs[1].begin, runs[1].why) == (now - 2 * HOUR - 2 * MINUTE, "refused")


def test_a_run_tells_the_heals_that_began_in_it_on_its_lane_and_in_its_table(engine, tenant, now):
    with write(engine) as conn:
        pod_id, check_id = a_healthy_pod(conn, tenant, now)
        an_outage(conn, pod_id, now - 2 * HOUR, 18 * MINUTE, check_id)
        for number, minutes in enumerate((115, 106, 60)):
            begun = now - minutes * MINUTE
            done = {"state": HealState.SUCCEEDED, "completed_at": begun + MINUTE, "next_step_at": None}
            heal = {"triggered_at": begun, "idempotency_key": str(number), "nth_of_action": number + 1}
            a_heal(conn, pod_id, of_attempts=3, **heal, **done)

    (strip,) = page_of(engine, tenant, pod_id, now).strips

    assert [[heal.nth for heal in run.heals] for run in strip.runs] == [[3], [1, 2], []]
    row = fragment("check_strip", strip).split("<tr")[3]
    assert re.search(r"Restart 1 of 3, <time[^;]*: Healed; Restart 2 of 3, ", row)


def test_a_check_made_an_hour_ago_was_not_measured_before(engine, tenant, now):
    with write(engine) as conn:
        pod_id, _ = a_healthy_pod(conn, tenant, now)
        a_check(conn, pod_id, "ping", now=now - HOUR, status="healthy", fresh_until=now + HOUR)

    strip = page_of(engine, tenant, pod_id, now).strips[1]

    assert [run.shade for run in strip.runs] == ["healthy", "none"]
    assert (strip.strip.uptime, strip.strip.coverage) == ("100 %", "4 %")


def test_a_disabled_check_is_not_measured_since_then_and_stands_last(engine, tenant, now):
    with write(engine) as conn:
        pod_id, _ = a_healthy_pod(conn, tenant, now)
        ping = a_check(conn, pod_id, "ping", now=now - 9 * DAY, enabled=False, updated_at=now - 6 * HOUR)
        turned(conn, pod_id, now - 6 * HOUR, "healthy", "unknown", check_id=ping)

    page = page_of(engine, tenant, pod_id, now)

    assert [strip.name for strip in page.strips] == ["http", "ping"]
    assert [run.shade for run in page.strips[1].runs] == ["none", "healthy"]
    assert page.strips[1].strip.coverage == "75 %"
    assert not page.checks[1].is_enabled


def test_one_silent_check_of_several_has_its_own_gap(engine, tenant, now):
    with write(engine) as conn:
        pod_id, _ = a_healthy_pod(conn, tenant, now)
        a_check(conn, pod_id, "ping", now=now - 9 * DAY, status="healthy", fresh_until=now - 2 * HOUR)

    strips = page_of(engine, tenant, pod_id, now).strips

    assert [[run.shade for run in strip.runs] for strip in strips] == [["healthy"], ["unknown", "healthy"]]


def test_phases_and_heals_lie_on_the_same_axis(engine, tenant, now):
    with write(engine) as conn:
        pod_id, _ = a_healthy_pod(conn, tenant, now)
        phase_turned(conn, pod_id, now - 12 * HOUR, "monitored", "maintenance")
        phase_turned(conn, pod_id, now - 11 * HOUR, "maintenance", "monitored")
        begun = {"triggered_at": now - 12 * HOUR, "completed_at": now - 11 * HOUR, "next_step_at": None}
        a_heal(conn, pod_id, state=HealState.SUCCEEDED, **begun)

    lane = page_of(engine, tenant, pod_id, now).lane

    (band,), (heal,) = lane.phases, lane.heals
    assert (band.phase, band.length, band.x) == (Phase.MAINTENANCE, "1 h", heal.x)
    assert band.x + band.width == pytest.approx(heal.end_x)
    assert heal.x == pytest.approx(50, abs=1.1)
    assert lane.phases_sentence.startswith("phase, last 24 h: monitored but for 1 h maintenance from ")
    assert lane.heals_sentence == "healing, last 24 h: 1 healed"


def test_what_a_shadow_would_have_done_is_on_the_lane_too(engine, tenant, now):
    with write(engine) as conn:
        pod_id, _ = a_healthy_pod(conn, tenant, now)
        gates = [{"gate": "mode", "open": False, "reason": "Shadow", "inputs": {"mode": "shadow"}}]
        row = {"tenant_id": tenant, "pod_id": pod_id, "at": now - HOUR, "answer": Answer.HOLD, "gate": Gate.MODE}
        row |= {"reason": "Shadow: would restart now.", "action": Action.RESTART, "inputs": {"gates": gates}}
        conn.execute(sa.insert(Decision).values(**row))

    page = page_of(engine, tenant, pod_id, now)

    assert [mark.sign for mark in page.lane.heals] == ["would"]
    assert page.lane.heals_sentence == "healing, last 24 h: 1 only would have been made"
    assert page.events.events[0].sign == "would"


def test_a_long_range_follows_the_tenants_zone(engine, tenant, now):
    with write(engine) as conn:
        conn.execute(sa.update(Tenant).values(zone="Asia/Kolkata"))
        pod_id, _ = a_healthy_pod(conn, tenant, now)

    page = page_of(engine, tenant, pod_id, now, range=Range.MONTH)

    assert str(page.zone) == "Asia/Kolkata"
    assert len(page.strips[0].strip.runs) == 1


def test_uptime_of_a_young_pod_covers_its_life_only(engine, tenant, now):
    with write(engine) as conn:
        pod_id = a_pod(conn, tenant, now=now - HOUR, status="healthy")
        a_check(conn, pod_id, now=now - HOUR, status="healthy", fresh_until=now + HOUR)
        an_outage(conn, pod_id, now - 30 * MINUTE, 15 * MINUTE)
    with read(engine) as conn:
        pod = conn.execute(sa.select(Pod.__table__)).one()
        assert uptime_of(conn, pod, now - DAY, now) == UptimeFigures(75.0, 100.0)


# Events


def test_events_are_merged_newest_first_and_paged_without_loss(engine, tenant, now):
    with write(engine) as conn:
        pod_id, _ = a_healthy_pod(conn, tenant, now)
        for number in range(40):
            at = now - 2 * (number + 1) * HOUR
            an_outage(conn, pod_id, at, HOUR)
            # A heal of the very moment stands above what caused it.
            a_heal(
                conn,
                pod_id,
                state=HealState.SUCCEEDED,
                triggered_at=at,
                completed_at=at,
                next_step_at=None,
                idempotency_key=str(number),
            )

    first = page_of(engine, tenant, pod_id, now).events
    second = page_of(engine, tenant, pod_id, now, before=first.next).events
    third = page_of(engine, tenant, pod_id, now, before=second.next).events

    seen = [event.place for page in (first, second, third) for event in page.events]
    assert (len(first.events), len(second.events), len(third.events), third.next) == (A_PAGE, A_PAGE, 20, None)
    assert seen == sorted(set(seen), reverse=True)
    assert [event.kind for event in first.events[:3]] == ["transition", "heal", "transition"]


def test_events_of_one_kind(engine, tenant, now):
    with write(engine) as conn:
        pod_id, _ = a_healthy_pod(conn, tenant, now)
        an_outage(conn, pod_id, now - 2 * HOUR, HOUR)
        a_heal(conn, pod_id)

    kinds = {
        k: {e.kind for e in page_of(engine, tenant, pod_id, now, events=k).events.events}
        for k in ("heals", "transitions", "decisions")
    }

    assert kinds == {"heals": {"heal"}, "transitions": {"transition"}, "decisions": set()}


def test_an_earlier_day_is_drawn_as_it_was_and_by_moments(engine, tenant, now):
    with write(engine) as conn:
        pod_id, check_id = a_healthy_pod(conn, tenant, now)
        an_outage(conn, pod_id, now - 34 * HOUR, HOUR, check_id)
        for id_ in (check_id, None):
            an_outage(conn, pod_id, now - 2 * HOUR, HOUR, id_)
        for hours in (30, 3):
            begun = {"triggered_at": now - hours * HOUR, "completed_at": now - hours * HOUR, "next_step_at": None}
            a_heal(conn, pod_id, state=HealState.SUCCEEDED, **begun)

    page = page_of(engine, tenant, pod_id, now, at=now - DAY)

    assert page.is_past
    assert [run.shade for run in page.strips[0].runs] == ["healthy", "unhealthy", "healthy"]
    assert (page.strips[0].range, page.lane.range) == ("24h-past", "24h-past")
    assert (page.lane.begin, page.lane.end) == (now - 2 * DAY, now - DAY)
    assert len(page.lane.heals) == 1
    assert all(not isinstance(tick, str) for tick in page.lane.ticks)
    assert page.strips[0].strip.sentence.startswith(f"http, 24 h until {now - DAY:%Y-%m-%d %H:%M}: ")
    assert page.uptime.lines[0] == ("24 h", "95.83 %", "100 %", "1 h")  # the figures beside it are today's


def test_a_range_that_ends_in_time_to_come_ends_now(engine, tenant, now):
    with write(engine) as conn:
        pod_id, _ = a_healthy_pod(conn, tenant, now)

    page = page_of(engine, tenant, pod_id, now, at=now + DAY)

    assert not page.is_past
    assert page.lane.ticks[-1] == "now"
    assert page.lane.end == now


def test_before_the_longest_range_the_past_is_still_known(engine, tenant, now):
    with write(engine) as conn:
        pod_id, check_id = a_healthy_pod(conn, tenant, now)
        an_outage(conn, pod_id, now - 36 * DAY, HOUR, check_id)
        phase_turned(conn, pod_id, now - 35 * DAY, "monitored", "maintenance")
        phase_turned(conn, pod_id, now - 35 * DAY + HOUR, "maintenance", "monitored")

    page = page_of(engine, tenant, pod_id, now, range=Range("7d"), at=now - 33 * DAY)

    assert [run.shade for run in page.strips[0].runs] == ["healthy", "unhealthy", "healthy"]
    assert [band.length for band in page.lane.phases] == ["1 h"]
