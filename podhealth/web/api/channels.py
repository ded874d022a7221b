"""A tenant's channels: ``/api/channels``. Secrets go in and never come out, but a web hook's own when made."""

from typing import Any

from flask import jsonify, request
from flask.typing import ResponseReturnValue

from podhealth.core.words import Role
from podhealth.queues import enqueue
from podhealth.store import channels, deliveries
from podhealth.store.channels import told
from podhealth.store.db import read, write
from podhealth.web.access import allows
from podhealth.web.api import api
from podhealth.web.api.body import json_object, take_number
from podhealth.web.api.newest_first import answer_part, asked_part
from podhealth.web.api.shapes import iso
from podhealth.web.installed import engine_of, installed
from podhealth.web.platform import platform
from podhealth.web.session import current_scope
from podhealth.web.telling import tell_browsers


@api.get("/channels")
def list_channels() -> ResponseReturnValue:
    """Answer all channels of the tenant as a bare array."""
    with read(engine_of()) as conn:
        listed = channels.list_channels(conn, current_scope())
        return jsonify([_shape(conn, one.row) for one in listed])


@api.post("/channels")
def create_channel() -> ResponseReturnValue:
    """Make a channel. The secret of a web hook is in this answer and in no other."""
    fields = json_object(request)
    with write(engine_of(), durable=True) as conn:
        stored = channels.create_channel(conn, current_scope(), fields, platform())
        answer = _shape(conn, stored.row)
    tell_browsers()
    return jsonify(answer | ({} if stored.secret is None else {"secret": stored.secret})), 201


@api.get("/channels/<id:channel_id>")
def get_channel(channel_id: int) -> dict[str, Any]:
    """Answer one channel."""
    with read(engine_of()) as conn:
        return _shape(conn, channels.get_channel(conn, current_scope(), channel_id))


@api.patch("/channels/<id:channel_id>")
def change_channel(channel_id: int) -> dict[str, Any]:
    """Change the given fields of a channel; with ``version`` only if nobody else has since."""
    fields = json_object(request)
    version = take_number(fields, "version")
    with write(engine_of(), durable=True) as conn:
        row = channels.update_channel(conn, current_scope(), channel_id, fields, platform(), version)
        answer = _shape(conn, row)
    tell_browsers()
    return answer


@api.delete("/channels/<id:channel_id>")
def delete_channel(channel_id: int) -> dict[str, Any]:
    """Delete a channel."""
    with write(engine_of(), durable=True) as conn:
        channels.delete_channel(conn, current_scope(), channel_id)
    tell_browsers()
    return {"deleted": True}


@api.post("/channels/<id:channel_id>/test")
def test_channel(channel_id: int) -> ResponseReturnValue:
    """Have a test told at once; what came of it stands first in the channel's deliveries."""
    with write(engine_of()) as conn:
        message_id = channels.test_channel(conn, current_scope(), channel_id)
        message = deliveries.get_message(conn, current_scope(), channel_id, message_id)
    enqueue(installed().redis, "alert.deliver")
    tell_browsers()
    return jsonify(_message_shape(message, [])), 202


@api.post("/channels/<id:channel_id>/secret")
def rotate_channel_secret(channel_id: int) -> dict[str, Any]:
    """Give a web hook another secret, which is in this answer and in no other."""
    with write(engine_of(), durable=True) as conn:
        secret = channels.rotate_secret(conn, current_scope(), channel_id)
    tell_browsers()
    return {"secret": secret}


@api.get("/channels/<id:channel_id>/deliveries")
def list_deliveries(channel_id: int) -> ResponseReturnValue:
    """Answer the channel's messages with their tries, newest first, as a bare array; ``Link`` leads to older ones."""
    part = asked_part()
    with read(engine_of()) as conn:
        channels.get_channel(conn, current_scope(), channel_id)
        rows = deliveries.messages_of(conn, current_scope(), channel_id, part.before, part.reads)
    return answer_part(part, rows, lambda row: _message_shape(*row), lambda row: row[0].id)


@api.post("/channels/<id:channel_id>/messages/<id:message_id>/retry")
def retry_message(channel_id: int, message_id: int) -> dict[str, Any]:
    """Try a dead message again, under its old id."""
    with write(engine_of(), durable=True) as conn:
        deliveries.revive(conn, current_scope(), channel_id, message_id)
        message = deliveries.get_message(conn, current_scope(), channel_id, message_id)
    enqueue(installed().redis, "alert.deliver")
    tell_browsers()
    return _message_shape(message, [])


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
