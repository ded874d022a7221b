"""The checks of a pod by their own ids: ``/api/pods/ID/checks``."""

from typing import Any

import sqlalchemy as sa
from flask import jsonify
from flask.typing import ResponseReturnValue

from podhealth.core.check_rules import parse_check
from podhealth.core.check_schema import check_schema
from podhealth.core.errors import InputError
from podhealth.core.readers import AN_ID
from podhealth.store import checks, podstate, tenancy
from podhealth.store.db import read
from podhealth.web.api import api, etags
from podhealth.web.api.answers import CHECK
from podhealth.web.api.declare import acts, as_core_reads, body, edited, reads
from podhealth.web.api.schema import done, many, maybe
from podhealth.web.api.shapes import check_shape
from podhealth.web.installed import engine_of
from podhealth.web.session import current_scope


@api.get("/pods/<id:pod_id>/checks")
@reads("Checks", many(CHECK))
def list_checks(pod_id: int) -> ResponseReturnValue:
    """Answer the pod's checks by name, disabled ones too, as a bare array."""
    with read(engine_of()) as conn:
        return jsonify([check_shape(row) for row in checks.list_checks(conn, current_scope(), pod_id)])


@api.post("/pods/<id:pod_id>/checks")
@acts("Checks", CHECK, status=201, body=as_core_reads(check_schema(is_new=True)))
def add_check(conn: sa.Connection, pod_id: int) -> ResponseReturnValue:
    """Add a check; a name that is taken is refused. Without a name it is called by its kind."""
    tenancy.get_pod(conn, current_scope(), pod_id)
    rules = parse_check(body())
    podstate.lock_pods(conn, [pod_id])
    if checks.find_check(conn, current_scope(), pod_id, rules.name) is not None:
        raise InputError("name", "the pod has a check of this name already", code="taken")
    return check_shape(checks.put_check(conn, current_scope(), pod_id, rules)), 201


@api.get("/pods/<id:pod_id>/checks/<id:check_id>")
@reads("Checks", CHECK)
def get_check(pod_id: int, check_id: int) -> dict[str, Any]:
    """Answer one check as it is set up."""
    with read(engine_of()) as conn:
        return check_shape(checks.get_check(conn, current_scope(), pod_id, check_id))


@api.patch("/pods/<id:pod_id>/checks/<id:check_id>")
@acts(
    "Checks",
    CHECK,
    body=as_core_reads(check_schema(is_new=False, is_kind_known=True, version=maybe(AN_ID.schema))),
    is_edit=True,
)
def change_check(conn: sa.Connection, pod_id: int, check_id: int) -> dict[str, Any]:
    """Change the fields given; its kind stays. It knows nothing then, and is probed at once."""
    checks.get_check(conn, current_scope(), pod_id, check_id)
    fields, version = edited()
    podstate.lock_pods(conn, [pod_id])
    row = checks.get_check(conn, current_scope(), pod_id, check_id)
    etags.require(version, row.generation)
    rules = parse_check(fields, checks.rules_of(row))
    return check_shape(checks.put_check(conn, current_scope(), pod_id, rules, check_id))


@api.delete("/pods/<id:pod_id>/checks/<id:check_id>")
@acts("Checks", done("deleted"), is_edit=True)
def remove_check(conn: sa.Connection, pod_id: int, check_id: int) -> dict[str, Any]:
    """Delete a check with its state; its results go with time."""
    checks.get_check(conn, current_scope(), pod_id, check_id)
    podstate.lock_pods(conn, [pod_id])
    row = checks.get_check(conn, current_scope(), pod_id, check_id)
    etags.require(etags.wanted(), row.generation)
    checks.delete_check(conn, current_scope(), pod_id, row.name)
    return {"deleted": True}
