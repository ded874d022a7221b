"""What the healer did to a pod, and the reset: ``/api/cloud-pods/ID/auto-heal/…``."""

from typing import Any

from flask.typing import ResponseReturnValue

from podhealth.store import heals, tenancy
from podhealth.store.db import read, write
from podhealth.web.api import api
from podhealth.web.api.newest_first import answer_part, asked_part
from podhealth.web.api.shapes import heal_shape
from podhealth.web.installed import engine_of
from podhealth.web.session import current_scope
from podhealth.web.telling import tell_browsers


@api.get("/cloud-pods/<id:pod_id>/auto-heal/history")
def heal_history(pod_id: int) -> ResponseReturnValue:
    """Answer the pod's heals, newest first, as a bare array; the ``Link`` header leads to older ones."""
    part = asked_part(limit=20)
    with read(engine_of()) as conn:
        tenancy.get_pod(conn, current_scope(), pod_id)
        rows = list(heals.heal_log(conn, current_scope(), pod_id, part.reads, part.before))
    return answer_part(part, rows, heal_shape, lambda row: row.id)


@api.post("/cloud-pods/<id:pod_id>/auto-heal/reset")
def reset_heals(pod_id: int) -> dict[str, Any]:
    """Close the pod's episode and forget its attempts and cooldown; audited."""
    with write(engine_of(), durable=True) as conn:
        tenancy.get_pod(conn, current_scope(), pod_id)
        heals.reset(conn, current_scope(), pod_id)
    tell_browsers()
    return {"reset": True}
