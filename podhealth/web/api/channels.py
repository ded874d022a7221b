"""A tenant's channels: ``/api/channels``. Secrets go in and never come out, but a web hook's own when made."""

from typing import Any

import sqlalchemy as sa
from flask import jsonify
from flask.typing import ResponseReturnValue

from podhealth.core.channel_schema import channel_schema
from podhealth.core.words import ChannelKind, MessageKind, MessageState, Role, Severity
from podhealth.queues import enqueue
from podhealth.store import channels, deliveries
from podhealth.store.channels import told
from podhealth.store.db import read
from podhealth.web.access import allows
from podhealth.web.api import api, etags
from podhealth.web.api.declare import acts, after_commit, as_core_reads, body, edited, reads
from podhealth.web.api.newest_first import PARTS, answer_part, asked_part
from podhealth.web.api.schema import (
    FLAG,
    ID,
    NUMBER,
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
    with_more,
    words,
)
from podhealth.web.api.shapes import iso
from podhealth.web.installed import engine_of, installed
from podhealth.web.platform import platform
from podhealth.web.session import current_scope

ROUTE = answer("Route", severity=words(Severity), tags=TAGS)
CHANNEL = answer(
    "Channel",
    id=ID,
    version=VERSION,
    lastError=maybe(TEXT),
    name=TEXT,
    kind=words(ChannelKind),
    enabled=FLAG,
    routes=many(ROUTE),
    lastSentAt=maybe(TIME),
    brokenSince=maybe(TIME),
    createdAt=TIME,
)
CHANNEL["properties"]["config"] = {**OBJECT, "description": "For admins: where it leads to, without its secrets."}
MADE = with_more(CHANNEL, "NewChannel")
MADE["properties"]["secret"] = {**TEXT, "description": "Of a web hook; shown this once."}
TRY = answer("Try", nth=WHOLE, at=TIME, ok=FLAG, code=maybe(TEXT), error=maybe(TEXT), tookMs=maybe(NUMBER))
MESSAGE = answer(
    "Message",
    id=ID,
    publicId=TEXT,
    kind=words(MessageKind),
    severity=words(Severity),
    state=words(MessageState),
    incidentId=maybe(ID),
    subject=TEXT,
    lines=many(TEXT),
    at=maybe(TIME),
    dueAt=maybe(TIME),
    sentAt=maybe(TIME),
    error=maybe(TEXT),
    tries=many(TRY),
)


@api.get("/channels")
@reads("Channels", many(CHANNEL))
def list_channels() -> ResponseReturnValue:
    """Answer all channels of the tenant as a bare array."""
    with read(engine_of()) as conn:
        listed = channels.list_channels(conn, current_scope())
        return jsonify([_shape(conn, one.row) for one in listed])


@api.post("/channels")
@acts("Channels", MADE, status=201, body=as_core_reads(channel_schema(is_new=True)), has_secret=True)
def create_channel(conn: sa.Connection) -> ResponseReturnValue:
    """Make a channel. The secret of a web hook is in this answer and in no other."""
    stored = channels.create_channel(conn, current_scope(), body(), platform())
    shown = _shape(conn, stored.row)
    return shown | ({} if stored.secret is None else {"secret": stored.secret}), 201


@api.get("/channels/<id:channel_id>")
@reads("Channels", CHANNEL)
def get_channel(channel_id: int) -> dict[str, Any]:
    """Answer one channel."""
    with read(engine_of()) as conn:
        return _shape(conn, channels.get_channel(conn, current_scope(), channel_id))


@api.patch("/channels/<id:channel_id>")
@acts("Channels", CHANNEL, body=as_core_reads(channel_schema(is_new=False)), is_edit=True)
def change_channel(conn: sa.Connection, channel_id: int) -> dict[str, Any]:
    """Change the given fields of a channel; with ``version`` only if nobody else has since."""
    channels.get_channel(conn, current_scope(), channel_id)
    fields, version = edited()
    return _shape(conn, channels.update_channel(conn, current_scope(), channel_id, fields, platform(), version))


