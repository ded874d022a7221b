"""The people of a tenant: who there is and who is invited, what each may do, and taking access away."""

from typing import Any

from flask import Blueprint, g, redirect, render_template, request
from flask.typing import ResponseReturnValue

from podhealth.core.errors import Conflict, Forbidden, InputError
from podhealth.core.fields import word
from podhealth.core.words import Role
from podhealth.models import User
from podhealth.store import members
from podhealth.store.db import read, write
from podhealth.store.tenancy import get_own
from podhealth.web.installed import engine_of, installed
from podhealth.web.platform import platform
from podhealth.web.session import current_scope
from podhealth.web.shell import open_shell

pages = Blueprint("users", __name__)

ROLES = {
    Role.VIEWER: "sees everything, changes nothing",
    Role.OPERATOR: "also snoozes, heals, acknowledges and approves",
    Role.ADMIN: "also edits pods, policies, channels, users and tokens",
}


@pages.get("/users", endpoint="list")
def show_list() -> ResponseReturnValue:
    """Show everybody of the tenant, and who is invited."""
    return _page()


@pages.post("/users/invite")
def invite() -> ResponseReturnValue:
    """Invite an address; the link is shown this once, and mailed where there is a mail server."""
    typed = {name: request.form.get(name, "").strip() for name in ("email", "role")}
    try:
        role = word("role", typed["role"], Role)
        with write(engine_of(), durable=True) as conn:
            token = members.invite(conn, current_scope(), typed["email"], role, platform().has_mail)
    except InputError as refused:
        return _page(typed, {refused.field: refused.message}, 422)
    except Conflict as refused:
        return _page(typed, {"email": str(refused)}, 422)
    return _page(link=f"{installed().settings.public_url}/invite/{token}", link_for=typed["email"])


@pages.post("/users/invitations/<id:invitation_id>/withdraw")
def withdraw(invitation_id: int) -> ResponseReturnValue:
    """End an invitation."""
    with write(engine_of(), durable=True) as conn:
        members.withdraw(conn, current_scope(), invitation_id)
    return redirect("/users", 303)


@pages.post("/users/<id:user_id>/role")
def change_role(user_id: int) -> ResponseReturnValue:
    """Let a person do more or less."""
    return _do(lambda conn: members.change_role(conn, current_scope(), user_id, request.form.get("role", "")))


@pages.get("/users/<id:user_id>/remove")
def confirm_remove(user_id: int) -> ResponseReturnValue:
    """Say what taking the access away does, and ask."""
    with read(engine_of()) as conn:
        shell = open_shell(conn)
        person = get_own(conn, current_scope(), User, user_id, "user")
        tokens = members.tokens_made_by(conn, current_scope(), person.email)
    return render_template("pages/users/remove.html", shell=shell, one=person, tokens=tokens)


@pages.post("/users/<id:user_id>/remove")
def remove(user_id: int) -> ResponseReturnValue:
    """Take a person's access away: sessions end, and open pages close within seconds."""
    return _do(lambda conn: members.switch_access(conn, current_scope(), user_id, False, g.person.id))


@pages.post("/users/<id:user_id>/restore")
def restore(user_id: int) -> ResponseReturnValue:
    """Give a person the access back."""
    return _do(lambda conn: members.switch_access(conn, current_scope(), user_id, True, g.person.id))


def _do(do: Any) -> ResponseReturnValue:
    try:
        with write(engine_of(), durable=True) as conn:
            do(conn)
    except (Conflict, Forbidden) as refused:
        return _page(said=str(refused), status=409)
    return redirect("/users", 303)


def _page(
    typed: dict[str, str] | None = None,
    errors: dict[str, str] | None = None,
    status: int = 200,
    *,
    said: str | None = None,
    link: str | None = None,
    link_for: str | None = None,
) -> ResponseReturnValue:
    with read(engine_of()) as conn:
        shell = open_shell(conn)
        everybody = members.members(conn, current_scope())
        invited = members.invited(conn, current_scope())
    text = render_template(
        "pages/users/list.html",
        shell=shell,
        members=everybody,
        invited=invited,
        roles={role.value: words for role, words in ROLES.items()},
        typed=typed or {"email": "", "role": Role.VIEWER.value},
        errors=errors or {},
        said=said,
        link=link,
        link_for=link_for,
        has_mail=platform().has_mail,
    )
    return text, status
