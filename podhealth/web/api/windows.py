"""Maintenance windows: ``/api/windows`` and one of them."""

from typing import Any

from flask import jsonify, request
from flask.typing import ResponseReturnValue

from podhealth.store import windows
from podhealth.store.db import db_now, read, write
from podhealth.web.api import api
from podhealth.web.api.body import json_object, refuse_unknown, take_number
from podhealth.web.api.window_shape import window_shape
from podhealth.web.installed import engine_of
from podhealth.web.session import current_scope
from podhealth.web.telling import tell_browsers


@api.get("/windows")
def list_windows() -> ResponseReturnValue:
    """Answer all windows of the tenant as a bare array."""
    with read(engine_of()) as conn:
        now = db_now(conn)
        return jsonify([window_shape(row, now) for row in windows.list_windows(conn, current_scope())])


@api.post("/windows")
def create_window() -> ResponseReturnValue:
    """Make a window."""
    fields = json_object(request)
    with write(engine_of(), durable=True) as conn:
        row = windows.save_window(conn, current_scope(), fields)
        now = db_now(conn)
    tell_browsers()
    return window_shape(row, now), 201


@api.get("/windows/<id:window_id>")
def get_window(window_id: int) -> dict[str, Any]:
    """Answer one window."""
    with read(engine_of()) as conn:
        return window_shape(windows.get_window(conn, current_scope(), window_id), db_now(conn))


@api.patch("/windows/<id:window_id>")
def change_window(window_id: int) -> dict[str, Any]:
    """Change the fields given; with ``version``, only where nobody else has since."""
    with read(engine_of()) as conn:
        windows.get_window(conn, current_scope(), window_id)
    fields = json_object(request)
    version = take_number(fields, "version")
    with write(engine_of(), durable=True) as conn:
        row = windows.save_window(conn, current_scope(), fields, window_id, version)
        now = db_now(conn)
    tell_browsers()
    return window_shape(row, now)


@api.delete("/windows/<id:window_id>")
def delete_window(window_id: int) -> dict[str, Any]:
    """Delete a window; its pods are out of maintenance within a second or two."""
    with write(engine_of(), durable=True) as conn:
        windows.delete_window(conn, current_scope(), window_id)
    tell_browsers()
    return {"deleted": True}


@api.post("/windows/<id:window_id>/end")
def end_window(window_id: int) -> dict[str, Any]:
    """End the occurrence under way; 409 where none is."""
    with write(engine_of(), durable=True) as conn:
        row = windows.end_now(conn, current_scope(), window_id)
        now = db_now(conn)
    tell_browsers()
    return window_shape(row, now)


@api.post("/windows/<id:window_id>/extend")
def extend_window(window_id: int) -> dict[str, Any]:
    """Lengthen the occurrence under way by ``minutes``; 409 where none is."""
    with read(engine_of()) as conn:
        windows.get_window(conn, current_scope(), window_id)
    fields = json_object(request)
    refuse_unknown(fields, frozenset({"minutes"}))
    with write(engine_of(), durable=True) as conn:
        row = windows.extend(conn, current_scope(), window_id, fields.get("minutes"))
        now = db_now(conn)
    tell_browsers()
    return window_shape(row, now)
