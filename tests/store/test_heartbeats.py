"""What agents say: heard by the server's clock, each boot once."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from podhealth import clock
from podhealth.core.errors import InputError
from podhealth.core.heartbeat import parse_report
from podhealth.core.probe import Target
from podhealth.core.words import Action, Actor, HealState, Kind, Phase, Role
from podhealth.models import Check, CheckState, FeedEntry, Heartbeat, Pod, PodStatus, Tenant
from podhealth.store import heartbeats, inventory
from podhealth.store.accounts import hash_of
from podhealth.store.db import db_now, read, write
from podhealth.store.heartbeats import Said, Verdict
from podhealth.store.targets import heartbeat_facts
from podhealth.store.tenancy import Scope
from tests.support.build import a_heal, a_pod, a_tenant


def _token(engine):
    with write(engine) as conn:
        tenant_id = a_tenant(conn)
        pod_id = a_pod(conn, tenant_id)
        return inventory.set_agent_token(conn, Scope(tenant_id, Role.ADMIN, Actor.USER, "ann"), pod_id)


@pytest.fixture
def token(engine):
    return _token(engine)


def _beat(engine, token, boot_id=None, period_s=None):
    with write(engine) as conn:
        said = {"bootId": boot_id, "periodSeconds": period_s}
        return heartbeats.record_report(conn, Said(hash_of(token), parse_report(said)))


def _stored(engine):
    with read(engine) as conn:
        return conn.execute(sa.select(Heartbeat.__table__)).one()


def _phase(engine):
    with read(engine) as conn:
        return conn.execute(sa.select(PodStatus.phase, PodStatus.phase_reason)).one()


def test_a_heartbeat_is_stored_at_the_servers_time(engine, token):
    with read(engine) as conn:
        before = db_now(conn)
    known = _beat(engine, token, "b1", 30)
    row = _stored(engine)

    assert known is Verdict.STORED
    assert row.received_at >= before
    assert (row.boot_id, row.period_s) == ("b1", 30)


@pytest.mark.attack("A95")
def test_an_unknown_token_is_nobody(engine, token):
    assert _beat(engine, "pa_unknown") is Verdict.UNKNOWN


@pytest.mark.attack("A77")
def test_the_token_is_stored_hashed_only(engine, token):
    with read(engine) as conn:
        assert token not in repr(conn.execute(sa.select(Pod.__table__)).one())


@pytest.mark.parametrize("gone", [Pod, Tenant])
def test_a_deleted_pods_or_tenants_agent_is_nobody(engine, token, gone):
    with write(engine) as conn:
        conn.execute(sa.update(gone).values(deleted_at=db_now(conn)))

    assert _beat(engine, token) is Verdict.UNKNOWN


def test_the_first_heartbeat_brings_the_check_of_kind_agent(engine, token):
    _beat(engine, token)
    _beat(engine, token)
    with read(engine) as conn:
        kinds = conn.scalars(sa.select(Check.kind)).all()
        told = conn.scalar(sa.select(sa.func.count()).select_from(FeedEntry))

    assert kinds == [Kind.AGENT]
    assert told >= 1


def test_the_period_stays_until_another_is_stated(engine, token):
    _beat(engine, token)
    first = _stored(engine).period_s
    _beat(engine, token, period_s=30)
    _beat(engine, token)

    assert (first, _stored(engine).period_s) == (60, 30)


def test_the_first_boot_id_is_no_start(engine, token):
    _beat(engine, token)
    _beat(engine, token, "b1")

    assert _phase(engine).phase == Phase.MONITORED
    assert _stored(engine).boot_id == "b1"


def test_a_new_boot_id_is_a_start(engine, token):
    _beat(engine, token, "b1")
    _beat(engine, token, "b2")

    assert tuple(_phase(engine)) == (Phase.STARTING, "new boot id")
    assert (_stored(engine).boot_id, _stored(engine).previous_boot_id) == ("b2", "b1")


def _heal(engine, action=Action.RESTART, **columns):
    with write(engine) as conn:
        columns = {name: db_now(conn) if value == "now" else value for name, value in columns.items()}
        a_heal(conn, conn.scalar(sa.select(Pod.id)), action=action, **columns)


def _starts(engine):
    with read(engine) as conn:
        return conn.scalar(sa.select(PodStatus.recent_starts))


@pytest.mark.parametrize(
    "heal",
    [
        {"state": HealState.RUNNING, "started_at": "now"},
        {"state": HealState.VERIFYING, "action_ended_at": "now"},
        {"state": HealState.FAILED, "action_ended_at": "now"},
    ],
    ids=lambda heal: heal["state"].value,
)
def test_a_boot_by_our_own_heal_is_no_start_of_the_pods_own(engine, token, heal):
    _beat(engine, token, "b1")
    _heal(engine, **heal)
    _beat(engine, token, "b2")

    assert _phase(engine).phase == Phase.MONITORED
    assert not _starts(engine)
    assert _stored(engine).boot_id == "b2"


@pytest.mark.parametrize(
    "heal",
    [
        {"state": HealState.PLANNED},
        {"state": HealState.FAILED, "started_at": "now"},
        {"state": HealState.SUCCEEDED, "action": Action.STOP, "action_ended_at": "now"},
    ],
    ids=lambda heal: heal["state"].value,
)
def test_a_heal_that_started_nothing_explains_no_boot(engine, token, heal):
    _beat(engine, token, "b1")
    _heal(engine, **heal)
    _beat(engine, token, "b2")

    assert _phase(engine).phase == Phase.STARTING


def test_the_second_boot_after_a_heal_is_the_pods_own(engine, token):
    _beat(engine, token, "b1")
    _heal(engine, state=HealState.VERIFYING, action_ended_at="now")
    _beat(engine, token, "b2")
    _beat(engine, token, "b3")

    assert tuple(_phase(engine)) == (Phase.STARTING, "new boot id")


def test_a_heartbeat_that_tells_of_a_start_counts_after_it(engine, token):
    _beat(engine, token, "b1")
    _beat(engine, token, "b2")
    with read(engine) as conn:
        started = conn.scalar(sa.select(PodStatus.last_start_at))

    assert _stored(engine).received_at > started


@pytest.mark.attack("A95")
def test_a_message_of_the_boot_before_was_overtaken(engine, token):
    _beat(engine, token, "b1")
    _beat(engine, token, "b2")
    before = _stored(engine)
    clock.shift(timedelta(seconds=5))

    assert _beat(engine, token, "b1") is Verdict.OVERTAKEN
    assert _stored(engine) == before


def test_a_heartbeat_without_a_boot_id_keeps_the_one_known(engine, token):
    _beat(engine, token, "b1")
    _beat(engine, token)

    assert _stored(engine).boot_id == "b1"
    assert _phase(engine).phase == Phase.MONITORED


@pytest.mark.parametrize(
    ("field", "boot_id", "period_s"),
    [
        ("bootId", "", None),
        ("bootId", "x" * 65, None),
        ("bootId", "a\x00b", None),
        ("bootId", 7, None),
        ("periodSeconds", None, 4),
        ("periodSeconds", None, 86_401),
        ("periodSeconds", None, True),
        ("periodSeconds", None, 30.0),
    ],
)
def test_a_bad_heartbeat_is_refused_by_field(engine, token, field, boot_id, period_s):
    with pytest.raises(InputError) as refused:
        _beat(engine, token, boot_id, period_s)

    assert refused.value.field == field


def _say(engine, token, **fields):
    with write(engine) as conn:
        return heartbeats.record_report(conn, Said(hash_of(token), parse_report(fields)))


def _plain(engine, *said):
    with write(engine) as conn:
        return heartbeats.record_plain(conn, [Said(hash_of(token), parse_report(fields)) for token, fields in said])


def test_only_what_says_no_more_than_alive_is_stored_with_others(engine, token):
    first = _plain(engine, (token, {"bootId": "b1"}))
    _say(engine, token, bootId="b1", sequence=1)
    then = _plain(
        engine,
        ("pa_unknown", {}),
        (token, {"bootId": "b1", "sequence": 3, "periodSeconds": 30, "metrics": {"load1": 0.5}}),
        (token, {"bootId": "b1", "sequence": 2, "periodSeconds": 99}),
        (token, {"signal": "start"}),
        (token, {"sequence": 4}),
    )
    row = _stored(engine)

    assert first == [Verdict.LEFT]
    assert then == [Verdict.UNKNOWN, Verdict.STORED, Verdict.OVERTAKEN, Verdict.LEFT, Verdict.LEFT]
    assert (row.sequence, row.period_s, row.metrics) == (3, 30, {"load1": 0.5})


def test_another_boot_has_a_transaction_of_its_own(engine, token):
    _beat(engine, token, "b1")

    assert _plain(engine, (token, {"bootId": "b2"})) == [Verdict.LEFT]
    assert _phase(engine).phase == Phase.MONITORED


def _job(engine):
    with read(engine) as conn:
        pod_id = conn.scalar(sa.select(Pod.id))
        (facts,) = heartbeat_facts(conn, [Target(1, pod_id, 1, Kind.AGENT, "h", None)]).values()
        return facts.failed, facts.exit_code, facts.job_age_s is not None


def test_what_a_job_says_is_told_to_its_check_and_asks_for_a_probe_at_once(engine, token):
    _say(engine, token)
    with write(engine) as conn:
        conn.execute(sa.update(CheckState).values(next_at=db_now(conn) + timedelta(hours=1)))
    _say(engine, token, signal="start")
    started = _job(engine)
    _say(engine, token, exitCode=3)
    failed = _job(engine)
    with read(engine) as conn:
        due = conn.scalar(sa.select(CheckState.next_at)) <= db_now(conn)
    _say(engine, token, signal="success")

    assert (started, failed, _job(engine)) == ((False, None, True), (True, 3, False), (False, None, False))
    assert due


def test_what_a_job_said_before_a_start_of_the_pod_counts_no_more(engine, token):
    _say(engine, token, bootId="b1", exitCode=3)
    _say(engine, token, bootId="b1", signal="start")
    _say(engine, token, bootId="b2")

    assert _job(engine) == (False, None, False)


def test_what_is_said_of_a_boot_that_ended_meanwhile_changes_nothing(postgres_engine):
    token = _token(postgres_engine)
    _say(postgres_engine, token, bootId="b1", sequence=9)

    faster = iter(["b2"])

    @sa.event.listens_for(postgres_engine, "before_cursor_execute")
    def _another_process_is_faster(_conn, _cursor, statement, *_):
        if statement.startswith("UPDATE heartbeats"):
            for boot_id in faster:
                _say(postgres_engine, token, bootId=boot_id, sequence=1)

    _plain(postgres_engine, (token, {"bootId": "b1", "sequence": 10}))

    assert (_stored(postgres_engine).boot_id, _stored(postgres_engine).sequence) == ("b2", 1)