@api.delete("/channels/<id:channel_id>")
@acts("Channels", done("deleted"), is_edit=True)
def delete_channel(conn: sa.Connection, channel_id: int) -> dict[str, Any]:
    """Delete a channel."""
    etags.require(etags.wanted(), channels.get_channel(conn, current_scope(), channel_id).version)
    channels.delete_channel(conn, current_scope(), channel_id)
    return {"deleted": True}


@api.post("/channels/<id:channel_id>/test")
@acts("Channels", MESSAGE, status=202, refusals={409: "The channel is off."})
def test_channel(conn: sa.Connection, channel_id: int) -> ResponseReturnValue:
    """Have a test told at once; what came of it stands first in the channel's deliveries."""
    message_id = channels.test_channel(conn, current_scope(), channel_id)
    message = deliveries.get_message(conn, current_scope(), channel_id, message_id)
    after_commit(_hurry)
    return _message_shape(message, []), 202


@api.post("/channels/<id:channel_id>/secret")
@acts("Channels", answer(secret=TEXT), has_secret=True, refusals={409: "Only a web hook has a secret of ours."})
def rotate_channel_secret(conn: sa.Connection, channel_id: int) -> dict[str, Any]:
    """Give a web hook another secret, which is in this answer and in no other."""
    return {"secret": channels.rotate_secret(conn, current_scope(), channel_id)}


@api.get("/channels/<id:channel_id>/deliveries")
@reads("Channels", many(MESSAGE), query=PARTS, links_on=True)
def list_deliveries(channel_id: int) -> ResponseReturnValue:
    """Answer the channel's messages with their tries, newest first, as a bare array; ``Link`` leads to older ones."""
    part = asked_part()
    with read(engine_of()) as conn:
        channels.get_channel(conn, current_scope(), channel_id)
        rows = deliveries.messages_of(conn, current_scope(), channel_id, part.before, part.reads)
    return answer_part(part, rows, lambda row: _message_shape(*row), lambda row: row[0].id)


@api.post("/channels/<id:channel_id>/messages/<id:message_id>/retry")
@acts("Channels", MESSAGE, refusals={409: "The message is not dead any more."})
def retry_message(conn: sa.Connection, channel_id: int, message_id: int) -> dict[str, Any]:
    """Try a dead message again, under its old id."""
    deliveries.revive(conn, current_scope(), channel_id, message_id)
    message = deliveries.get_message(conn, current_scope(), channel_id, message_id)
    after_commit(_hurry)
    return _message_shape(message, [])


def _hurry() -> None:
    enqueue(installed().redis, "alert.deliver")


def _shape(conn: Any, row: Any) -> dict[str, Any]:
    shown = told(channels.rules_of(conn, row))
    if not allows(current_scope().role, Role.ADMIN):
        del shown["config"]  # where it leads to is for admins
    times = {"lastSentAt": row.last_sent_at, "brokenSince": row.broken_since, "createdAt": row.created_at}
    return (
        {"id": row.id, "version": row.version, "lastError": row.last_error}
        | shown
        | {name: iso(moment) for name, moment in times.items()}
    )


def _message_shape(message: Any, tries: Any) -> dict[str, Any]:
    return {
        "id": message.id,
        "publicId": message.public_id,
        "kind": message.kind,
        "severity": message.severity,
        "state": message.state,
        "incidentId": message.incident_id,
        "subject": message.subject,
        "lines": message.body.get("lines", []),
        "at": iso(message.composed_at),
        "dueAt": iso(message.due_at) if message.state == "waiting" else None,
        "sentAt": iso(message.sent_at),
        "error": message.last_error,
        "tries": [
            {
                "nth": one.nth,
                "at": iso(one.at),
                "ok": one.ok,
                "code": one.code,
                "error": one.error,
                "tookMs": one.took_ms,
            }
            for one in tries
        ],
    }
