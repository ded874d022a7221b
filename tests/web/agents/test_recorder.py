"""Messages of many threads are stored in few transactions, and each thread is told what became of its own."""

import queue
import threading
from collections import Counter

import pytest
import sqlalchemy as sa

from podhealth.core.heartbeat import Report
from podhealth.models import Heartbeat
from podhealth.store import inventory
from podhealth.store.accounts import hash_of
from podhealth.store.db import make_engine, read, write
from podhealth.store.heartbeats import Said, Verdict
from podhealth.store.tenancy import system_scope
from podhealth.web.agents.recorder import Recorder
from tests.support.build import a_pod, a_tenant


def _tokens(engine, pods):
    with write(engine) as conn:
        tenant_id = a_tenant(conn)
        ids = [a_pod(conn, tenant_id, f"p{n}") for n in range(pods)]
        return {pod_id: inventory.set_agent_token(conn, system_scope(tenant_id), pod_id) for pod_id in ids}


def test_each_is_told_what_became_of_its_own(engine):
    tokens = _tokens(engine, 3)
    recorder = Recorder(engine)
    said = [Said(hash_of(token), Report("b", sequence=n)) for n in range(4) for token in tokens.values()]
    told, are_told = [], threading.Event()

    def tell(stored):
        told.append(stored.verdict)
        if len(told) == len(said) + 1:
            are_told.set()

    for one in [*said, Said(hash_of("nobody's"), Report())]:
        recorder.submit(one, tell)
    assert are_told.wait(10)
    with read(engine) as conn:
        newest = dict(conn.execute(sa.select(Heartbeat.pod_id, Heartbeat.sequence)).all())

    assert Counter(told) == {Verdict.STORED: 12, Verdict.UNKNOWN: 1}
    assert newest == dict.fromkeys(tokens, 3)


def test_a_database_that_fails_is_told_to_all_and_the_next_is_stored(sqlite_engine):
    (token,) = _tokens(sqlite_engine, 1).values()
    said = Said(hash_of(token), Report())
    recorder = Recorder(sqlite_engine)
    with sqlite_engine.begin() as conn:
        conn.exec_driver_sql("ALTER TABLE heartbeats RENAME TO away")
    with pytest.raises(sa.exc.OperationalError):
        recorder.record(said)
    with sqlite_engine.begin() as conn:
        conn.exec_driver_sql("ALTER TABLE away RENAME TO heartbeats")

    assert recorder.record(said) is Verdict.STORED


def test_a_database_that_is_not_there_is_told(tmp_path):
    recorder = Recorder(make_engine(f"sqlite:///{tmp_path}/no/such.db"))

    with pytest.raises(sa.exc.OperationalError):
        recorder.record(Said(hash_of("t"), Report()))


def test_who_is_told_finds_it_stored(engine):
    (token,) = _tokens(engine, 1).values()
    found = queue.SimpleQueue()

    def tell(_stored):
        with read(engine) as conn:
            found.put(conn.scalar(sa.select(Heartbeat.sequence)))

    recorder = Recorder(engine)
    for sequence in (1, 2):  # the first has a transaction of its own, the second may share one
        recorder.submit(Said(hash_of(token), Report("b", sequence=sequence)), tell)
        assert found.get(timeout=10) == sequence
