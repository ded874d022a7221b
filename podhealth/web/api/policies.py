"""The tenant's policies: as the seed has them, a list and one POST that makes or changes; and one of them."""

from typing import Any

import sqlalchemy as sa
from flask import jsonify
from flask.typing import ResponseReturnValue

from podhealth.core.policy import READERS, ROW_FIELDS
from podhealth.core.readers import AN_ID
from podhealth.core.words import Action
from podhealth.store import policies
from podhealth.store.db import read
from podhealth.web.api import api, etags
from podhealth.web.api.answers import POLICY
from podhealth.web.api.body import refuse_unknown, take_number
from podhealth.web.api.declare import a_new, acts, an_edit, edited, reads
from podhealth.web.api.schema import ANYTHING, done, many, maybe
from podhealth.web.api.shapes import policy_shape
from podhealth.web.installed import engine_of
from podhealth.web.session import current_scope

# Fields of the row that come back unread, as the seed's pages send them; ``id`` and ``version`` are heeded.
ROW = dict.fromkeys(ROW_FIELDS, ANYTHING) | {"id": maybe(AN_ID.schema), "version": maybe(AN_ID.schema)}


@api.get("/cloud-pods/auto-heal/policies")
@reads("Policies", many(POLICY))
def list_policies() -> ResponseReturnValue:
    """Answer all policies of the tenant as a bare array."""
    with read(engine_of()) as conn:
        return jsonify([policy_shape(row) for row in policies.list_policies(conn, current_scope())])


@api.post("/cloud-pods/auto-heal/policies")
@acts(
    "Policies",
    POLICY,
    body=a_new(READERS, (), **ROW),
    is_edit=True,
    refusals={404: "`id` names no policy of the tenant."},
)
def save_policy(conn: sa.Connection) -> dict[str, Any]:
    """Make a policy, or change the tenant's own one that ``id`` names; another's or an unknown id is 404."""
    fields, version = edited()
    policy_id = take_number(fields, "id")
    if policy_id is None and fields.get("steps") is None:
        fields.setdefault("action", Action.RESTART.value)  # the seed's default; forms make people choose
    row = policies.save_policy(conn, current_scope(), fields, policy_id=policy_id, version=version)
    return policy_shape(row)


@api.get("/policies/<id:policy_id>")
@reads("Policies", POLICY)
def get_policy(policy_id: int) -> dict[str, Any]:
    """Answer one policy."""
    with read(engine_of()) as conn:
        return policy_shape(policies.get_policy(conn, current_scope(), policy_id))


@api.patch("/policies/<id:policy_id>")
@acts("Policies", POLICY, body=an_edit(READERS), is_edit=True)
def change_policy(conn: sa.Connection, policy_id: int) -> dict[str, Any]:
    """Change the fields given; with ``version``, only where nobody else has since."""
    policies.get_policy(conn, current_scope(), policy_id)
    fields, version = edited()
    refuse_unknown(fields, frozenset(READERS))
    row = policies.save_policy(conn, current_scope(), fields, policy_id=policy_id, version=version)
    return policy_shape(row)


@api.delete("/policies/<id:policy_id>")
@acts("Policies", done("deleted"), is_edit=True)
def delete_policy(conn: sa.Connection, policy_id: int) -> dict[str, Any]:
    """Delete a policy; its pods are bound anew, and open episodes of it are closed."""
    policies.delete_policy(conn, current_scope(), policy_id, etags.wanted())
    return {"deleted": True}
