"""The agent of a pod: what it said last, and its token: ``/api/cloud-pods/ID/agent`` and ``…/agent-token``."""

from typing import Any

import sqlalchemy as sa

from podhealth.core.heartbeat import METRICS
from podhealth.core.words import Signal
from podhealth.store import inventory, podagent, tenancy
from podhealth.store.db import read
from podhealth.web.api import api
from podhealth.web.api.declare import acts, reads
from podhealth.web.api.schema import FLAG, NUMBER, TEXT, TIME, WHOLE, answer, maybe, words
from podhealth.web.api.shapes import iso
from podhealth.web.installed import engine_of, installed
from podhealth.web.session import current_scope

JOB = answer(
    "AgentJob",
    signal=words(Signal),
    exitCode=maybe(WHOLE),
    startedAt=maybe(TIME),
    endedAt=maybe(TIME),
    tookMs=maybe(WHOLE),
)
AGENT = answer(
    "Agent",
    hasToken=FLAG,
    lastHeartbeatAt=maybe(TIME),
    periodSeconds=maybe(WHOLE),
    bootId=maybe(TEXT),
    metrics=answer("AgentMetrics", **dict.fromkeys(METRICS, maybe(NUMBER))),
    job=maybe(JOB),
)


@api.get("/cloud-pods/<id:pod_id>/agent")
@reads("Agents", AGENT)
def pod_agent(pod_id: int) -> dict[str, Any]:
    """Answer what the agent of a pod said last: null before its first heartbeat, and what it did not say."""
    with read(engine_of()) as conn:
        pod = tenancy.get_pod(conn, current_scope(), pod_id)
        row = podagent.newest(conn, pod_id)
    said = {} if row is None else row._mapping
    metrics = said.get("metrics") or {}
    return {
        "hasToken": pod.agent_token_hash is not None,
        "lastHeartbeatAt": iso(said.get("received_at")),
        "periodSeconds": said.get("period_s"),
        "bootId": said.get("boot_id"),
        "metrics": {name: metrics.get(name) for name in METRICS},
        "job": _job(row),
    }


@api.post("/cloud-pods/<id:pod_id>/agent-token")
@acts("Agents", answer(token=TEXT, url=TEXT), has_secret=True)
def rotate_agent_token(conn: sa.Connection, pod_id: int) -> dict[str, Any]:
    """Give the pod's agent another token, which is in this answer and in no other; the one before ends."""
    token = inventory.set_agent_token(conn, current_scope(), pod_id)
    return {"token": token, "url": installed().settings.public_url.rstrip("/") + "/api/heartbeats"}


def _job(row: Any) -> dict[str, Any] | None:
    if row is None or (row.job_started_at is None and row.job_ended_at is None):
        return None
    return {
        "signal": Signal.START if row.job_started_at is not None else row.signal,
        "exitCode": row.exit_code,
        "startedAt": iso(row.job_started_at),
        "endedAt": iso(row.job_ended_at),
        "tookMs": row.took_ms,
    }
