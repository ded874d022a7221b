"""Incidents follow what pods do, in the same transactions, and each thing is told once (behaviour §7, hazards I6)."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from podhealth.core.episode import STOPPED_BY_POLICY
from podhealth.core.errors import Conflict, InputError, NotFound
from podhealth.core.words import Actor, DesiredState, IncidentCause, NoticeKind, Role, Severity, SnoozeHolds
from podhealth.models import AuditEntry, FeedEntry, Incident, Transition
from podhealth.store import acknowledging, holds, inventory, podstate
from podhealth.store.db import db_now, write
from podhealth.store.tenancy import Scope
from tests.support import build
from tests.support.told import FAIL, SLOW, Fleet

K = NoticeKind


def ann(fleet: Fleet, role: Role = Role.OPERATOR) -> Scope:
    return Scope(fleet.tenant_id, role, Actor.USER, "ann")


def test_an_unhealthy_pod_opens_an_incident_and_is_told_by_its_transition(fleet) -> None:
    fleet.add("web-1")

    fleet.fall_ill("web-1")

    (incident,), (notice,) = fleet.incidents(), fleet.notices()
    assert (incident.cause, incident.cause_key) == (IncidentCause.POD, f"pod:{fleet.pods['web-1']}")
    assert (incident.title, incident.severity) == ("web-1 is unhealthy", Severity.CRITICAL)
    assert (notice.kind, notice.cause_key) == (K.UNHEALTHY, f"transition:{fleet.newest_transition('web-1')}")
    assert (notice.incident_id, notice.text) == (incident.id, "web-1 is unhealthy: tcp: connection refused.")
    assert incident.bad_since == fleet.status("web-1").bad_since
    assert fleet.members(incident.id) == {"web-1"}


def test_what_is_told_goes_with_the_transition_when_its_transaction_is_undone(fleet, monkeypatch) -> None:
    fleet.add("web-1")
    before = len(fleet.rows(Transition))
    monkeypatch.setattr("podhealth.store.record.crashpoint", lambda name: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        fleet.fall_ill("web-1")

    assert (fleet.incidents(), fleet.notices()) == ([], [])
    assert len(fleet.rows(Transition)) == before


def test_a_recovery_is_told_after_a_minute_with_the_downtime(fleet) -> None:
    fleet.add("web-1")
    fleet.fall_ill("web-1")
    fleet.pass_time(minutes=4)
    fleet.recover("web-1")

    fleet.pass_time(seconds=59)
    assert fleet.told() == [K.UNHEALTHY]
    fleet.pass_time(seconds=2)

    (incident,) = fleet.incidents()
    assert incident.close_reason == "recovered"
    assert fleet.told() == [K.UNHEALTHY, K.RECOVERED]
    assert fleet.notices()[1].text == "web-1 is healthy again after 4 min."
    assert fleet.notices()[1].facts["downtimeSeconds"] == 240
    assert fleet.status("web-1").tell_at is None


def test_a_relapse_within_the_minute_tells_nothing_and_the_incident_goes_on(fleet) -> None:
    fleet.add("web-1")
    fleet.fall_ill("web-1")
    fleet.recover("web-1")
    fleet.pass_time(seconds=30)
    fleet.fall_ill("web-1")

    fleet.pass_time(minutes=5)

    assert fleet.told() == [K.UNHEALTHY]
    assert len(fleet.open_ones()) == 1


def test_a_pod_that_falls_ill_after_it_recovered_opens_another_incident(fleet) -> None:
    fleet.add("web-1")
    for _ in range(2):
        fleet.fall_ill("web-1")
        fleet.recover("web-1")
        fleet.pass_time(seconds=61)

    assert fleet.told() == [K.UNHEALTHY, K.RECOVERED] * 2
    assert len(fleet.incidents()) == 2


def test_a_degraded_pod_is_told_after_ten_minutes_as_a_warning(fleet) -> None:
    fleet.add("web-1")
    fleet.find(SLOW, "web-1")
    fleet.find(SLOW, "web-1")

    fleet.pass_time(seconds=599)
    assert fleet.told() == []
    fleet.pass_time(seconds=2)

    (incident,) = fleet.incidents()
    assert (incident.severity, incident.title) == (Severity.WARNING, "web-1 is degraded")
    assert fleet.told() == [K.DEGRADED]


def test_a_warning_becomes_critical_when_the_pod_is_unhealthy(fleet) -> None:
    fleet.add("web-1")
    fleet.find(SLOW, "web-1")
    fleet.find(SLOW, "web-1")
    fleet.pass_time(seconds=601)

    fleet.fall_ill("web-1")

    (incident,) = fleet.incidents()
    assert (incident.severity, incident.title) == (Severity.CRITICAL, "web-1 is unhealthy")
    assert fleet.told() == [K.DEGRADED, K.UNHEALTHY]
    assert {notice.incident_id for notice in fleet.notices()} == {incident.id}


def test_a_pod_that_is_degraded_for_a_short_time_is_not_told(fleet) -> None:
    fleet.add("web-1", check={"failure_threshold": 2})
    fleet.find(FAIL, "web-1")
    fleet.pass_time(minutes=5)
    fleet.recover("web-1")
    fleet.pass_time(minutes=20)

    assert (fleet.told(), fleet.incidents()) == ([], [])


def test_the_way_through_starting_tells_nothing(fleet) -> None:
    fleet.add("web-1")
    fleet.fall_ill("web-1")
    with write(fleet.engine) as conn:
        podstate.begin_starting(conn, fleet.pods["web-1"], db_now(conn), 60, "restart by the healer", own_heal=True)
    fleet.pass_time(seconds=61)
    podstate.settle_due(fleet.engine)
    fleet.fall_ill("web-1")
    fleet.pass_time(minutes=1)

    assert fleet.told() == [K.UNHEALTHY]
    assert len(fleet.open_ones()) == 1


def test_a_pod_that_is_stopped_by_policy_ends_its_incident_so(fleet) -> None:
    fleet.add("web-1")
    fleet.fall_ill("web-1")
    with write(fleet.engine) as conn:
        podstate.set_desired(conn, fleet.pods["web-1"], db_now(conn), DesiredState.STOPPED, STOPPED_BY_POLICY)

    (incident,) = fleet.incidents()
    assert incident.close_reason == STOPPED_BY_POLICY
    assert fleet.told() == [K.UNHEALTHY, K.STOPPED]
    assert fleet.notices()[1].text == "web-1: stopped by policy."


def test_a_pod_that_is_deleted_leaves_its_incident_in_the_same_transaction(fleet) -> None:
    fleet.add("web-1")
    fleet.fall_ill("web-1")
    with write(fleet.engine) as conn:
        inventory.delete_pod(conn, ann(fleet, Role.ADMIN), fleet.pods["web-1"])

    (incident,) = fleet.incidents()
    assert incident.close_reason == "the pod was deleted"
    assert fleet.told() == [K.UNHEALTHY, K.LEFT]


def test_a_snooze_of_alerts_holds_them_until_its_end(fleet) -> None:
    fleet.add("web-1")
    with write(fleet.engine) as conn:
        until = db_now(conn) + timedelta(hours=1)
        holds.snooze(conn, ann(fleet), fleet.pods["web-1"], until, "tests", SnoozeHolds.ALERTS)
    fleet.fall_ill("web-1")

    fleet.pass_time(minutes=59)
    assert fleet.told() == []
    fleet.pass_time(minutes=2)

    assert fleet.told() == [K.UNHEALTHY]


def test_a_snooze_of_alerts_that_is_ended_early_lets_them_go_at_once(fleet) -> None:
    fleet.add("web-1")
    with write(fleet.engine) as conn:
        until = db_now(conn) + timedelta(hours=1)
        holds.snooze(conn, ann(fleet), fleet.pods["web-1"], until, "tests", SnoozeHolds.ALERTS)
    fleet.fall_ill("web-1")
    with write(fleet.engine) as conn:
        holds.end_snooze(conn, ann(fleet), fleet.pods["web-1"])

    fleet.look()

    assert fleet.told() == [K.UNHEALTHY]


def test_what_was_well_again_before_the_snooze_ended_is_not_told(fleet) -> None:
    fleet.add("web-1")
    with write(fleet.engine) as conn:
        until = db_now(conn) + timedelta(hours=1)
        holds.snooze(conn, ann(fleet), fleet.pods["web-1"], until, "tests", SnoozeHolds.ALERTS)
    fleet.fall_ill("web-1")
    fleet.recover("web-1")

    fleet.pass_time(hours=2)

    assert (fleet.told(), fleet.incidents()) == ([], [])


def test_flapping_is_told_at_its_start_and_its_end_and_nothing_in_between(fleet) -> None:
    fleet.add("web-1")
    for _ in range(6):
        fleet.fall_ill("web-1")
        fleet.recover("web-1")
    before = fleet.told()
    fleet.fall_ill("web-1")
    fleet.recover("web-1")
    fleet.pass_time(minutes=10)
    during = fleet.told()
    clock_on = timedelta(hours=3)
    fleet.pass_time(seconds=clock_on.total_seconds())
    for _ in range(20):
        fleet.recover("web-1")
    fleet.pass_time(minutes=2)

    assert before == during
    assert before[-1] == K.FLAPPING
    assert fleet.told()[len(before) :] == [K.FLAPPING_ENDED, K.RECOVERED]
    assert fleet.open_ones() == []


def test_flapping_is_told_again_after_twelve_hours(fleet) -> None:
    fleet.add("web-1")
    for _ in range(7):
        fleet.fall_ill("web-1")
        fleet.recover("web-1")

    fleet.pass_time(hours=12)

    assert fleet.told()[-2:] == [K.FLAPPING, K.FLAPPING]


def test_screens_are_told_of_incidents_by_the_feed(fleet) -> None:
    fleet.add("web-1")
    fleet.fall_ill("web-1")

    (incident,) = fleet.incidents()
    notes = [(row.kind, row.object_id) for row in fleet.rows(FeedEntry) if row.kind == "incident"]
    assert notes == [("incident", incident.id)]


@pytest.mark.parametrize("hours", [None, 4], ids=["until it is over", "for four hours"])
def test_an_incident_is_acknowledged_by_name_with_a_note_and_audited(fleet, hours) -> None:
    fleet.add("web-1")
    fleet.fall_ill("web-1")
    (incident,) = fleet.incidents()
    with write(fleet.engine) as conn:
        until = None if hours is None else db_now(conn) + timedelta(hours=hours)
        acknowledging.acknowledge(conn, ann(fleet), incident.id, until, "on it")

    (incident,) = fleet.incidents()
    assert (incident.acknowledged_by, incident.acknowledged_until, incident.acknowledge_note) == ("ann", until, "on it")
    assert [row.what for row in fleet.rows(AuditEntry)] == ["incident acknowledged"]


def test_an_acknowledgement_is_taken_back_once(fleet) -> None:
    fleet.add("web-1")
    fleet.fall_ill("web-1")
    (incident,) = fleet.incidents()
    with write(fleet.engine) as conn:
        acknowledging.acknowledge(conn, ann(fleet), incident.id, None)
        acknowledging.unacknowledge(conn, ann(fleet), incident.id)
        acknowledging.unacknowledge(conn, ann(fleet), incident.id)

    assert fleet.incidents()[0].acknowledged_at is None
    assert [row.what for row in fleet.rows(AuditEntry)] == ["incident acknowledged", "acknowledgement taken back"]


def test_an_acknowledgement_that_has_run_out_is_nobodys_and_pages_hear_of_it_once(fleet) -> None:
    for name in ("web-1", "web-2", "web-3"):
        fleet.add(name)
        fleet.fall_ill(name)
    lapsed, lasting, sticky = fleet.incidents()
    with write(fleet.engine) as conn:
        for incident, hours in ((lapsed, 1), (lasting, 2), (sticky, None)):
            until = None if hours is None else db_now(conn) + timedelta(hours=hours)
            acknowledging.acknowledge(conn, ann(fleet), incident.id, until, "on it")
        past = sa.update(Incident).where(Incident.id == lapsed.id)
        conn.execute(past.values(acknowledged_until=db_now(conn) - timedelta(seconds=1)))
    before = len(fleet.rows(FeedEntry))

    published = acknowledging.end_lapsed(fleet.engine)
    again = acknowledging.end_lapsed(fleet.engine)

    assert [row.acknowledged_by for row in fleet.incidents()] == [None, "ann", "ann"]
    (note,) = fleet.rows(FeedEntry)[before:]
    assert (note.kind, note.object_id) == ("incident", lapsed.id)
    assert (published, again) == ({fleet.tenant_id: note.seq}, {})


def test_an_incident_that_is_over_cannot_be_acknowledged(fleet) -> None:
    fleet.add("web-1")
    fleet.fall_ill("web-1")
    fleet.recover("web-1")
    fleet.pass_time(seconds=61)
    with write(fleet.engine) as conn, pytest.raises(Conflict, match="over"):
        acknowledging.acknowledge(conn, ann(fleet), fleet.incidents()[0].id, None)


@pytest.mark.parametrize("hours", [-1, 32 * 24], ids=["past", "too far"])
def test_an_end_that_makes_no_sense_is_refused_by_name(fleet, hours) -> None:
    fleet.add("web-1")
    fleet.fall_ill("web-1")
    until = fleet.incidents()[0].opened_at + timedelta(hours=hours)
    with write(fleet.engine) as conn, pytest.raises(InputError, match="31 days") as refused:
        acknowledging.acknowledge(conn, ann(fleet), fleet.incidents()[0].id, until)

    assert refused.value.field == "until"


def test_a_stranger_finds_no_incident(fleet) -> None:
    fleet.add("web-1")
    fleet.fall_ill("web-1")
    with write(fleet.engine) as conn:
        zoe = Scope(build.a_tenant(conn, "zeta"), Role.ADMIN, Actor.USER, "zoe")
        with pytest.raises(NotFound):
            acknowledging.acknowledge(conn, zoe, fleet.incidents()[0].id, None)


def test_results_that_say_nothing_new_ask_nothing_about_incidents(fleet, count_queries) -> None:
    fleet.add("web-1", check={"failure_threshold": 3})
    fleet.find(FAIL, "web-1")

    with count_queries(fleet.engine) as statements:
        fleet.find(FAIL, "web-1")

    assert [s for s in statements if "incident" in s or "notices" in s] == []
