"""The platform's shared nodes, for platform admins: ``/api/nodes``."""

from typing import Any

from flask import jsonify, request
from flask.typing import ResponseReturnValue

from podhealth.store import sharednodes
from podhealth.store.db import read, write
from podhealth.web.api import api
from podhealth.web.api.body import json_object
from podhealth.web.api.shapes import iso
from podhealth.web.installed import engine_of, installed
from podhealth.web.session import current_scope


@api.get("/nodes")
def list_nodes() -> ResponseReturnValue:
    """Answer the shared nodes as a bare array, by name."""
    with read(engine_of()) as conn:
        return jsonify([_shape(row) for row in sharednodes.list_nodes(conn)])


@api.post("/nodes")
def add_node() -> ResponseReturnValue:
    """Add a shared node."""
    fields = json_object(request)
    with write(engine_of(), durable=True) as conn:
        row = sharednodes.add_node(conn, current_scope(), fields, installed().settings.pod_networks)
    return _shape(row), 201


@api.patch("/nodes/<id:shared_node_id>")
def change_node(shared_node_id: int) -> dict[str, Any]:
    """Change the fields given."""
    with read(engine_of()) as conn:
        sharednodes.get_node(conn, shared_node_id)
    fields = json_object(request)
    with write(engine_of(), durable=True) as conn:
        networks = installed().settings.pod_networks
        row = sharednodes.change_node(conn, current_scope(), shared_node_id, fields, networks)
    return _shape(row)


@api.delete("/nodes/<id:shared_node_id>")
def remove_node(shared_node_id: int) -> dict[str, Any]:
    """Remove a node; 409 while pods stand on it."""
    with write(engine_of(), durable=True) as conn:
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
