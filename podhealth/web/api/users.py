"""The people of a tenant: ``/api/users``, and who is invited: ``/api/invitations``."""

from typing import Any

import sqlalchemy as sa
from flask import jsonify
from flask.typing import ResponseReturnValue

from podhealth.core.readers import A_FLAG, a_line, a_word
from podhealth.core.words import Role
from podhealth.models import Invitation, User
from podhealth.store import members, tenancy
from podhealth.store.accounts import MAX_EMAIL
from podhealth.store.db import read
from podhealth.web.api import api
from podhealth.web.api.declare import acts, body, fields_of, reads
from podhealth.web.api.schema import FLAG, ID, TEXT, TIME, answer, done, many, maybe, words
from podhealth.web.api.shapes import iso
from podhealth.web.installed import engine_of, installed
from podhealth.web.platform import platform
from podhealth.web.session import current_scope, person_id

_ROLE = a_word((Role.VIEWER, Role.OPERATOR, Role.ADMIN))

USER = answer(
    "User",
    id=ID,
    name=TEXT,
    email=TEXT,
    role=words(Role),
    active=FLAG,
    secondFactor=FLAG,
    lastSeenAt=maybe(TIME),
)
INVITED = answer("Invitation", id=ID, email=TEXT, role=words(Role), createdBy=TEXT, expiresAt=TIME)


@api.get("/users")
@reads("Users", many(USER))
def list_users() -> ResponseReturnValue:
    """Answer the tenant's people as a bare array, those with access first."""
    with read(engine_of()) as conn:
        return jsonify([_user(one) for one in members.members(conn, current_scope())])


@api.patch("/users/<id:user_id>")
@acts("Users", USER, body=fields_of({"role": _ROLE, "active": A_FLAG}), refusals={409: "Nobody else is admin."})
def change_user(conn: sa.Connection, user_id: int) -> dict[str, Any]:
    """Let a person do more or less, take the access away (``active``: false) or give it back; it counts at once."""
    tenancy.get_own(conn, current_scope(), User, user_id, "user")
    asked = body()
    if "role" in asked:
        members.change_role(conn, current_scope(), user_id, asked["role"])
    if "active" in asked:
        members.switch_access(conn, current_scope(), user_id, asked["active"], person_id())
    return next(_user(one) for one in members.members(conn, current_scope()) if one.user_id == user_id)


@api.get("/invitations")
@reads("Users", many(INVITED))
def list_invitations() -> ResponseReturnValue:
    """Answer who is invited and has not joined, the newest first, as a bare array."""
    with read(engine_of()) as conn:
        return jsonify([_invited(one) for one in members.invited(conn, current_scope())])


@api.post("/invitations")
@acts(
    "Users",
    answer("NewInvitation", **INVITED["properties"], link=TEXT),
    status=201,
    body=fields_of({"email": a_line(MAX_EMAIL), "role": _ROLE}, ["email", "role"]),
    refusals={409: "There is an account for the address already."},
    has_secret=True,
)
def invite_user(conn: sa.Connection) -> ResponseReturnValue:
    """Invite an address; the link is in this answer alone, and mailed where there is a mail server."""
    asked = body()
    token = members.invite(conn, current_scope(), asked["email"], asked["role"], platform().has_mail)
    made = members.invited(conn, current_scope())[0]
    return _invited(made) | {"link": f"{installed().settings.public_url}/invite/{token}"}, 201


@api.delete("/invitations/<id:invitation_id>")
@acts("Users", done("withdrawn"))
def withdraw_invitation(conn: sa.Connection, invitation_id: int) -> dict[str, Any]:
    """End an invitation; one that is over stays so."""
    tenancy.get_own(conn, current_scope(), Invitation, invitation_id, "invitation")
    members.withdraw(conn, current_scope(), invitation_id)
    return {"withdrawn": True}


def _user(one: members.Member) -> dict[str, Any]:
    return {
        "id": one.user_id,
        "name": one.name,
        "email": one.email,
        "role": one.role,
        "active": one.active,
        "secondFactor": one.has_second_factor,
        "lastSeenAt": iso(one.last_seen_at),
    }


def _invited(one: members.Invited) -> dict[str, Any]:
    return {
        "id": one.invitation_id,
        "email": one.email,
        "role": one.role,
        "createdBy": one.created_by,
        "expiresAt": iso(one.expires_at),
    }
