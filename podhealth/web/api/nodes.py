"""The platform's shared nodes, for platform admins: ``/api/nodes``."""

from typing import Any

import sqlalchemy as sa
from flask import jsonify
from flask.typing import ResponseReturnValue

from podhealth.core.node_rules import READERS
from podhealth.store import sharednodes
from podhealth.store.db import read
from podhealth.web.api import api
from podhealth.web.api.declare import a_new, acts, body, reads
from podhealth.web.api.schema import ID, TEXT, TIME, WHOLE, answer, done, many, maybe
from podhealth.web.api.shapes import iso
from podhealth.web.installed import engine_of, installed
from podhealth.web.session import current_scope

NODE = answer(
    "Node",
    id=ID,
    name=TEXT,
    address=maybe(TEXT),
    podCount=WHOLE,
    unreachableSince=maybe(TIME),
    unreachableReason=maybe(TEXT),
    createdAt=TIME,
)


@api.get("/nodes")
@reads("Nodes", many(NODE))
def list_nodes() -> ResponseReturnValue:
    """Answer the shared nodes as a bare array, by name."""
    with read(engine_of()) as conn:
        return jsonify([_shape(row) for row in sharednodes.list_nodes(conn)])


@api.post("/nodes")
@acts("Nodes", NODE, status=201, body=a_new(READERS, ["name"]))
def add_node(conn: sa.Connection) -> ResponseReturnValue:
    """Add a shared node."""
    return _shape(sharednodes.add_node(conn, current_scope(), body(), installed().settings.pod_networks)), 201


@api.patch("/nodes/<id:shared_node_id>")
@acts("Nodes", NODE, body=a_new(READERS, ()))
def change_node(conn: sa.Connection, shared_node_id: int) -> dict[str, Any]:
    """Change the fields given."""
    sharednodes.get_node(conn, shared_node_id)
    networks = installed().settings.pod_networks
    return _shape(sharednodes.change_node(conn, current_scope(), shared_node_id, body(), networks))


@api.delete("/nodes/<id:shared_node_id>")
@acts("Nodes", done("removed"), refusals={409: "Pods stand on it."})
def remove_node(conn: sa.Connection, shared_node_id: int) -> dict[str, Any]:
    """Remove a node; 409 while pods stand on it."""
    sharednodes.remove_node(conn, current_scope(), shared_node_id)
    return {"removed": True}


def _shape(row: Any) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "address": row.address,
        "podCount": row.pods,
        "unreachableSince": iso(row.unreachable_since),
        "unreachableReason": row.unreachable_reason,
        "createdAt": iso(row.created_at),
    }
