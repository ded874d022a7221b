"""Pods as their owners set them up: ``/api/pods`` and one of them."""

from typing import Any

import sqlalchemy as sa
from flask import request
from flask.typing import ResponseReturnValue

from podhealth.core.pod_rules import ADDRESS_SCHEMA, READERS
from podhealth.core.provider_fields import SECRETS
from podhealth.core.readers import A_FLAG
from podhealth.core.words import ActualState, DesiredState, ProviderKind, Role
from podhealth.store import inventory, newpods, podstate, tenancy
from podhealth.store.db import read
from podhealth.web.access import allows
from podhealth.web.api import api, etags
from podhealth.web.api.body import query_int, query_text
from podhealth.web.api.declare import a_new, acts, an_edit, body, edited, reads
from podhealth.web.api.newest_first import PARTS
from podhealth.web.api.schema import ID, OBJECT, TAGS, TEXT, TIME, VERSION, WHOLE, answer, done, many, maybe, words
from podhealth.web.api.shapes import iso
from podhealth.web.cursors import decode, encode
from podhealth.web.installed import engine_of, installed
from podhealth.web.session import current_scope

_PAGE, _MOST = 100, 200

POD = answer(
    "Pod",
    id=ID,
    name=TEXT,
    address=TEXT,
    tags=TAGS,
    provider=words(ProviderKind),
    providerRef=maybe(TEXT),
    desiredState=words(DesiredState),
    actualState=words(ActualState),
    startDeadlineSeconds=maybe(WHOLE),
    nodeId=maybe(ID),
    policyId=maybe(ID),
    sourceId=maybe(ID),
    version=VERSION,
    createdAt=TIME,
    updatedAt=TIME,
)
POD["properties"]["providerConfig"] = {**maybe(OBJECT), "description": "For admins, without its secrets."}


@api.get("/pods")
@reads("Pods", answer(pods=many(POD), nextCursor=maybe(TEXT)), query={**PARTS, "tag": TEXT})
def list_pods() -> dict[str, Any]:
    """Answer one page of the tenant's pods, by id; ``tag`` narrows it."""
    limit, tag = query_int(request, "limit", _PAGE, 1, _MOST), query_text(request, "tag")
    cursor = query_text(request, "cursor")
    after = 0 if cursor is None else decode(cursor, 1)[0]
    with read(engine_of()) as conn:
        rows = inventory.list_pods(conn, current_scope(), after, limit + 1, tag)
    more = encode(rows[limit - 1].id) if len(rows) > limit else None
    return {"pods": [_shape(row) for row in rows[:limit]], "nextCursor": more}


@api.post("/pods")
@acts(
    "Pods",
    POD,
    status=201,
    body=a_new(READERS, ["name", "address"], address=ADDRESS_SCHEMA, defaultChecks=A_FLAG.schema),
)
def create_pod(conn: sa.Connection) -> ResponseReturnValue:
    """Add a pod. It is pinged each minute but where ``defaultChecks`` is false."""
    fields = body()
    pings = A_FLAG("defaultChecks", fields.pop("defaultChecks", True))
    networks = installed().settings.pod_networks
    pod_id = newpods.create_pod(conn, current_scope(), fields, pings, networks=networks)
    return _shape(tenancy.get_pod(conn, current_scope(), pod_id)), 201


@api.get("/pods/<id:pod_id>")
@reads("Pods", POD)
def get_pod(pod_id: int) -> dict[str, Any]:
    """Answer one pod as it is set up; how it is, ``/api/cloud-pods/ID/health`` says."""
    with read(engine_of()) as conn:
        return _shape(tenancy.get_pod(conn, current_scope(), pod_id))


@api.patch("/pods/<id:pod_id>")
@acts("Pods", POD, body=an_edit(READERS, address=ADDRESS_SCHEMA), is_edit=True)
def change_pod(conn: sa.Connection, pod_id: int) -> dict[str, Any]:
    """Change the fields given; with ``version``, only where nobody else has since.

    Another address or provider begins a start and makes old results void. ``providerConfig`` is replaced whole.
    """
    tenancy.get_pod(conn, current_scope(), pod_id)
    fields, version = edited()
    networks = installed().settings.pod_networks
    inventory.update_pod(conn, current_scope(), pod_id, fields, version, networks=networks)
    return _shape(tenancy.get_pod(conn, current_scope(), pod_id))


@api.delete("/pods/<id:pod_id>")
@acts("Pods", done("deleted"), is_edit=True)
def delete_pod(conn: sa.Connection, pod_id: int) -> dict[str, Any]:
    """Delete a pod; its history is kept, and its name is free again."""
    tenancy.get_pod(conn, current_scope(), pod_id)
    podstate.lock_pods(conn, [pod_id])
    etags.require(etags.wanted(), tenancy.get_pod(conn, current_scope(), pod_id).version)
    inventory.delete_pod(conn, current_scope(), pod_id)
    return {"deleted": True}


def _shape(row: Any) -> dict[str, Any]:
    shown = {
        "id": row.id,
        "name": row.name,
        "address": row.address,
        "tags": row.tags,
        "provider": row.provider,
        "providerRef": row.provider_ref,
        "desiredState": row.desired_state,
        "actualState": row.actual_state,
        "startDeadlineSeconds": row.start_deadline_s,
        "nodeId": row.node_id,
        "policyId": row.policy_id,
        "sourceId": row.source_id,
        "version": row.version,
        "createdAt": iso(row.created_at),
        "updatedAt": iso(row.updated_at),
    }
    if allows(current_scope().role, Role.ADMIN):
        config = row.provider_config
        shown["providerConfig"] = config and {name: value for name, value in config.items() if name not in SECRETS}
    return shown
