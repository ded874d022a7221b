"""Sources and what their sync does, ``/api/sources``; first checks by tag, ``/api/tag-rules``.

Secrets of a source go in and never come out. Reading it is a worker's.
"""

from typing import Any

import sqlalchemy as sa
from flask import jsonify
from flask.typing import ResponseReturnValue

from podhealth.core.check_schema import check_schema
from podhealth.core.provider_fields import with_unsent_secrets
from podhealth.core.readers import AN_ID, Schema
from podhealth.core.source_rules import KINDS, READERS, REQUIRED
from podhealth.core.sync import Act, Line
from podhealth.core.tag_rules import TAG
from podhealth.core.words import Role
from podhealth.store import sources, syncing, tagrules
from podhealth.store.db import read
from podhealth.web.access import allows
from podhealth.web.api import api, etags
from podhealth.web.api.declare import a_new, acts, an_edit, as_core_reads, body, edited, reads
from podhealth.web.api.schema import (
    FLAG,
    ID,
    OBJECT,
    TAGS,
    TEXT,
    TIME,
    VERSION,
    WHOLE,
    answer,
    done,
    many,
    maybe,
    words,
)
from podhealth.web.api.shapes import iso
from podhealth.web.installed import engine_of, installed
from podhealth.web.session import current_scope

TAKES = answer("Takes", tags=TAGS, pools=TAGS, labels=TAGS, everything=FLAG)
SOURCE = answer(
    "Source",
    id=ID,
    version=VERSION,
    name=TEXT,
    kind={"type": "string", "enum": [kind.value for kind in KINDS]},
    takes=TAKES,
    everySeconds=WHOLE,
    enabled=FLAG,
    nodesAreShared=FLAG,
    podCount=WHOLE,
    readAt=maybe(TIME),
    nextReadAt=maybe(TIME),
    error=maybe(TEXT),
    errorSince=maybe(TIME),
    isInDoubt=FLAG,
    createdAt=TIME,
    updatedAt=TIME,
)
SOURCE["properties"]["config"] = {**OBJECT, "description": "For admins: how it is reached, without its secrets."}
CHANGE = answer("SyncChange", field=TEXT, **{"from": TEXT, "to": TEXT})
DRIFT = answer("SyncDrift", field=TEXT, here=TEXT, there=TEXT, why=TEXT)
LINE = answer(
    "SyncLine",
    act=words(Act),
    name=TEXT,
    key=TEXT,
    podId=maybe(ID),
    why=maybe(TEXT),
    address=maybe(TEXT),
    node=maybe(TEXT),
    tags=TAGS,
    changes=many(CHANGE),
    drift=many(DRIFT),
)
PREVIEW = answer("SyncPreview", readAt=maybe(TIME), lines=many(LINE))
TAG_RULE = answer("TagRule", id=ID, version=VERSION, tag=TEXT, check=OBJECT, createdAt=TIME, updatedAt=TIME)
_RULE_FIELDS: dict[str, Schema] = {"tag": TAG.schema, "check": check_schema(is_new=True)}
_ONLY = {"type": "object", "additionalProperties": False}
NEW_RULE: Schema = {**_ONLY, "properties": _RULE_FIELDS, "required": ["tag", "check"]}
_EDITED_RULE: Schema = {**_ONLY, "properties": {**_RULE_FIELDS, "version": maybe(AN_ID.schema)}}
_REACHED = {409: "Pods are reached by it."}
_NO_DOUBT = {409: "No answer of it waits to be believed."}


@api.get("/sources")
@reads("Sources", many(SOURCE))
def list_sources() -> ResponseReturnValue:
    """Answer all sources of the tenant as a bare array, by name."""
    with read(engine_of()) as conn:
        return jsonify([_source(conn, row) for row in sources.list_sources(conn, current_scope())])


@api.post("/sources")
@acts("Sources", SOURCE, status=201, body=a_new(READERS, REQUIRED))
def create_source(conn: sa.Connection) -> ResponseReturnValue:
    """Add a source. It is read at once; its guests become pods only where it is ``enabled``."""
    return _source(conn, sources.create_source(conn, current_scope(), body(), _networks())), 201


@api.get("/sources/<id:source_id>")
@reads("Sources", SOURCE)
def get_source(source_id: int) -> dict[str, Any]:
    """Answer one source."""
    with read(engine_of()) as conn:
        return _source(conn, sources.get_source(conn, current_scope(), source_id))


@api.patch("/sources/<id:source_id>")
@acts("Sources", SOURCE, body=an_edit(READERS), is_edit=True)
def change_source(conn: sa.Connection, source_id: int) -> dict[str, Any]:
    """Change the fields given; ``config`` and ``takes`` are replaced whole. It is read at once."""
    sources.get_source(conn, current_scope(), source_id)
    fields, version = edited()
    stored = sources.get_source(conn, current_scope(), source_id)
    if isinstance(fields.get("config"), dict):
        fields["config"] = with_unsent_secrets(fields["config"], stored.config)
    return _source(conn, sources.update_source(conn, current_scope(), source_id, fields, _networks(), version))


