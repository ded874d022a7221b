"""The implicit check ``running``: providers are asked whether their pods run, by the same claims as other checks.

Two readings 10 s apart must agree before a pod counts as not running; a provider that does not answer is our trouble,
not the pod's (behaviour §2, Running).
"""

import os
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa

from podhealth import clock
from podhealth.core.facts import ProviderFacts
from podhealth.core.probe import Finding
from podhealth.core.words import ActualState, FailClass, Outcome
from podhealth.healing.ask import ask
from podhealth.models import Check, CheckState, Pod, PodStatus
from podhealth.models.base import from_us
from podhealth.store import nodes, podstate
from podhealth.store.claim import Claim, claim_due
from podhealth.store.db import db_now_us, write
from podhealth.store.record import Found, record
from podhealth.store.sources import SOURCE_CONFIG

VANTAGE = "provider"
CONFIRMING, NOT_RUNNING = "confirming", "not_running"
AGREE_AFTER = timedelta(seconds=10)
_SLACK = timedelta(milliseconds=500)
_AT_ONCE = 16
_SECONDS_A_TICK = 3.0

Row = sa.Row[Any]


class _Read(NamedTuple):
    claim: Claim
    pod: Row
    begun_us: int
    ended_us: int
    actual: ActualState | None
    finding: Finding
    node_is_up: bool | None


def ask_providers(engine: sa.Engine, is_over: Callable[[], bool] = lambda: False) -> dict[int, int]:
    """Ask for the pods whose check ``running`` is due, for some seconds at most; return the feed numbers.

    Takes no more of them once ``is_over``.
    """
    published: dict[int, int] = {}
    ends = clock.monotonic() + _SECONDS_A_TICK
    worker_id = f"{VANTAGE}-{socket.gethostname()}-{os.getpid()}"[:64]
    while clock.monotonic() < ends and not is_over():
        with write(engine) as conn:
            claims = claim_due(conn, VANTAGE, worker_id, _AT_ONCE)
            if not claims:
                break
            pods = _pods_of(conn, [claim.check_id for claim in claims])
            origin_us = db_now_us(conn)
        published |= _ask_and_record(engine, claims, pods, (origin_us, clock.monotonic()))
    return published


def _pods_of(conn: sa.Connection, check_ids: list[int]) -> dict[int, Row]:
    query = (
        sa.select(
            Check.id.label("check_id"),
            Pod.__table__,
            Pod.id.label("pod_id"),
            SOURCE_CONFIG,
            PodStatus.last_start_at,
            CheckState.last_code,
            CheckState.last_at,
        )
        .join(Pod, Pod.id == Check.pod_id)
        .join(PodStatus, PodStatus.pod_id == Check.pod_id)
        .join(CheckState, CheckState.check_id == Check.id)
        .where(Check.id.in_(check_ids))
    )
    return {row.check_id: row for row in conn.execute(query)}


def _ask_and_record(
    engine: sa.Engine, claims: list[Claim], pods: dict[int, Row], origin: tuple[int, float]
) -> dict[int, int]:
    known = [claim for claim in claims if claim.check_id in pods]
    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        read = list(pool.map(lambda claim: _read(claim, pods[claim.check_id], origin), known))
    nodes.keep_answers(engine, ((one.pod.node_id, one.node_is_up) for one in read if one.node_is_up is not None))
    with write(engine) as conn:
        _keep_actual(conn, read)
        recorded = record(conn, [_found(one) for one in read])
        for one in read:
            if one.finding.code == CONFIRMING:
                _read_again(conn, one)
    return recorded.published


def _read(claim: Claim, pod: Row, origin: tuple[int, float]) -> _Read:
    origin_us, at = origin
    begun_us = origin_us + round((clock.monotonic() - at) * 1e6)
    asked = ask(pod)
    ended_us = origin_us + round((clock.monotonic() - at) * 1e6)
    actual = None if asked.state is None else asked.state.actual
    node_is_up = None if asked.state is None else asked.facts.node_is_up
    return _Read(claim, pod, begun_us, ended_us, actual, _finding(pod, actual, asked.facts, ended_us), node_is_up)


def _finding(pod: Row, actual: ActualState | None, facts: ProviderFacts, ended_us: int) -> Finding:
    if actual is None:
        return Finding(Outcome.ERROR, None, "provider", error=(facts.error or "no answer")[:200])
    if actual == ActualState.UNKNOWN:
        return Finding(Outcome.ERROR, None, "provider", error="the provider does not say whether it runs")
    if actual == ActualState.RUNNING:
        return Finding(Outcome.OK)
    if _was_stopped_before(pod, ended_us):
        return Finding(Outcome.FAIL, FailClass.DOWN, NOT_RUNNING, error="not running")
    return Finding(Outcome.ERROR, None, CONFIRMING, error="not running; read once more before it counts")


def _was_stopped_before(pod: Row, ended_us: int) -> bool:
    if pod.last_code not in (CONFIRMING, NOT_RUNNING) or pod.last_at is None:
        return False
    since_start: bool = pod.last_start_at is None or pod.last_at > pod.last_start_at
    is_late_enough: bool = from_us(ended_us) >= pod.last_at + AGREE_AFTER - _SLACK
    return since_start and (pod.last_code == NOT_RUNNING or is_late_enough)


def _found(one: _Read) -> Found:
    claim = one.claim
    return Found(claim.check_id, claim.token, claim.generation, claim.due_us, one.begun_us, one.ended_us, one.finding)


def _keep_actual(conn: sa.Connection, read: list[_Read]) -> None:
    told = {one.pod.pod_id: (one.pod.actual_state, one.actual or ActualState.UNKNOWN) for one in read}
    changed = {pod_id: now for pod_id, (before, now) in told.items() if now != before}
    for pod_id in podstate.lock_pods(conn, changed):
        conn.execute(sa.update(Pod).where(Pod.id == pod_id).values(actual_state=changed[pod_id]))


def _read_again(conn: sa.Connection, one: _Read) -> None:
    # A recheck may come sooner than the two readings are to be apart.
    at = from_us(one.ended_us) + AGREE_AFTER
    state = sa.update(CheckState).where(CheckState.check_id == one.claim.check_id, CheckState.due_at.is_(None))
    conn.execute(state.where(CheckState.next_at < at).values(next_at=at))
