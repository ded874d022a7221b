"""A tenant's own nodes: added, changed, removed. Whether one is up is watched in store/nodes.py."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from podhealth.core.errors import Conflict, InputError
from podhealth.core.node_rules import NodeRules, parse_node
from podhealth.core.words import FeedKind
from podhealth.models import Node, Pod
from podhealth.store import audit, tenancy
from podhealth.store.db import db_now
from podhealth.store.feed import FeedNote, append
from podhealth.store.tenancy import Scope, own

Row = sa.Row[Any]


def list_own_nodes(conn: sa.Connection, scope: Scope) -> Sequence[Row]:
    """Return the tenant's own nodes, by name."""
    query = sa.select(Node.__table__).where(own(scope, Node), Node.deleted_at.is_(None))
    return conn.execute(query.order_by(Node.name, Node.id)).all()


def rules_of(row: Any) -> NodeRules:
    """Return the stored node as rules."""
    return NodeRules(row.name, row.address)


def add_own_node(conn: sa.Connection, scope: Scope, fields: Mapping[str, object], networks: Sequence[str]) -> int:
    """Add a node and return its id. ``networks``: the platform's.

    Raises InputError naming a bad field, or the name where it is taken.
    """
    rules = parse_node(fields, networks)
    query = sa.select(Node.id, Node.deleted_at).where(own(scope, Node), Node.name == rules.name)
    found = conn.execute(query).one_or_none()
    if found is not None and found.deleted_at is None:
        raise InputError("name", "there is a node of this name already", code="taken")
    if found is not None:  # one name is one node, also when it comes again
        node_id = int(found.id)
        conn.execute(sa.update(Node).where(Node.id == node_id).values(address=rules.address, deleted_at=None))
    else:
        values = {"tenant_id": scope.tenant_id, "created_at": db_now(conn), **_told(rules)}
        node_id = int(conn.execute(sa.insert(Node).values(**values).returning(Node.id)).scalar_one())
    audit.write(conn, scope, "node added", "node", node_id, None, _told(rules))
    return node_id


def change_own_node(
    conn: sa.Connection, scope: Scope, node_id: int, fields: Mapping[str, object], networks: Sequence[str]
) -> None:
    """Change the fields given; pages that show its pods follow. Raises NotFound, InputError naming a bad field."""
    row = _locked(conn, scope, node_id)
    before = rules_of(row)
    rules = parse_node(fields, networks, before)
    if rules == before:
        return
    conn.execute(sa.update(Node).where(Node.id == node_id).values(**_told(rules)))
    audit.write(conn, scope, "node changed", "node", node_id, _told(before), _told(rules))
    append(conn, [FeedNote(scope.tenant_id, FeedKind.INVENTORY, pod_id) for pod_id in _pods(conn, scope, node_id)])


def remove_own_node(conn: sa.Connection, scope: Scope, node_id: int) -> None:
    """Remove a node on which no pod stands. Raises NotFound, Conflict where some do."""
    row = _locked(conn, scope, node_id)
    if _pods(conn, scope, node_id):
        raise Conflict(f"pods stand on {row.name}: move them first")
    conn.execute(sa.update(Node).where(Node.id == node_id).values(deleted_at=db_now(conn)))
    audit.write(conn, scope, "node removed", "node", node_id, _told(rules_of(row)))


def _locked(conn: sa.Connection, scope: Scope, node_id: int) -> Row:
    tenancy.get_own(conn, scope, Node, node_id, "node")
    conn.execute(sa.select(Node.id).where(own(scope, Node), Node.id == node_id).with_for_update())
    return tenancy.get_own(conn, scope, Node, node_id, "node")  # again: another may have been faster


def _pods(conn: sa.Connection, scope: Scope, node_id: int) -> Sequence[int]:
    query = sa.select(Pod.id).where(own(scope, Pod), Pod.node_id == node_id, Pod.deleted_at.is_(None))
    return conn.scalars(query.order_by(Pod.id)).all()


def _told(rules: NodeRules) -> dict[str, Any]:
    return {"name": rules.name, "address": rules.address}
