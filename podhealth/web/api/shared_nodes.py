"""The platform's shared nodes, for platform admins: ``/api/shared-nodes``."""

from typing import Any

import sqlalchemy as sa
from flask import jsonify
from flask.typing import ResponseReturnValue

from podhealth.core.node_rules import READERS
from podhealth.store import sharednodes
from podhealth.store.db import read
from podhealth.web.api import api, etags
from podhealth.web.api.answers import SHARED_NODE
from podhealth.web.api.declare import a_new, acts, an_edit, body, edited, reads
from podhealth.web.api.schema import done, many
from podhealth.web.api.shapes import node_shape
from podhealth.web.installed import engine_of, installed
from podhealth.web.session import current_scope


@api.get("/shared-nodes")
@reads("Shared nodes", many(SHARED_NODE))
def list_shared_nodes() -> ResponseReturnValue:
    """Answer the shared nodes as a bare array, by name."""
    with read(engine_of()) as conn:
        return jsonify([node_shape(row) for row in sharednodes.list_nodes(conn)])


@api.post("/shared-nodes")
@acts("Shared nodes", SHARED_NODE, status=201, body=a_new(READERS, ["name"]))
def add_shared_node(conn: sa.Connection) -> ResponseReturnValue:
    """Add a shared node."""
    return node_shape(sharednodes.add_node(conn, current_scope(), body(), installed().settings.pod_networks)), 201


@api.get("/shared-nodes/<id:shared_node_id>")
@reads("Shared nodes", SHARED_NODE)
def get_shared_node(shared_node_id: int) -> dict[str, Any]:
    """Answer one shared node."""
    with read(engine_of()) as conn:
        return node_shape(sharednodes.get_node(conn, shared_node_id))


@api.patch("/shared-nodes/<id:shared_node_id>")
@acts("Shared nodes", SHARED_NODE, body=an_edit(READERS), is_edit=True)
def change_shared_node(conn: sa.Connection, shared_node_id: int) -> dict[str, Any]:
    """Change the fields given."""
    sharednodes.get_node(conn, shared_node_id)
    fields, version = edited()
    networks = installed().settings.pod_networks
    return node_shape(sharednodes.change_node(conn, current_scope(), shared_node_id, fields, networks, version))


@api.delete("/shared-nodes/<id:shared_node_id>")
@acts("Shared nodes", done("removed"), is_edit=True, refusals={409: "Pods stand on it."})
def remove_shared_node(conn: sa.Connection, shared_node_id: int) -> dict[str, Any]:
    """Remove a node; 409 while pods stand on it."""
    sharednodes.remove_node(conn, current_scope(), shared_node_id, etags.wanted())
    return {"removed": True}
