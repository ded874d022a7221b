"""The tenant's policies as the seed has them: a list, and one POST that makes or changes."""

from typing import Any

from flask import jsonify, request
from flask.typing import ResponseReturnValue

from podhealth.core.words import Action
from podhealth.store import policies
from podhealth.store.db import read, write
from podhealth.web.api import api
from podhealth.web.api.body import json_object, take_number
from podhealth.web.api.shapes import policy_shape
from podhealth.web.installed import engine_of
from podhealth.web.session import current_scope
from podhealth.web.telling import tell_browsers


@api.get("/cloud-pods/auto-heal/policies")
def list_policies() -> ResponseReturnValue:
    """Answer all policies of the tenant as a bare array."""
    with read(engine_of()) as conn:
        return jsonify([policy_shape(row) for row in policies.list_policies(conn, current_scope())])


@api.post("/cloud-pods/auto-heal/policies")
def save_policy() -> dict[str, Any]:
    """Make a policy, or change the tenant's own one that ``id`` names; another's or an unknown id is 404."""
    fields = json_object(request)
    policy_id, version = take_number(fields, "id"), take_number(fields, "version")
    if policy_id is None and fields.get("steps") is None:
        fields.setdefault("action", Action.RESTART.value)  # the seed's default; forms make people choose
    with write(engine_of()) as conn:
        row = policies.save_policy(conn, current_scope(), fields, policy_id=policy_id, version=version)
    tell_browsers()
    return policy_shape(row)
