"""What the healer did to a pod, and the reset: ``/api/cloud-pods/ID/auto-heal/…``."""

from typing import Any

from flask import jsonify, request, url_for
from flask.typing import ResponseReturnValue

from podhealth.store import heals, tenancy
from podhealth.store.db import read, write
from podhealth.web.api import api
from podhealth.web.api.body import query_int, query_text
from podhealth.web.api.cursors import decode, encode
from podhealth.web.api.shapes import heal_shape
from podhealth.web.installed import engine_of
from podhealth.web.session import current_scope
from podhealth.web.telling import tell_browsers

_MOST = 200


@api.get("/cloud-pods/<id:pod_id>/auto-heal/history")
def heal_history(pod_id: int) -> ResponseReturnValue:
    """Answer the pod's heals, newest first, as a bare array; the ``Link`` header leads to older ones."""
    limit = query_int(request, "limit", 20, 1, _MOST)
    cursor = query_text(request, "cursor")
    before = None if cursor is None else decode(cursor, 1)[0]
    with read(engine_of()) as conn:
        tenancy.get_pod(conn, current_scope(), pod_id)
        rows = list(heals.heal_log(conn, current_scope(), pod_id, limit + 1, before))
    answer = jsonify([heal_shape(row) for row in rows[:limit]])
    if len(rows) > limit:
        older = url_for("api.heal_history", pod_id=pod_id, limit=limit, cursor=encode(rows[limit - 1].id))
        answer.headers["Link"] = f'<{older}>; rel="next"'
    return answer


@api.post("/cloud-pods/<id:pod_id>/auto-heal/reset")
def reset_heals(pod_id: int) -> dict[str, Any]:
    """Close the pod's episode and forget its attempts and cooldown; audited."""
    with write(engine_of(), durable=True) as conn:
        tenancy.get_pod(conn, current_scope(), pod_id)
        heals.reset(conn, current_scope(), pod_id)
    tell_browsers()
    return {"reset": True}
