"""The platform's shared nodes, on which pods of any tenant may stand. Only platform admins change them (web/access.py).

Audited in the installation's chain. Whether a node is up is watched in store/nodes.py.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from podhealth.core.errors import Conflict, InputError, NotFound, Stale
from podhealth.core.node_rules import NodeRules, parse_node
from podhealth.core.words import FeedKind
from podhealth.models import Node, Pod
from podhealth.store import advisory, audit, nodes
from podhealth.store.db import db_now
from podhealth.store.feed import FeedNote, append
from podhealth.store.tenancy import MAX_ID, Scope

Row = sa.Row[Any]


def list_nodes(conn: sa.Connection) -> Sequence[Row]:
    """Return them by name: id, version, name, address, created_at, unreachable_since and _reason, and how many pods."""
    return conn.execute(_nodes().order_by(Node.name, Node.id)).all()


def get_node(conn: sa.Connection, node_id: int) -> Row:
    """Return one as ``list_nodes`` does. Raises NotFound for a tenant's, a removed and an unknown one."""
    found = 1 <= node_id <= MAX_ID and conn.execute(_nodes().where(Node.id == node_id)).one_or_none()
    if not found:
        raise NotFound("there is no such node")
    return found


def add_node(conn: sa.Connection, scope: Scope, fields: Mapping[str, object], networks: Sequence[str]) -> Row:
    """Add one and return it. ``networks``: the platform's. Raises InputError naming a bad field or a taken name."""
    rules = parse_node(fields, networks)
    _refuse_taken(conn, rules.name)
    values = {**rules.as_fields(), "created_at": db_now(conn)}
    node_id = int(conn.execute(sa.insert(Node).values(**values).returning(Node.id)).scalar_one())
    audit.write_installation(conn, scope, "node added", "node", node_id, rules.as_fields())
    return get_node(conn, node_id)


def change_node(
    conn: sa.Connection,
    scope: Scope,
    node_id: int,
    fields: Mapping[str, object],
    networks: Sequence[str],
    version: int | None = None,
) -> Row:
    """Change the fields given and return the node; pages that show its pods follow.

    Raises as add_node, NotFound, and Stale where ``version`` is given and not the stored one.
    """
    row = _locked(conn, node_id, version)
    before = NodeRules(row.name, row.address)
    rules = parse_node(fields, networks, before)
    if rules == before:
        return get_node(conn, node_id)
    if rules.name != row.name:
        _refuse_taken(conn, rules.name)
    conn.execute(sa.update(Node).where(Node.id == node_id).values(**rules.as_fields(), version=row.version + 1))
    audit.write_installation(
        conn, scope, "node changed", "node", node_id, rules.as_fields() | {"was": before.as_fields()}
    )
    append(conn, [FeedNote(pod.tenant_id, FeedKind.INVENTORY, pod.id) for pod in _pods(conn, node_id)])
    return get_node(conn, node_id)


def remove_node(conn: sa.Connection, scope: Scope, node_id: int, version: int | None = None) -> None:
    """Remove one on which no pod stands. Raises Conflict where some do, NotFound, Stale."""
    row = _locked(conn, node_id, version)
    if pods := len(_pods(conn, node_id)):
        raise Conflict(f"{pods} pod{' stands' if pods == 1 else 's stand'} on {row.name}: move them first")
    notes = nodes.remove(conn, row)
    audit.write_installation(conn, scope, "node removed", "node", node_id, NodeRules(row.name, row.address).as_fields())
    append(conn, notes)


def _is_shared() -> sa.ColumnElement[bool]:
    return sa.and_(Node.tenant_id.is_(None), Node.deleted_at.is_(None))


def _nodes() -> sa.Select[Any]:
    pods = sa.select(sa.func.count()).where(Pod.node_id == Node.id, Pod.deleted_at.is_(None)).scalar_subquery()
    columns: tuple[Any, ...] = (Node.id, Node.version, Node.name, Node.address, Node.created_at)
    return sa.select(*columns, Node.unreachable_since, Node.unreachable_reason, pods.label("pods")).where(_is_shared())


def _locked(conn: sa.Connection, node_id: int, version: int | None) -> Row:
    get_node(conn, node_id)
    conn.execute(sa.select(Node.id).where(Node.id == node_id).with_for_update())
    row = get_node(conn, node_id)  # again: another may have been faster
    if version is not None and version != row.version:
        raise Stale("the node was changed meanwhile", row.version)
    return row


def _pods(conn: sa.Connection, node_id: int) -> Sequence[Row]:
    columns: tuple[Any, ...] = (Pod.id, Pod.tenant_id)
    query = sa.select(*columns).where(Pod.node_id == node_id, Pod.deleted_at.is_(None))
    return conn.execute(query.order_by(Pod.id)).all()


def _refuse_taken(conn: sa.Connection, name: str) -> None:
    advisory.hold(conn, advisory.Each.NODE_NAMES, 0)
    if conn.scalar(sa.select(Node.id).where(_is_shared(), Node.name == name)) is not None:
        raise InputError("name", "is taken by another shared node", code="taken")