@api.delete("/sources/<id:source_id>")
@acts("Sources", done("deleted"), is_edit=True, refusals=_REACHED)
def delete_source(conn: sa.Connection, source_id: int) -> dict[str, Any]:
    """Delete a source; 409 while pods are reached by it."""
    sources.delete_source(conn, current_scope(), source_id, etags.wanted())
    return {"deleted": True}


@api.post("/sources/<id:source_id>/sync")
@acts("Sources", SOURCE, status=202)
def sync_source(conn: sa.Connection, source_id: int) -> ResponseReturnValue:
    """Have the source read as soon as a worker is free, and synced where it is enabled."""
    return _source(conn, sources.ask_now(conn, current_scope(), source_id)), 202


@api.post("/sources/<id:source_id>/believe")
@acts("Sources", SOURCE, status=202, refusals=_NO_DOUBT)
def believe_source(conn: sa.Connection, source_id: int) -> ResponseReturnValue:
    """Believe, for an hour, an answer that lacks many guests; 409 where none waits for that."""
    sources.believe(conn, current_scope(), source_id)
    return _source(conn, sources.get_source(conn, current_scope(), source_id)), 202


@api.get("/sources/<id:source_id>/preview")
@reads("Sources", PREVIEW)
def preview_source(source_id: int) -> dict[str, Any]:
    """Answer what a sync upon the newest answer of the source would do, guest by guest."""
    with read(engine_of()) as conn:
        source = sources.get_source(conn, current_scope(), source_id)
        found = sources.reading_of(conn, source_id)
        if found is None:
            return {"readAt": None, "lines": []}
        lines = syncing.plan(conn, source, found[1], _networks())
    return {"readAt": iso(found[0]), "lines": [_line(line) for line in lines]}


@api.get("/tag-rules")
@reads("Sources", many(TAG_RULE))
def list_tag_rules() -> ResponseReturnValue:
    """Answer the rules of first checks as a bare array, by tag."""
    with read(engine_of()) as conn:
        return jsonify([_tag_rule(row) for row in tagrules.list_rules(conn, current_scope())])


@api.post("/tag-rules")
@acts("Sources", TAG_RULE, status=201, body=as_core_reads(NEW_RULE))
def create_tag_rule(conn: sa.Connection) -> ResponseReturnValue:
    """Make a rule: pods that are added with this tag get this check, beside their ping."""
    return _tag_rule(tagrules.save_rule(conn, current_scope(), body())), 201


@api.get("/tag-rules/<id:rule_id>")
@reads("Sources", TAG_RULE)
def get_tag_rule(rule_id: int) -> dict[str, Any]:
    """Answer one rule."""
    with read(engine_of()) as conn:
        return _tag_rule(tagrules.get_rule(conn, current_scope(), rule_id))


@api.patch("/tag-rules/<id:rule_id>")
@acts(
    "Sources",
    TAG_RULE,
    body=as_core_reads(_EDITED_RULE),
    is_edit=True,
)
def change_tag_rule(conn: sa.Connection, rule_id: int) -> dict[str, Any]:
    """Change the fields given; ``check`` is replaced whole. Checks that came by the rule stay as they are."""
    tagrules.get_rule(conn, current_scope(), rule_id)
    fields, version = edited()
    return _tag_rule(tagrules.save_rule(conn, current_scope(), fields, rule_id, version))


@api.delete("/tag-rules/<id:rule_id>")
@acts("Sources", done("deleted"), is_edit=True)
def delete_tag_rule(conn: sa.Connection, rule_id: int) -> dict[str, Any]:
    """Delete a rule; the checks that came by it stay."""
    tagrules.delete_rule(conn, current_scope(), rule_id, etags.wanted())
    return {"deleted": True}


def _networks() -> tuple[str, ...]:
    return tuple(installed().settings.pod_networks)


def _source(conn: sa.Connection, row: Any) -> dict[str, Any]:
    told = sources.told(sources.rules_of(row))
    if not allows(current_scope().role, Role.ADMIN):
        del told["config"]
    return {
        "id": row.id,
        "version": row.version,
        **told,
        "nodesAreShared": row.is_shared,
        "podCount": sources.pods_by(conn, row.id),
        "readAt": iso(row.read_at),
        "nextReadAt": iso(row.next_at),
        "error": row.error,
        "errorSince": iso(row.error_since),
        "isInDoubt": row.is_in_doubt,
        "createdAt": iso(row.created_at),
        "updatedAt": iso(row.updated_at),
    }


def _line(line: Line) -> dict[str, Any]:
    return {
        "act": line.act,
        "name": line.name,
        "key": line.key,
        "podId": line.known.pod_id if line.known is not None and not line.known.is_deleted else None,
        "why": line.why or None,
        "address": line.to.address,
        "node": line.to.node,
        "tags": list(line.to.tags),
        "changes": [{"field": one.field, "from": one.was, "to": one.to} for one in line.changes],
        "drift": [one._asdict() for one in line.drifts],
    }


def _tag_rule(row: Any) -> dict[str, Any]:
    told = tagrules.told(tagrules.rules_of(row))
    return {
        "id": row.id,
        "version": row.version,
        **told,
        "createdAt": iso(row.created_at),
        "updatedAt": iso(row.updated_at),
    }
