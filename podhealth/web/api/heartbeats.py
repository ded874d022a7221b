"""``POST /api/heartbeats``: an agent says that its pod is alive, by the pod's own token."""

from flask import request
from flask.typing import ResponseReturnValue

from podhealth.core.errors import InputError
from podhealth.store import inventory
from podhealth.store.db import write
from podhealth.web.api import api
from podhealth.web.api.body import json_object, refuse_unknown
from podhealth.web.errors import answer
from podhealth.web.installed import engine_of

_FIELDS = frozenset({"bootId", "periodSeconds"})


@api.post("/heartbeats")
def heartbeat() -> ResponseReturnValue:
    """Record a heartbeat at the server's clock; answers 204. ``bootId`` and ``periodSeconds`` (5–86400) may be given.

    The pod's own token is the only thing looked at: neither a session nor an API token opens this door.
    """
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() != "bearer" or not token.strip():
        return answer(401, "unauthorized", "Send the pod's token as Authorization: Bearer")
    # Not content_length: a body sent in chunks has none, and what it says must not be lost.
    fields = json_object(request) if request.get_data() else {}
    refuse_unknown(fields, _FIELDS)
    boot_id = fields.get("bootId")
    if boot_id is not None and not (isinstance(boot_id, str) and 0 < len(boot_id) <= 64 and boot_id.isprintable()):
        raise InputError("bootId", "must be 1 to 64 printable characters")
    period = fields.get("periodSeconds")
    if period is not None and (isinstance(period, bool) or not isinstance(period, int) or not 5 <= period <= 86_400):
        raise InputError("periodSeconds", "must be a whole number from 5 to 86400")
    with write(engine_of()) as conn:
        is_known = inventory.record_heartbeat(conn, token.strip(), boot_id, period)
    if not is_known:
        return answer(401, "unauthorized", "No pod has this token")
    return "", 204
