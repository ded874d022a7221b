"""A tenant's own nodes, and the platform's shared ones to look at: ``/api/nodes``."""

from typing import Any

import sqlalchemy as sa
from flask import jsonify
from flask.typing import ResponseReturnValue

from podhealth.core.node_rules import READERS
from podhealth.store import ownnodes
from podhealth.store.db import read
from podhealth.web.api import api, etags
from podhealth.web.api.answers import NODE
from podhealth.web.api.declare import a_new, acts, an_edit, body, edited, reads
from podhealth.web.api.schema import done, many
from podhealth.web.api.shapes import node_shape
from podhealth.web.installed import engine_of, installed
from podhealth.web.session import current_scope

_SHARED = {403: "The role does not suffice, or the node is the platform's."}


@api.get("/nodes")
@reads("Nodes", many(NODE))
def list_nodes() -> ResponseReturnValue:
    """Answer the tenant's own nodes and the platform's shared ones as a bare array, by name.

    `podCount` counts the tenant's pods. Of shared ones no `address` is told.
    """
    with read(engine_of()) as conn:
        return jsonify([_shape(row) for row in ownnodes.list_nodes(conn, current_scope())])


@api.post("/nodes")
@acts("Nodes", NODE, status=201, body=a_new(READERS, ["name"]))
def add_node(conn: sa.Connection) -> ResponseReturnValue:
    """Add a node of the tenant's own."""
    scope = current_scope()
    node_id = ownnodes.add_own_node(conn, scope, body(), installed().settings.pod_networks)
    return _shape(ownnodes.get_node(conn, scope, node_id)), 201


@api.get("/nodes/<id:node_id>")
@reads("Nodes", NODE)
def get_node(node_id: int) -> dict[str, Any]:
    """Answer one node, own or shared."""
    with read(engine_of()) as conn:
        return _shape(ownnodes.get_node(conn, current_scope(), node_id))


@api.patch("/nodes/<id:node_id>")
@acts("Nodes", NODE, body=an_edit(READERS), is_edit=True, refusals=_SHARED)
def change_node(conn: sa.Connection, node_id: int) -> dict[str, Any]:
    """Change the fields given; 403 for a shared one."""
    scope = current_scope()
    ownnodes.get_own_node(conn, scope, node_id)
    fields, version = edited()
    ownnodes.change_own_node(conn, scope, node_id, fields, installed().settings.pod_networks, version)
    return _shape(ownnodes.get_node(conn, scope, node_id))


@api.delete("/nodes/<id:node_id>")
@acts("Nodes", done("removed"), is_edit=True, refusals=_SHARED | {409: "Pods stand on it: `error` names them."})
def remove_node(conn: sa.Connection, node_id: int) -> dict[str, Any]:
    """Remove a node; 409 while pods stand on it, 403 for a shared one."""
    ownnodes.get_own_node(conn, current_scope(), node_id)
    ownnodes.remove_own_node(conn, current_scope(), node_id, etags.wanted())
    return {"removed": True}


def _shape(row: Any) -> dict[str, Any]:
    return node_shape(row) | {"isShared": bool(row.is_shared)}
