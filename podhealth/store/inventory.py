"""Pods as their owners know them: edited and deleted. They are made in newpods.py; what agents say is in heartbeats.py.

Each act is one call in a transaction of its own: it takes the locks in order and ends with audit and feed. What a
pod's status becomes is settled by store/podstate.py.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from podhealth.core.check_rules import RUNNING
from podhealth.core.errors import Stale
from podhealth.core.pod_rules import PodRules, parse_pod
from podhealth.core.words import DesiredState, FeedKind
from podhealth.models import Check, Node, Pod
from podhealth.store import audit, checks, feed, maintenance, podstate, tenancy
from podhealth.store import secrets as sealing
from podhealth.store.accounts import hash_of
from podhealth.store.db import db_now
from podhealth.store.feed import FeedNote
from podhealth.store.health import has_tag
from podhealth.store.newpods import (
    DEFAULT_NETWORKS,
    NOT_TOLD,
    REPORTING,
    columns,
    networks_of,
    refuse_strangers,
    refuse_taken_name,
    told,
)
from podhealth.store.tenancy import Scope

AGENT_PREFIX = "pa_"

_MOVES = ("address", "provider", "provider_ref", "provider_config", "source_id")


def update_pod(
    conn: sa.Connection,
    scope: Scope,
    pod_id: int,
    fields: Mapping[str, object],
    version: int | None = None,
    *,
    networks: Sequence[str] = DEFAULT_NETWORKS,
) -> None:
    """Change the given fields of a pod; another address or provider begins a start and makes old evidence void.

    Raises InputError naming a bad field, NotFound, and Conflict where ``version`` is given and not the stored one.
    """
    tenancy.get_pod(conn, scope, pod_id)
    podstate.lock_pods(conn, [pod_id])
    row = tenancy.get_pod(conn, scope, pod_id)
    if version is not None and version != row.version:
        raise Stale("the pod was changed meanwhile", row.version)
    before = rules_of(row)
    after = parse_pod(fields, networks_of(conn, scope, networks), before)
    if after.provider_config is not before.provider_config:
        config = sealing.seal(after.provider_config, pod_id, before.provider_config)
        after = replace(after, provider_config=config)
    if after == before:
        return
    refuse_strangers(conn, scope, after)
    if after.name != before.name:
        refuse_taken_name(conn, scope, after.name)
    now = db_now(conn)
    changed = columns(after) | {"version": row.version + 1, "updated_at": now}
    conn.execute(sa.update(Pod).where(Pod.id == pod_id).values(**changed))
    notes = _consequences(conn, row, before, after, now)
    old, new = told(before), told(after)
    differing = [name for name in new if old[name] != new[name]] or [NOT_TOLD]
    was, now_is = ({name: told.get(name, "…") for name in differing} for told in (old, new))
    audit.write(conn, scope, "pod edited", "pod", pod_id, was, now_is)
    _tell(conn, scope, pod_id, None, notes)


def delete_pod(conn: sa.Connection, scope: Scope, pod_id: int) -> None:
    """Delete a pod softly: access and probing end at once, its name is free again (behaviour §2). Raises NotFound."""
    tenancy.get_pod(conn, scope, pod_id)
    podstate.lock_pods(conn, [pod_id])
    row = tenancy.get_pod(conn, scope, pod_id)  # again: another may have been faster
    now = db_now(conn)
    gone = {"deleted_at": now, "updated_at": now, "agent_token_hash": None, "version": row.version + 1}
    conn.execute(sa.update(Pod).where(Pod.id == pod_id).values(**gone))
    _void_checks(conn, pod_id)
    settled = podstate.reset_checks(conn, pod_id, now, "deleted")
    podstate.judge_by(conn, [pod_id], now)
    audit.write(conn, scope, "pod deleted", "pod", pod_id, told(rules_of(row)))
    _tell(conn, scope, pod_id, f"{row.name} was deleted", settled.notes)


def set_agent_token(conn: sa.Connection, scope: Scope, pod_id: int) -> str:
    """Give the pod's agent a new token and return its text, shown this once; the one before ends. Raises NotFound."""
    tenancy.get_pod(conn, scope, pod_id)
    podstate.lock_pods(conn, [pod_id])
    plain = AGENT_PREFIX + secrets.token_urlsafe(32)
    conn.execute(sa.update(Pod).where(Pod.id == pod_id).values(agent_token_hash=hash_of(plain)))
    audit.write(conn, scope, "agent token made", "pod", pod_id)
    return plain


def list_pods(conn: sa.Connection, scope: Scope, after: int, limit: int, tag: str | None) -> Sequence[sa.Row[Any]]:
    """Return up to ``limit`` pods of the tenant with ids above ``after``, by id; with ``tag`` those that wear it."""
    query = sa.select(Pod.__table__).where(tenancy.own(scope, Pod), Pod.deleted_at.is_(None), Pod.id > after)
    if tag is not None:
        query = query.where(has_tag(conn, tag))
    return conn.execute(query.order_by(Pod.id).limit(limit)).all()


def list_nodes(conn: sa.Connection, scope: Scope) -> Sequence[sa.Row[Any]]:
    """Return the nodes on which a pod of the tenant may be, its own and the platform's, by name."""
    mine = sa.or_(tenancy.own(scope, Node), Node.tenant_id.is_(None))
    query = sa.select(Node.__table__).where(mine, Node.deleted_at.is_(None))
    return conn.execute(query.order_by(Node.name, Node.id)).all()


def rules_of(row: Any) -> PodRules:
    """Return the stored pod as rules; the secrets of its provider stay sealed."""
    return PodRules(
        name=row.name,
        address=row.address,
        tags=tuple(row.tags),
        provider=row.provider,
        provider_ref=row.provider_ref,
        provider_config=row.provider_config,
        desired_state=row.desired_state,
        start_deadline_s=row.start_deadline_s,
        node_id=row.node_id,
        policy_id=row.policy_id,
        source_id=row.source_id,
    )


def _consequences(conn: sa.Connection, row: Any, before: PodRules, after: PodRules, now: datetime) -> list[FeedNote]:
    notes: list[FeedNote] = []
    if any(getattr(before, name) != getattr(after, name) for name in _MOVES):
        _void_checks(conn, row.id)
        if after.provider in REPORTING and checks.by_name(conn, row.id, RUNNING.name) is None:
            checks.insert_check(conn, row.tenant_id, row.id, RUNNING, now)
        notes += podstate.reset_checks(conn, row.id, now, "the pod was edited").notes
    if before.desired_state != after.desired_state:
        reason = "wanted " + after.desired_state.value
        notes += podstate.set_desired(conn, row.id, now, after.desired_state, reason).notes
    elif before.address != after.address and after.desired_state == DesiredState.RUNNING:
        notes += podstate.begin_starting(conn, row.id, now, None, "address changed", own_heal=False).notes
    if before.tags != after.tags or before.node_id != after.node_id:
        notes += maintenance.join(conn, row.id)
    podstate.judge_by(conn, [row.id], now)
    return notes


def _void_checks(conn: sa.Connection, pod_id: int) -> None:
    # A new generation: what is in flight, and what workers keep of the old target, counts no more.
    conn.execute(sa.update(Check).where(Check.pod_id == pod_id).values(generation=Check.generation + 1))


def _tell(conn: sa.Connection, scope: Scope, pod_id: int, text: str | None, notes: Sequence[FeedNote]) -> None:
    toast = None if text is None else {"text": text, "tone": "neutral"}
    feed.append(conn, [*notes, FeedNote(scope.tenant_id, FeedKind.INVENTORY, pod_id, None, toast)])
