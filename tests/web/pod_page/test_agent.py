"""What a pod's page tells of its agent: what it said last, in one line, to everybody who sees the pod."""

import re

import pytest
import sqlalchemy as sa

from podhealth.core.heartbeat import parse_report
from podhealth.models import Heartbeat
from podhealth.store import heartbeats, inventory
from podhealth.store.accounts import hash_of
from podhealth.store.db import db_now, write
from podhealth.store.heartbeats import Said
from podhealth.store.tenancy import system_scope
from tests.support.build import a_pod
from tests.support.past import HOUR


@pytest.fixture
def say(engine, tenant):
    """``say(bootId=…)``: the agent of a pod says that; returns the pod."""
    with write(engine) as conn:
        pod_id = a_pod(conn, tenant)
        token = inventory.set_agent_token(conn, system_scope(tenant), pod_id)

    def said(**fields):
        with write(engine) as conn:
            heartbeats.record_report(conn, Said(hash_of(token), parse_report(fields)))
        return pod_id

    said.pod_id = pod_id
    return said


def _told(caller, pod_id):
    page = caller.get(f"/pods/{pod_id}").text
    found = re.search(rf'<div id="pod-agent-{pod_id}".*?</div>', page, re.S)[0]
    return " ".join(re.sub(r"<[^>]+>", "", found).split())


def test_the_newest_figures_stand_below_the_checks(say, vic):
    figures = {"load1": 0.416, "memoryPercent": 61.4, "diskPercent": 28, "failedUnits": 1}
    pod_id = say(bootId="8610f76a-92ff-49be-824f-a052427eb164.22", periodSeconds=30, metrics=figures)

    assert re.fullmatch(
        r"Agent heard .+ UTC, every 30 s · load 0\.42 · memory 61 % · disk 28 % · 1 failed unit · boot 8610f76a",
        _told(vic, pod_id),
    )


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({"signal": "start"}, r"Its job began .+ UTC and has not ended\."),
        ({"exitCode": 3}, r"Its job failed with exit code 3, .+ UTC\."),
        ({"signal": "fail"}, r"Its job failed, \d.+ UTC\."),
        ({"signal": "success"}, r"Its job ended well, .+ UTC\."),
    ],
    ids=str,
)
def test_how_its_job_went_is_a_sentence(say, vic, said, sentence):
    assert re.fullmatch(rf"Agent heard .+ UTC, every minute {sentence}", _told(vic, say(**said)))


def test_a_job_is_told_with_how_long_it_took(engine, say, vic):
    say(signal="start")
    with write(engine) as conn:
        conn.execute(sa.update(Heartbeat).values(job_started_at=db_now(conn) - HOUR))

    assert _told(vic, say(exitCode=0)).endswith(" UTC; it took 1 h.")


def test_a_pod_without_an_agent_says_nothing_of_one(say, vic):
    assert _told(vic, say.pod_id) == ""


@pytest.mark.attack("A51")
def test_what_an_agent_says_is_text(say, vic):
    page = vic.get(f"/pods/{say(bootId='<b>x</b>')}").text

    assert "boot &lt;b&gt;x&lt;/b&gt;" in page
