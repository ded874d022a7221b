"""A tenant's own nodes: added, changed, removed; and all on which its pods may stand, the platform's too.

Whether one is up is watched in store/nodes.py; the platform's are changed in store/sharednodes.py.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from podhealth.core.errors import Conflict, Forbidden, InputError, NotFound, Stale
from podhealth.core.node_rules import NodeRules, parse_node
from podhealth.core.words import FeedKind
from podhealth.models import Node, Pod
from podhealth.store import advisory, audit, nodes, tenancy
from podhealth.store.db import db_now
from podhealth.store.feed import FeedNote, append
from podhealth.store.tenancy import MAX_ID, Scope, own

_NAMED = 5

Row = sa.Row[Any]


def count_nodes(conn: sa.Connection, scope: Scope) -> int:
    """Return how many there are of those that ``list_nodes`` returns."""
    there = sa.or_(own(scope, Node), Node.tenant_id.is_(None))
    return conn.scalar(sa.select(sa.func.count()).select_from(Node).where(there, Node.deleted_at.is_(None))) or 0


def list_nodes(conn: sa.Connection, scope: Scope, after: int = 0, most: int | None = None) -> Sequence[Row]:
    """Return the tenant's nodes and the platform's shared ones, by name: ``most`` after the first ``after``.

    Each with ``is_shared``, and in ``pods`` how many of the tenant's pods stand on it. Where a shared node is reached
    is the platform's to know: its ``address`` is null.
    """
    return conn.execute(_nodes(scope).order_by(Node.name, Node.id).offset(after).limit(most)).all()


def get_node(conn: sa.Connection, scope: Scope, node_id: int) -> Row:
    """Return one as ``list_nodes`` does. Raises NotFound, for another tenant's too."""
    found = 1 <= node_id <= MAX_ID and conn.execute(_nodes(scope).where(Node.id == node_id)).one_or_none()
    if not found:
        raise NotFound("there is no such node")
    return found


def get_own_node(conn: sa.Connection, scope: Scope, node_id: int) -> Row:
    """Return one that the tenant may change. Raises NotFound, and Forbidden for one of the platform's."""
    row = get_node(conn, scope, node_id)
    if row.is_shared:
        raise Forbidden("Shared nodes are the platform's: a platform admin changes them")
    return row


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
    before = _of_name(conn, scope, rules.name)
    if before is not None and before.deleted_at is None:
        raise InputError("name", "there is a node of this name already", code="taken")
    if before is not None:  # one name is one node, also when it comes again
        node_id = int(before.id)
        again = {"address": rules.address, "deleted_at": None, "version": before.version + 1}
        conn.execute(sa.update(Node).where(Node.id == node_id).values(**again))
    else:
        values = {"tenant_id": scope.tenant_id, "created_at": db_now(conn), **rules.as_fields()}
        node_id = int(conn.execute(sa.insert(Node).values(**values).returning(Node.id)).scalar_one())
    audit.write(conn, scope, "node added", "node", node_id, None, rules.as_fields())
    return node_id


def change_own_node(
    conn: sa.Connection,
    scope: Scope,
    node_id: int,
    fields: Mapping[str, object],
    networks: Sequence[str],
    version: int | None = None,
) -> None:
    """Change the fields given; pages that show its pods follow.

    Raises NotFound, InputError naming a bad field or the taken name, and Stale where ``version`` is not the stored one.
    """
    row = _locked(conn, scope, node_id, version)
    before = rules_of(row)
    rules = parse_node(fields, networks, before)
    if rules == before:
        return
    if rules.name != before.name:
        _free_name(conn, scope, rules.name)
    conn.execute(sa.update(Node).where(Node.id == node_id).values(**rules.as_fields(), version=row.version + 1))
    audit.write(conn, scope, "node changed", "node", node_id, before.as_fields(), rules.as_fields())
    on_it = _pods(conn, scope, node_id)
    append(conn, [FeedNote(scope.tenant_id, FeedKind.INVENTORY, pod.id) for pod in on_it])


def remove_own_node(conn: sa.Connection, scope: Scope, node_id: int, version: int | None = None) -> None:
    """Remove a node on which no pod stands. Raises NotFound, Stale, and Conflict naming the pods where some do."""
    row = _locked(conn, scope, node_id, version)
    if on_it := [pod.name for pod in _pods(conn, scope, node_id)]:
        raise Conflict(_stand(on_it, row.name))
    notes = nodes.remove(conn, row)
    audit.write(conn, scope, "node removed", "node", node_id, rules_of(row).as_fields())
    append(conn, notes)


def pods_on(conn: sa.Connection, scope: Scope, node_id: int) -> list[str]:
    """Return the names of the tenant's pods on the node."""
    return [pod.name for pod in _pods(conn, scope, node_id)]


def _nodes(scope: Scope) -> sa.Select[Any]:
    mine = own(scope, Node)
    on_it = sa.select(sa.func.count()).where(own(scope, Pod), Pod.node_id == Node.id, Pod.deleted_at.is_(None))
    is_shared = Node.tenant_id.is_(None)
    columns: tuple[Any, ...] = (Node.id, Node.version, Node.name, Node.created_at)
    return sa.select(
        *columns,
        sa.case((is_shared, None), else_=Node.address).label("address"),
        Node.unreachable_since,
        Node.unreachable_reason,
        is_shared.label("is_shared"),
        on_it.scalar_subquery().label("pods"),
    ).where(sa.or_(mine, is_shared), Node.deleted_at.is_(None))


def _of_name(conn: sa.Connection, scope: Scope, name: str) -> Row | None:
    # Two that take one name at one moment: the second must see the first, not fail on the unique index.
    advisory.hold(conn, advisory.Each.NODE_NAMES, scope.tenant_id)
    columns: tuple[Any, ...] = (Node.id, Node.version, Node.deleted_at)
    query = sa.select(*columns).where(own(scope, Node), Node.name == name)
    return conn.execute(query).one_or_none()


def _free_name(conn: sa.Connection, scope: Scope, name: str) -> None:
    """Refuse a name that another node has; a removed one gives it up."""
    other = _of_name(conn, scope, name)
    if other is None:
        return
    if other.deleted_at is None:
        raise InputError("name", "there is a node of this name already", code="taken")
    conn.execute(sa.update(Node).where(Node.id == other.id).values(name=f"{name[:36]} (removed, {other.id})"))


def _locked(conn: sa.Connection, scope: Scope, node_id: int, version: int | None) -> Row:
    tenancy.get_own(conn, scope, Node, node_id, "node")
    conn.execute(sa.select(Node.id).where(own(scope, Node), Node.id == node_id).with_for_update())
    row = tenancy.get_own(conn, scope, Node, node_id, "node")  # again: another may have been faster
    if version is not None and version != row.version:
        raise Stale("the node was changed meanwhile", row.version)
    return row


def _pods(conn: sa.Connection, scope: Scope, node_id: int) -> Sequence[Row]:
    columns: tuple[Any, ...] = (Pod.id, Pod.name)
    query = sa.select(*columns).where(own(scope, Pod), Pod.node_id == node_id, Pod.deleted_at.is_(None))
    return conn.execute(query.order_by(Pod.name, Pod.id)).all()


def _stand(pods: Sequence[str], name: str) -> str:
    if len(pods) == 1:
        return f"{pods[0]} stands on {name}: move it first"
    more = len(pods) - _NAMED
    named = ", ".join(pods) if more <= 0 else f"{', '.join(pods[:_NAMED])} and {more:,} more"
    return f"{named} stand on {name}: move them first"
