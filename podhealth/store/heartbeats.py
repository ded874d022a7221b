"""What pods' agents say: heard by the server's clock, and a new boot id is a start.

Whether a heartbeat is late, or says that a job failed, is for the check of kind agent to find; nothing here makes a
pod sick.
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from enum import Enum, auto
from typing import Any, NamedTuple

import sqlalchemy as sa

from podhealth.core.check_rules import CheckRules
from podhealth.core.heartbeat import Heard, Report, hear, is_overtaken
from podhealth.core.words import Action, DesiredState, FeedKind, HealState, Kind, Signal
from podhealth.models import Check, CheckState, Heal, Heartbeat, Pod, Tenant
from podhealth.store import checks, feed, podstate
from podhealth.store.db import db_now
from podhealth.store.feed import FeedNote
from podhealth.store.sql import insert

AGENT = CheckRules("agent", Kind.AGENT)


class Said(NamedTuple):
    """One message, and the hash of the token that it came with."""

    token_hash: str
    report: Report


class Verdict(Enum):
    """What became of a message: stored, of no agent that we know, said after a newer one, or left for a transaction of
    its own."""

    STORED = auto()
    UNKNOWN = auto()
    OVERTAKEN = auto()
    LEFT = auto()


def record_plain(conn: sa.Connection, said: Sequence[Said]) -> list[Verdict]:
    """Store those messages that only say that an agent is alive; return a verdict for each.

    Left are a first message, another boot, and what a job says: those touch more rows, or what two processes must not
    change at the same moment, so each is for a transaction of its own.
    """
    agents = _agents(conn, {one.token_hash for one in said})
    now = db_now(conn)
    known = {agent.pod_id: _heard(agent) for agent in agents.values()}
    changed: set[int] = set()
    left: set[int] = set()
    verdicts = []
    for token_hash, report in said:
        agent = agents.get(token_hash)
        before = None if agent is None else known[agent.pod_id]
        if agent is None:
            verdicts.append(Verdict.UNKNOWN)
        elif before is None or agent.pod_id in left or not _is_plain(report, before):
            left.add(agent.pod_id)  # and what it says after that, which must not overtake it
            verdicts.append(Verdict.LEFT)
        elif is_overtaken(report, before):
            verdicts.append(Verdict.OVERTAKEN)
        else:
            known[agent.pod_id] = hear(report, before, now)
            changed.add(agent.pod_id)
            verdicts.append(Verdict.STORED)
    _update(conn, {pod_id: heard for pod_id in sorted(changed) if (heard := known[pod_id]) is not None})
    return verdicts


def record_report(conn: sa.Connection, said: Said) -> Verdict:
    """Store one message, whatever it changes (behaviour §3, Agent).

    The first message ever brings the check of kind agent. A boot id that was not seen before begins a start, unless a
    heal of ours has just begun that start; one from before the newest was overtaken.
    A job that ends in another way than the one before is probed at once.
    """
    agent = _agents(conn, {said.token_hash}).get(said.token_hash)
    if agent is not None:
        podstate.lock_pods(conn, [agent.pod_id])
        agent = _agents(conn, {said.token_hash}).get(said.token_hash)
    if agent is None:
        return Verdict.UNKNOWN
    before, report = _heard(agent), said.report
    if is_overtaken(report, before) or (report.boot_id is not None and report.boot_id == agent.previous_boot_id):
        return Verdict.OVERTAKEN
    notes = _begin(conn, agent, report)
    # After a start has begun: a heartbeat counts only if it was received after that.
    heard = hear(report, before, db_now(conn))
    previous = agent.previous_boot_id if before is None or heard.boot_id == before.boot_id else before.boot_id
    _upsert(conn, agent, heard, previous)
    if before is None or heard.signal != before.signal:
        _probe_soon(conn, agent.pod_id, heard.received_at)
    if notes:
        feed.append(conn, notes)
    return Verdict.STORED


def _is_plain(report: Report, before: Heard) -> bool:
    return report.signal is Signal.ALIVE and report.boot_id in (None, before.boot_id)


def _begin(conn: sa.Connection, agent: Any, report: Report) -> list[FeedNote]:
    if agent.received_at is None:
        return _attach_check(conn, agent)
    is_new_boot = agent.boot_id is not None and report.boot_id not in (None, agent.boot_id)
    if not is_new_boot or agent.desired_state != DesiredState.RUNNING:
        return []
    if _is_by_heal(conn, agent.pod_id, agent.received_at):
        return []
    return [*podstate.begin_starting(conn, agent.pod_id, db_now(conn), None, "new boot id", own_heal=False).notes]


def _is_by_heal(conn: sa.Connection, pod_id: int, heard_at: datetime) -> bool:
    # The agent may be up before the provider says that its action has ended, which begins the start.
    is_running = sa.and_(Heal.state == HealState.RUNNING, Heal.action_ended_at.is_(None))
    starts = Heal.action.in_((Action.RESTART, Action.MIGRATE))
    query = sa.select(Heal.id).where(Heal.pod_id == pod_id, starts, sa.or_(is_running, Heal.action_ended_at > heard_at))
    return conn.scalar(query.limit(1)) is not None


def _attach_check(conn: sa.Connection, agent: Any) -> list[FeedNote]:
    has_one = conn.scalar(sa.select(Check.id).where(Check.pod_id == agent.pod_id, Check.kind == Kind.AGENT).limit(1))
    if has_one is not None:
        return []
    now = db_now(conn)
    check_id = checks.insert_check(conn, agent.tenant_id, agent.pod_id, AGENT, now)
    settled = podstate.settle_pods(conn, [agent.pod_id], now, reason="its agent reported")
    return [*settled.notes, FeedNote(agent.tenant_id, FeedKind.CHECK, agent.pod_id, check_id)]


def _probe_soon(conn: sa.Connection, pod_id: int, now: datetime) -> None:
    agents = sa.select(Check.id).where(Check.pod_id == pod_id, Check.kind == Kind.AGENT)
    due = CheckState.next_at.is_not(None) & CheckState.check_id.in_(agents)
    conn.execute(sa.update(CheckState).where(due).values(next_at=now))


def _agents(conn: sa.Connection, hashes: set[str]) -> dict[str, Any]:
    """Return the living pods with these tokens, by token hash, each with what is known of its agent."""
    columns = [c for c in Heartbeat.__table__.c if c.name not in ("pod_id", "tenant_id")]
    query = (
        sa.select(Pod.agent_token_hash, Pod.id.label("pod_id"), Pod.tenant_id, Pod.desired_state, *columns)
        .join(Tenant, Tenant.id == Pod.tenant_id)
        .outerjoin(Heartbeat, Heartbeat.pod_id == Pod.id)
        .where(Pod.agent_token_hash.in_(hashes), Pod.deleted_at.is_(None), Tenant.deleted_at.is_(None))
    )
    return {row.agent_token_hash: row for row in conn.execute(query)}


_KNOWN = tuple(field.name for field in fields(Heard))


def _heard(agent: Any) -> Heard | None:
    return None if agent.received_at is None else Heard(*(getattr(agent, name) for name in _KNOWN))


def _values(heard: Heard) -> dict[str, Any]:
    return {name: getattr(heard, name) for name in _KNOWN}


# By parameters of its own, so that one statement serves all rows of a batch. What a job said is not among them.
_ALIVE = ("received_at", "period_s", "sequence", "metrics")
_UPDATE = (
    sa.update(Heartbeat)
    # Another process may have heard of a new boot since this one looked: then this says nothing any more.
    .where(Heartbeat.pod_id == sa.bindparam("of_pod"), Heartbeat.boot_id.is_not_distinct_from(sa.bindparam("of_boot")))
    .values({name: sa.bindparam(f"new_{name}", type_=Heartbeat.__table__.c[name].type) for name in _ALIVE})
)


def _update(conn: sa.Connection, heard: Mapping[int, Heard]) -> None:
    # Sorted by pod: two processes that store for the same pods must not wait for one another.
    rows = [
        {"of_pod": pod_id, "of_boot": one.boot_id} | {f"new_{name}": getattr(one, name) for name in _ALIVE}
        for pod_id, one in heard.items()
    ]
    if rows:
        conn.execute(_UPDATE, rows)


def _upsert(conn: sa.Connection, agent: Any, heard: Heard, previous_boot_id: str | None) -> None:
    values = _values(heard) | {"previous_boot_id": previous_boot_id}
    statement = insert(conn, Heartbeat).values(pod_id=agent.pod_id, tenant_id=agent.tenant_id, **values)
    conn.execute(statement.on_conflict_do_update(index_elements=[Heartbeat.pod_id], set_=values))
