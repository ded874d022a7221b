"""The checks of a pod: ``PUT /api/cloud-pods/ID/health/config`` and its DELETE."""

from typing import Any

import sqlalchemy as sa

from podhealth.core.check_rules import parse_check
from podhealth.core.check_schema import check_schema
from podhealth.core.errors import NotFound
from podhealth.core.words import Kind
from podhealth.store import checks, podstate, tenancy
from podhealth.web.api import api
from podhealth.web.api.answers import CHECK
from podhealth.web.api.declare import acts, as_core_reads, body
from podhealth.web.api.schema import done, words
from podhealth.web.api.shapes import check_shape
from podhealth.web.session import current_scope


@api.put("/cloud-pods/<id:pod_id>/health/config")
@acts("Checks", CHECK, body=as_core_reads(check_schema(is_new=False)))
def put_check(conn: sa.Connection, pod_id: int) -> dict[str, Any]:
    """Create the check of that kind and name, or change the fields given; answer the row."""
    fields = body()
    tenancy.get_pod(conn, current_scope(), pod_id)
    # Before the check is read: of two that change different fields at once, neither may undo the other.
    podstate.lock_pods(conn, [pod_id])
    name = fields.get("name", fields.get("checkType"))
    existing = checks.find_check(conn, current_scope(), pod_id, name) if isinstance(name, str) else None
    rules = parse_check(fields, None if existing is None else checks.rules_of(existing))
    return check_shape(checks.put_check(conn, current_scope(), pod_id, rules))


@api.delete("/cloud-pods/<id:pod_id>/health/config/<check_type>")
@acts("Checks", done("disabled"), path={"check_type": words(Kind)})
def disable_check(conn: sa.Connection, pod_id: int, check_type: str) -> dict[str, Any]:
    """Disable the check whose name is its kind; 404 where there is none."""
    if check_type not in set(Kind):
        raise NotFound
    tenancy.get_pod(conn, current_scope(), pod_id)
    checks.disable_check(conn, current_scope(), pod_id, check_type)
    return {"disabled": True}
