"""What the healer did to a pod, and the reset: ``/api/cloud-pods/ID/auto-heal/…``."""

from typing import Any

import sqlalchemy as sa
from flask.typing import ResponseReturnValue

from podhealth.models import Heal
from podhealth.store import heals, tenancy
from podhealth.store.db import read
from podhealth.web.api import api
from podhealth.web.api.answers import HEAL
from podhealth.web.api.declare import acts, reads
from podhealth.web.api.newest_first import PARTS, answer_part, asked_part
from podhealth.web.api.schema import done, many
from podhealth.web.api.shapes import heal_shape
from podhealth.web.installed import engine_of
from podhealth.web.session import current_scope


@api.get("/cloud-pods/<id:pod_id>/auto-heal/history")
@reads("Healing", many(HEAL), query=PARTS, links_on=True)
def heal_history(pod_id: int) -> ResponseReturnValue:
    """Answer the pod's heals, newest first, as a bare array; the ``Link`` header leads to older ones."""
    part = asked_part(limit=20)
    with read(engine_of()) as conn:
        tenancy.get_pod(conn, current_scope(), pod_id)
        rows = list(heals.heal_log(conn, current_scope(), pod_id, part.reads, part.before))
    return answer_part(part, rows, heal_shape, lambda row: row.id)


@api.get("/heals")
@reads("Healing", many(HEAL), query=PARTS, links_on=True)
def list_heals() -> ResponseReturnValue:
    """Answer all heals of the tenant, newest first, as a bare array; the ``Link`` header leads to older ones."""
    part = asked_part()
    with read(engine_of()) as conn:
        rows = list(heals.heal_log(conn, current_scope(), None, part.reads, part.before))
    return answer_part(part, rows, heal_shape, lambda row: row.id)


@api.get("/heals/<id:heal_id>")
@reads("Healing", HEAL)
def get_heal(heal_id: int) -> dict[str, Any]:
    """Answer one heal."""
    with read(engine_of()) as conn:
        return heal_shape(tenancy.get_own(conn, current_scope(), Heal, heal_id, "heal"))


@api.post("/heals/<id:heal_id>/cancel")
@acts("Healing", HEAL, refusals={409: "It has begun, so it is followed to its end."})
def cancel_heal(conn: sa.Connection, heal_id: int) -> dict[str, Any]:
    """Cancel a heal that is planned and not begun, and give its attempt back."""
    heals.cancel_planned(conn, current_scope(), heal_id)
    return heal_shape(tenancy.get_own(conn, current_scope(), Heal, heal_id, "heal"))


@api.post("/cloud-pods/<id:pod_id>/auto-heal/reset")
@acts("Healing", done("reset"))
def reset_heals(conn: sa.Connection, pod_id: int) -> dict[str, Any]:
    """Close the pod's episode and forget its attempts and cooldown; audited."""
    heals.reset(conn, current_scope(), pod_id)
    return {"reset": True}
