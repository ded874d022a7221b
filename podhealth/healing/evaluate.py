"""Judges one pod: facts, decision, and in the same transaction what follows of it (behaviour §6, Act).

Nothing is done to the pod here: a heal is only planned, and its steps act (steps.py).
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from threading import Event
from typing import Any, NamedTuple

import sqlalchemy as sa

from podhealth import clock
from podhealth.core.decide import SKIPPED_BY_HEAL_NOW, SKIPPED_WHEN_PLANNED, Decision, decide
from podhealth.core.episode import closing
from podhealth.core.facts import ProviderFacts
from podhealth.core.judging import may_open, must_ask, triggers
from podhealth.core.mode_gate import is_shadow
from podhealth.core.words import Answer, FeedKind, Gate, HealState
from podhealth.crashpoints import crashpoint
from podhealth.healing import modes
from podhealth.healing.ask import ask
from podhealth.models import PodStatus
from podhealth.store import (
    audit,
    brakes,
    decisions,
    episodes,
    healnotices,
    heals,
    healsteps,
    heldpods,
    nodes,
    podstate,
    turns,
)
from podhealth.store.db import db_now, read, write
from podhealth.store.feed import FeedNote, append
from podhealth.store.healfacts import Gathered, episode_facts, facts_of_planned, gather

_LEASE = timedelta(seconds=10)
_PODS_A_TICK = 200
_SECONDS_A_TICK = 4.0
_LONGEST_PAUSE_S = 0.1


class Judged(NamedTuple):
    """What a judgement came to. ``heal_id``: a heal whose next step is due now. ``published``: newest feed numbers."""

    decision_id: int | None
    heal_id: int | None
    published: dict[int, int]


_NOBODY = Judged(None, None, {})


def judge(engine: sa.Engine, pod_id: int) -> Judged:
    """Judge one pod now, and plan its heal if the decision is to act.

    The provider is asked only where its answer is what is left to know, and never inside a transaction.
    """
    judged, to_ask = _judge(engine, pod_id, None)
    if to_ask is None:
        return judged
    asked = ask(to_ask)
    if asked.state is not None:
        nodes.keep_answers(engine, [(to_ask.node_id, asked.facts.node_is_up)])
    again, _ = _judge(engine, pod_id, asked.facts)
    return again._replace(published=judged.published | again.published)


def judge_if_due(engine: sa.Engine, pod_id: int) -> Judged:
    """Judge one pod, of which a hint says that it must be, unless that has been done since."""
    with read(engine) as conn:
        is_due = conn.execute(sa.select(PodStatus.pod_id).where(PodStatus.pod_id == pod_id, *_is_due(db_now(conn))))
        if is_due.scalar_one_or_none() is None:
            return _NOBODY
    began = clock.monotonic()
    judged = judge(engine, pod_id)
    _make_room(engine, clock.monotonic() - began)
    return judged


def _judge(engine: sa.Engine, pod_id: int, asked: ProviderFacts | None) -> tuple[Judged, sa.Row[Any] | None]:
    # A pod beside the judgement: nothing is decided yet, and its provider must be asked first.
    with write(engine) as conn:
        podstate.lock_pods(conn, [pod_id])
        g = gather(conn, pod_id, db_now(conn), asked)
        if g is None:
            return _NOBODY, None
        notes: list[FeedNote] = []
        g = _follow_episode(conn, g, asked, notes)
        decided = decide(g.facts)
        if asked is None and must_ask(decided, g.facts):
            return Judged(None, None, append(conn, notes)), g.pod
        if decided.answer == Answer.ACT:
            g = brakes.with_brakes(conn, g, planning=True)
            decided = decide(g.facts)
        judged = _store(conn, g, decided, notes)
    if judged.heal_id is not None:
        crashpoint("heal.after_insert")
    return judged, None


def _follow_episode(conn: sa.Connection, g: Gathered, asked: ProviderFacts | None, notes: list[FeedNote]) -> Gathered:
    """Close the open episode, go on with it, or open one; return the facts as they are then."""
    pod_id, now = g.pod.pod_id, g.facts.now
    changed = False
    if g.episode is not None:
        ends = closing(episodes.course_of(conn, g), now)
        if ends.reason is not None:
            if episodes.close(conn, g.episode.id, pod_id, ends.reason, now):
                notes.append(FeedNote(g.pod.tenant_id, FeedKind.APPROVAL, pod_id))
            changed = True
        else:
            g = replace(g, facts=replace(g.facts, episode=episode_facts(g.episode, ends.at, ends.look_at)))
    if not changed and g.episode is not None:
        changed = episodes.add_triggers(conn, g.episode, triggers(g.facts))
    elif may_open(g.facts):
        if changed:
            g = gather(conn, pod_id, now, asked) or g
        episodes.open_new(conn, g, triggers(g.facts))
        changed = True
    if not changed:
        return g
    notes.append(FeedNote(g.pod.tenant_id, FeedKind.POD, pod_id))
    return gather(conn, pod_id, now, asked) or g


def _store(conn: sa.Connection, g: Gathered, decided: Decision, notes: list[FeedNote]) -> Judged:
    pod_id, now = g.pod.pod_id, g.facts.now
    decided = _cancel_if_held(conn, g, decided, notes)
    episode_id = None if g.episode is None else g.episode.id
    decision_id, is_new = decisions.keep(conn, g.pod, episode_id, decided, now)
    if is_new:
        notes.append(FeedNote(g.pod.tenant_id, FeedKind.DECISION, pod_id, decision_id))
    is_news = decided.gate == Gate.LADDER and not is_shadow(g.facts)
    if is_news and g.episode is not None and episodes.mark_exhausted(conn, g.episode, now):
        healnotices.exhausted(conn, g.pod, g.episode.id, decided.reason, now)
        toast = {"text": f"{g.pod.name}: {decided.reason}", "tone": "unhealthy"}
        notes.append(FeedNote(g.pod.tenant_id, FeedKind.POD, pod_id, None, toast))
    followed = modes.follow(conn, g, decided, decision_id)
    notes += followed.notes
    judge_at, heal_id = followed.judge_at, _due_heal(conn, g, now)
    if decided.answer == Answer.ACT:
        heal_id, told = heals.plan(conn, g, decided, decision_id)
        modes.acted(conn, g, heal_id, decided.rung.attempt if decided.rung else None)
        notes += told
        # Told people are done at once; all else is judged again when its heal ends.
        judge_at = now
    brakes.keep(conn, g, decided)
    tell_at = heldpods.follow(conn, g.pod, decided, now, is_told=not is_shadow(g.facts))
    _look_again(conn, pod_id, min((at for at in (judge_at, tell_at) if at is not None), default=None))
    if decided.answer == Answer.ACT:
        after = {"decision": decision_id, "action": str(decided.rung)}
        audit.write(conn, heals.healer(g.pod.tenant_id), "heal planned", "heal", heal_id, None, after)
    return Judged(decision_id, heal_id, append(conn, notes))


def _cancel_if_held(conn: sa.Connection, g: Gathered, decided: Decision, notes: list[FeedNote]) -> Decision:
    # A change that forbids cancels a planned heal at once; what runs is followed to its end.
    if g.heal is None or g.heal.state != HealState.PLANNED:
        return decided
    skip = SKIPPED_WHEN_PLANNED | {Gate.SETTLING, Gate.PROVIDER}
    if g.heal.requested_by is not None:
        skip |= SKIPPED_BY_HEAL_NOW
    again = decide(facts_of_planned(g, g.heal), skip)
    if again.answer == Answer.ACT or (again.answer == Answer.NOTHING and g.heal.requested_by is not None):
        return decided
    notes += heals.cancel(conn, g.heal, again.reason, g.facts.now)
    return again


def _due_heal(conn: sa.Connection, g: Gathered, now: datetime) -> int | None:
    if g.heal is None:
        return None
    return g.heal.id if healsteps.hurry(conn, g.heal.id, now) or g.heal.state == HealState.PLANNED else None


def _look_again(conn: sa.Connection, pod_id: int, at: datetime | None) -> None:
    values = {"judge_at": at, "judge_lease_until": None}
    conn.execute(sa.update(PodStatus).where(PodStatus.pod_id == pod_id).values(**values))


def judge_due(engine: sa.Engine, is_over: Callable[[], bool] = lambda: False) -> dict[int, int]:
    """Judge the pods whose time has come, for some seconds at most, none once ``is_over``; return feed numbers."""
    published: dict[int, int] = {}
    ends = clock.monotonic() + _SECONDS_A_TICK
    with read(engine) as conn:
        pods = conn.execute(_due_pods(db_now(conn)).limit(_PODS_A_TICK)).scalars().all()
    for pod_id in pods:
        if clock.monotonic() >= ends or is_over():
            break
        began = clock.monotonic()
        if _claim(engine, pod_id):
            published |= judge(engine, pod_id).published
            _make_room(engine, clock.monotonic() - began)
    return published


def _make_room(engine: sa.Engine, took_s: float) -> None:
    # SQLite has one writer at a time and no queue for it: in a mass outage judgement upon judgement would leave the
    # probers' results waiting for seconds. They get as long as was taken from them.
    if engine.dialect.name == "sqlite":
        Event().wait(min(took_s, _LONGEST_PAUSE_S))


def _due_pods(now: datetime) -> sa.Select[Any]:
    return turns.in_turn(sa.select(PodStatus.pod_id).where(*_is_due(now)), PodStatus.tenant_id, PodStatus.judge_at)


def _is_due(now: datetime) -> tuple[Any, ...]:
    is_free = sa.or_(PodStatus.judge_lease_until.is_(None), PodStatus.judge_lease_until <= now)
    return PodStatus.judge_at <= now, is_free


def _claim(engine: sa.Engine, pod_id: int) -> bool:
    with write(engine) as conn:
        now = db_now(conn)
        claim = sa.update(PodStatus).where(PodStatus.pod_id == pod_id, *_is_due(now))
        return conn.execute(claim.values(judge_lease_until=now + _LEASE)).rowcount == 1
