"""The token of a pod's agent: ``/api/cloud-pods/ID/agent-token``."""

from typing import Any

from podhealth.store import inventory
from podhealth.store.db import write
from podhealth.web.api import api
from podhealth.web.installed import engine_of, installed
from podhealth.web.session import current_scope
from podhealth.web.telling import tell_browsers


@api.post("/cloud-pods/<id:pod_id>/agent-token")
def rotate_agent_token(pod_id: int) -> dict[str, Any]:
    """Give the pod's agent another token, which is in this answer and in no other; the one before ends."""
    with write(engine_of(), durable=True) as conn:
        token = inventory.set_agent_token(conn, current_scope(), pod_id)
    tell_browsers()
    return {"token": token, "url": installed().settings.public_url.rstrip("/") + "/api/heartbeats"}
