"""The tokens of a tenant's programs: which there are, making one, ending one."""

from flask import Blueprint, redirect, render_template, request
from flask.typing import ResponseReturnValue

from podhealth.core.errors import InputError
from podhealth.core.words import Role
from podhealth.models import ApiToken
from podhealth.store import tokens
from podhealth.store.db import read, write
from podhealth.store.tenancy import get_own
from podhealth.web.installed import engine_of
from podhealth.web.session import current_scope
from podhealth.web.shell import open_shell

pages = Blueprint("tokens", __name__)

ROLES = {
    Role.VIEWER: "reads",
    Role.OPERATOR: "also snoozes, heals, acknowledges and approves",
    Role.ADMIN: "also edits pods, checks, policies, windows and channels",
}
_EMPTY = {"name": "", "role": Role.VIEWER.value, "length": "90", "until": ""}


@pages.get("/tokens", endpoint="list")
def show_list() -> ResponseReturnValue:
    """Show the tokens that are good, and a form for another."""
    return _page()


@pages.post("/tokens")
def create() -> ResponseReturnValue:
    """Make a token and show it, this once."""
    typed = {name: request.form.get(name, "").strip() for name in _EMPTY}
    try:
        with write(engine_of(), durable=True) as conn:
            plain = tokens.make_token(conn, current_scope(), **typed)
    except InputError as refused:
        return _page(typed, {refused.field: refused.message}, 422)
    return _page(plain=plain, made=typed["name"])


@pages.get("/tokens/<id:token_id>/end")
def confirm_end(token_id: int) -> ResponseReturnValue:
    """Say what ending it does, and ask."""
    with read(engine_of()) as conn:
        shell = open_shell(conn)
        token = get_own(conn, current_scope(), ApiToken, token_id, "token")
    return render_template("pages/tokens/end.html", shell=shell, token=token)


@pages.post("/tokens/<id:token_id>/end")
def end(token_id: int) -> ResponseReturnValue:
    """End it at once."""
    with write(engine_of(), durable=True) as conn:
        tokens.end_token(conn, current_scope(), token_id)
    return redirect("/tokens", 303)


def _page(
    typed: dict[str, str] | None = None,
    errors: dict[str, str] | None = None,
    status: int = 200,
    *,
    plain: str | None = None,
    made: str | None = None,
) -> ResponseReturnValue:
    with read(engine_of()) as conn:
        shell = open_shell(conn)
        listed = tokens.tokens_of(conn, current_scope())
    text = render_template(
        "pages/tokens/list.html",
        shell=shell,
        tokens=listed,
        typed=typed or _EMPTY,
        errors=errors or {},
        roles=ROLES,
        lengths={"30": "30 days", "90": "90 days", "365": "a year", tokens.UNTIL: "until…"},
        plain=plain,
        made=made,
    )
    return text, status
