"""The tenant's audit trail: ``/api/audit``, newest first, and all of it to take along as JSON lines."""

import json
from collections.abc import Iterator
from typing import Any

from flask import Response, request
from flask.typing import ResponseReturnValue

from podhealth.core.readers import A_MOMENT, Schema
from podhealth.core.words import Actor, Role
from podhealth.store import auditlog
from podhealth.store.auditlog import Entry, Wish
from podhealth.store.db import read
from podhealth.web.access import allows
from podhealth.web.api import api
from podhealth.web.api.body import query_text
from podhealth.web.api.declare import reads
from podhealth.web.api.newest_first import PARTS, answer_part, asked_part
from podhealth.web.api.schema import OBJECT, TEXT, TIME, WHOLE, answer, many, maybe, words
from podhealth.web.api.shapes import iso
from podhealth.web.installed import engine_of
from podhealth.web.session import current_scope

ENTRY = answer(
    "AuditEntry",
    number=WHOLE,
    at=TIME,
    actor=words(Actor),
    by=TEXT,
    address=maybe(TEXT),
    what=TEXT,
    objectType=TEXT,
    objectId=TEXT,
    before=maybe(OBJECT),
    after=maybe(OBJECT),
    hash=TEXT,
)
_MOMENT: Schema = {"anyOf": [A_MOMENT.schema, {"const": ""}]}  # an empty parameter is none
_TEXTS = ("by", "what", "objectType", "objectId")
_WISH = dict.fromkeys(_TEXTS, TEXT) | dict.fromkeys(("since", "until"), _MOMENT)


@api.get("/audit")
@reads("Audit", many(ENTRY), query={**_WISH, **PARTS}, links_on=True)
def list_audit() -> ResponseReturnValue:
    """Answer the entries that are asked for, newest first, as a bare array; ``Link`` leads to older ones."""
    part, asked = asked_part(), _asked()
    with read(engine_of()) as conn:
        rows = auditlog.entries(conn, current_scope().tenant_id, _wish(asked, part.before), part.reads)
    return answer_part(part, rows, _shape, lambda entry: entry.seq, **asked)


@api.get("/audit/export")
@reads("Audit", TEXT, query=_WISH, media="application/jsonl")
def export_audit() -> ResponseReturnValue:
    """Send all entries that are asked for, newest first, one JSON object a line."""
    found = auditlog.all_entries(engine_of(), current_scope().tenant_id, _wish(_asked()))
    sees = allows(current_scope().role, Role.ADMIN)
    return Response(_lines(found, sees), content_type="application/jsonl")


def _lines(found: Iterator[Entry], sees_addresses: bool) -> Iterator[str]:
    for entry in found:
        yield json.dumps(_shaped(entry, sees_addresses), sort_keys=True) + "\n"


def _asked() -> dict[str, str | None]:
    return {name: query_text(request, name) for name in _WISH}


def _wish(asked: dict[str, str | None], before: int | None = None) -> Wish:
    since, until = (None if asked[name] is None else A_MOMENT(name, asked[name]) for name in ("since", "until"))
    by, what, object_type, object_id = (asked[name] or "" for name in _TEXTS)
    return Wish(by, what, object_type, object_id, since, until, before)


def _shape(entry: Entry) -> dict[str, Any]:
    return _shaped(entry, allows(current_scope().role, Role.ADMIN))


def _shaped(entry: Entry, sees_addresses: bool) -> dict[str, Any]:
    # From where somebody works is the admins' business, here as on the page.
    return {
        "number": entry.seq,
        "at": iso(entry.at),
        "actor": entry.actor,
        "by": entry.actor_name,
        "address": entry.address if sees_addresses else None,
        "what": entry.what,
        "objectType": entry.object_type,
        "objectId": entry.object_id,
        "before": entry.before,
        "after": entry.after,
        "hash": entry.hash,
    }
