"""Maintenance windows: ``/api/windows`` and one of them."""

from typing import Any

import sqlalchemy as sa
from flask import jsonify
from flask.typing import ResponseReturnValue

from podhealth.core.readers import a_whole_number
from podhealth.core.window_rules import READERS, REQUIRED
from podhealth.core.windows import MAX_MINUTES
from podhealth.store import windows
from podhealth.store.db import db_now, read
from podhealth.web.api import api, etags
from podhealth.web.api.declare import a_new, acts, an_edit, body, edited, fields_of, reads
from podhealth.web.api.schema import done, many
from podhealth.web.api.window_shape import WINDOW, window_shape
from podhealth.web.installed import engine_of
from podhealth.web.session import current_scope

_NOT_UNDER_WAY = {409: "None of its occurrences is under way."}


@api.get("/windows")
@reads("Windows", many(WINDOW))
def list_windows() -> ResponseReturnValue:
    """Answer all windows of the tenant as a bare array."""
    with read(engine_of()) as conn:
        now = db_now(conn)
        return jsonify([window_shape(row, now) for row in windows.list_windows(conn, current_scope())])


@api.post("/windows")
@acts("Windows", WINDOW, status=201, body=a_new(READERS, REQUIRED))
def create_window(conn: sa.Connection) -> ResponseReturnValue:
    """Make a window."""
    return window_shape(windows.save_window(conn, current_scope(), body()), db_now(conn)), 201


@api.get("/windows/<id:window_id>")
@reads("Windows", WINDOW)
def get_window(window_id: int) -> dict[str, Any]:
    """Answer one window."""
    with read(engine_of()) as conn:
        return window_shape(windows.get_window(conn, current_scope(), window_id), db_now(conn))


@api.patch("/windows/<id:window_id>")
@acts("Windows", WINDOW, body=an_edit(READERS), is_edit=True)
def change_window(conn: sa.Connection, window_id: int) -> dict[str, Any]:
    """Change the fields given; with ``version``, only where nobody else has since."""
    windows.get_window(conn, current_scope(), window_id)
    fields, version = edited()
    return window_shape(windows.save_window(conn, current_scope(), fields, window_id, version), db_now(conn))


@api.delete("/windows/<id:window_id>")
@acts("Windows", done("deleted"), is_edit=True)
def delete_window(conn: sa.Connection, window_id: int) -> dict[str, Any]:
    """Delete a window; its pods are out of maintenance within a second or two."""
    windows.delete_window(conn, current_scope(), window_id, etags.wanted())
    return {"deleted": True}


@api.post("/windows/<id:window_id>/end")
@acts("Windows", WINDOW, refusals=_NOT_UNDER_WAY)
def end_window(conn: sa.Connection, window_id: int) -> dict[str, Any]:
    """End the occurrence under way; 409 where none is."""
    return window_shape(windows.end_now(conn, current_scope(), window_id), db_now(conn))


@api.post("/windows/<id:window_id>/extend")
@acts(
    "Windows",
    WINDOW,
    body=fields_of({"minutes": a_whole_number(1, MAX_MINUTES)}, ["minutes"]),
    refusals=_NOT_UNDER_WAY,
)
def extend_window(conn: sa.Connection, window_id: int) -> dict[str, Any]:
    """Lengthen the occurrence under way by ``minutes``; 409 where none is."""
    windows.get_window(conn, current_scope(), window_id)
    row = windows.extend(conn, current_scope(), window_id, body()["minutes"])
    return window_shape(row, db_now(conn))
