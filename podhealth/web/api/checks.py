"""The checks of a pod: ``PUT /api/cloud-pods/ID/health/config`` and its DELETE."""

from typing import Any

from flask import request

from podhealth.core.check_rules import parse_check
from podhealth.core.errors import NotFound
from podhealth.core.words import Kind
from podhealth.store import checks, podstate, tenancy
from podhealth.store.db import write
from podhealth.web.api import api
from podhealth.web.api.body import json_object
from podhealth.web.api.shapes import check_shape
from podhealth.web.installed import engine_of
from podhealth.web.session import current_scope
from podhealth.web.telling import tell_browsers


@api.put("/cloud-pods/<id:pod_id>/health/config")
def put_check(pod_id: int) -> dict[str, Any]:
    """Create the check of that kind and name, or change the fields given; answer the row."""
    fields = json_object(request)
    with write(engine_of()) as conn:
        tenancy.get_pod(conn, current_scope(), pod_id)
        # Before the check is read: of two that change different fields at once, neither may undo the other.
        podstate.lock_pods(conn, [pod_id])
        name = fields.get("name", fields.get("checkType"))
        existing = checks.find_check(conn, current_scope(), pod_id, name) if isinstance(name, str) else None
        rules = parse_check(fields, None if existing is None else checks.rules_of(existing))
        row = checks.put_check(conn, current_scope(), pod_id, rules)
    tell_browsers()
    return check_shape(row)


@api.delete("/cloud-pods/<id:pod_id>/health/config/<check_type>")
def disable_check(pod_id: int, check_type: str) -> dict[str, Any]:
    """Disable the check whose name is its kind; 404 where there is none."""
    if check_type not in set(Kind):
        raise NotFound
    with write(engine_of()) as conn:
        tenancy.get_pod(conn, current_scope(), pod_id)
        checks.disable_check(conn, current_scope(), pod_id, check_type)
    tell_browsers()
    return {"disabled": True}
