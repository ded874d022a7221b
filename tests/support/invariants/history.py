"""I6 and I8: changes of status and phase chain, and uptime accounts for every microsecond."""

from collections import defaultdict
from collections.abc import Iterator
from itertools import groupby, pairwise
from typing import Any

import sqlalchemy as sa

from podhealth.core.uptime import Change, Course, PhaseTurn, Stretch, uptime
from podhealth.core.words import Outcome
from podhealth.models import CheckState, Episode, PhaseChange, Pod, PodStatus, Result, Transition
from podhealth.models.base import to_us
from podhealth.store.db import db_now_us
from tests.support.invariants.ledgers import Ledgers


def changes_chain(conn: sa.Connection, ledgers: Ledgers) -> Iterator[str]:
    """I6: each change begins where the one before ended, later, and the last is what is stored now.

    A pod's changes are stored one after another, under its lock: their ids are in that order, whatever a clock says.
    """
    t = Transition
    columns = (t.pod_id, t.check_id, t.from_status.label("was"), t.to_status.label("became"), t.at)
    rows = conn.execute(sa.select(*columns).order_by(t.pod_id, t.check_id, t.id)).all()
    pods = {
        r.pod_id: (r.status, r.since)
        for r in conn.execute(sa.select(PodStatus.pod_id, PodStatus.status, PodStatus.since))
    }
    states = sa.select(CheckState.check_id, CheckState.status, CheckState.since)
    checks = {r.check_id: (r.status, r.since) for r in conn.execute(states)}
    for (pod_id, check_id), group in groupby(rows, key=lambda r: (r.pod_id, r.check_id)):
        what = f"pod {pod_id}" if check_id is None else f"check {check_id}"
        now = pods.get(pod_id) if check_id is None else checks.get(check_id)
        yield from _chain(what, list(group), now, ledgers)
    yield from _unmoved(rows, pods, checks)
    yield from _phases(conn, ledgers)


def _chain(what: str, changes: list[Any], now: tuple[Any, Any] | None, ledgers: Ledgers) -> Iterator[str]:
    for one, next_one in pairwise(changes):
        if one.became != next_one.was:
            yield f"I6: {what} became {one.became} and then changed from {next_one.was}"
        if one.at >= next_one.at and not ledgers.clock_went_back:
            yield f"I6: {what} changed twice at {next_one.at}, or backwards"
    if now is not None and now != (changes[-1].became, changes[-1].at):
        yield f"I6: {what} is {now[0]} since {now[1]}, its last change says {changes[-1].became} since {changes[-1].at}"


def _unmoved(rows: list[Any], pods: dict[int, Any], checks: dict[int, Any]) -> Iterator[str]:
    moved_pods = {r.pod_id for r in rows if r.check_id is None}
    moved_checks = {r.check_id for r in rows}
    for pod_id, (status, _) in pods.items():
        if pod_id not in moved_pods and status != "unknown":
            yield f"I6: pod {pod_id} is {status} and never became so"
    for check_id, (status, _) in checks.items():
        if check_id not in moved_checks and status != "unknown":
            yield f"I6: check {check_id} is {status} and never became so"


def _phases(conn: sa.Connection, ledgers: Ledgers) -> Iterator[str]:
    p = PhaseChange
    columns = (p.pod_id, p.from_phase.label("was"), p.to_phase.label("became"), p.at)
    rows = conn.execute(sa.select(*columns).order_by(p.pod_id, p.id)).all()
    query = sa.select(PodStatus.pod_id, PodStatus.phase, PodStatus.phase_since)
    shown = {r.pod_id: (r.phase, r.phase_since) for r in conn.execute(query)}
    for pod_id, group in groupby(rows, key=lambda r: r.pod_id):
        yield from _chain(f"the phase of pod {pod_id}", list(group), shown.get(pod_id), ledgers)


def uptime_is_whole(conn: sa.Connection, _ledgers: Ledgers) -> Iterator[str]:
    """I8: up, down and excluded sum to the period exactly, also when it is cut in two anywhere."""
    end = db_now_us(conn)
    successes = _successes(conn)
    for pod_id, created_at in conn.execute(sa.select(Pod.id, Pod.created_at)).all():
        course = _course(conn, pod_id, successes[pod_id])
        begin = min(to_us(created_at), end)
        whole = uptime(begin, end, course)
        if sum(whole) != end - begin:
            yield f"I8: pod {pod_id}: up, down and excluded are {sum(whole)} µs of {end - begin}"
        for share in (1, 3, 7):
            cut = begin + (end - begin) * share // 10
            halves = (uptime(begin, cut, course), uptime(cut, end, course))
            if tuple(map(sum, zip(*halves, strict=True))) != tuple(whole):
                yield f"I8: pod {pod_id}: cut at {cut} the parts do not add up"


def _successes(conn: sa.Connection) -> defaultdict[int, list[int]]:
    # All pods' at once: results have no index by pod, and there may be millions of them.
    good = Result.outcome.in_([Outcome.OK, Outcome.SLOW])
    query = sa.select(Result.pod_id, Result.checked_at).where(good).order_by(Result.pod_id, Result.checked_at)
    found: defaultdict[int, list[int]] = defaultdict(list)
    for pod_id, at in conn.execute(query):
        found[pod_id].append(to_us(at))
    return found


def _course(conn: sa.Connection, pod_id: int, successes: list[int]) -> Course:
    t, p, e = Transition, PhaseChange, Episode
    own = sa.select(t.at, t.to_status, t.bad_since).where(t.pod_id == pod_id, t.check_id.is_(None)).order_by(t.at)
    turns = sa.select(p.at, p.to_phase).where(p.pod_id == pod_id).order_by(p.at)
    episodes = sa.select(e.opened_at, e.closed_at).where(e.pod_id == pod_id)
    return Course(
        [Change(to_us(at), status, bad and to_us(bad)) for at, status, bad in conn.execute(own)],
        [PhaseTurn(to_us(at), phase) for at, phase in conn.execute(turns)],
        [Stretch(to_us(opened), closed and to_us(closed)) for opened, closed in conn.execute(episodes)],
        successes,
    )
