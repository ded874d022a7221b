"""Judges and steps until nothing is due, in a process that a test may kill (``world.run_healer`` starts it).

With ``PODHEALTH_CRASH_AT`` it dies at that crash point, as a power cut would have it.
"""

import os
import threading

import sqlalchemy as sa

from podhealth import clock, egress
from podhealth.healing import evaluate, steps
from podhealth.healing.providers import docker
from podhealth.healing.providers.proxmox import talking
from podhealth.store.db import db_now_us, make_engine, read
from podhealth.store.secrets import hold_key
from tests.support.injecting import fail_calls

_PATIENCE_S = 4.0
_FOLLOWED = sa.text(
    "SELECT count(*) FROM cloud_pod_auto_heal_events WHERE state = 'running' AND provider_task IS NOT NULL"
)
_DUE = sa.text(
    "SELECT (SELECT count(*) FROM cloud_pod_health_status WHERE judge_at <= :n)"
    " + (SELECT count(*) FROM cloud_pod_auto_heal_events WHERE next_step_at <= :n)"
)


def main(pod_id: int, turns: int) -> None:
    engine = make_engine(os.environ["TEST_DATABASE"])
    # Machines that run tests may be slow; a provider that does not answer would be another story.
    docker._VERSION_S = docker._TIMEOUT_S = talking._TIMEOUT_S = 20.0
    hold_key("a key of the tests, of 32 characters")
    egress.open_networks(list(filter(None, os.environ["TEST_NETWORKS"].split(","))))
    egress.open_sockets(list(filter(None, os.environ["TEST_SOCKETS"].split(","))))
    if os.environ.get("TEST_FSYNC_FAILS"):
        fail_calls("fsync", "EIO")
    evaluate.judge(engine, pod_id)
    give_up_at = clock.monotonic() + _PATIENCE_S
    for _ in range(turns):
        evaluate.judge_due(engine)
        steps.run_due(engine)
        # A task that the provider still does is looked at again: what comes after it is judged by when it ended.
        while not is_due(engine) and is_followed(engine) and clock.monotonic() < give_up_at:
            threading.Event().wait(0.05)
        if not is_due(engine):
            break
    print("done", flush=True)


def is_due(engine: sa.Engine) -> bool:
    with read(engine) as conn:
        return bool(conn.execute(_DUE, {"n": db_now_us(conn)}).scalar_one())


def is_followed(engine: sa.Engine) -> bool:
    with read(engine) as conn:
        return bool(conn.execute(_FOLLOWED).scalar_one())
