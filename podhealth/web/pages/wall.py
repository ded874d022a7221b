"""The wall: a tenant's pods on a screen in an office, read from four metres, by a session or by a link of its own."""

from typing import NamedTuple

from flask import Blueprint, redirect, render_template, request
from flask.typing import ResponseReturnValue

from podhealth.core.errors import Conflict, InputError, NotFound
from podhealth.models.base import to_us
from podhealth.store import walllinks
from podhealth.store.db import db_now, read, write
from podhealth.store.wall import wall_view
from podhealth.web.installed import engine_of, installed
from podhealth.web.session import current_scope
from podhealth.web.shell import open_shell

pages = Blueprint("wall", __name__)

_LONGEST = 63
_LIMIT, _MOST = 60, 200
_THEMES = ("dark", "light", "system")


class WallForm(NamedTuple):
    """What the query string asks for; what it cannot ask for counts as not asked."""

    tag: str | None
    node: str | None
    limit: int
    has_sound: bool
    theme: str


@pages.get("/wall")
def show() -> ResponseReturnValue:
    """Show the wall of the caller's tenant."""
    return _wall(current_scope().tenant_id)


@pages.get("/wall/<token>")
def by_link(token: str) -> ResponseReturnValue:
    """Show the wall that this link opens."""
    tenant_id = walllinks.tenant_of(engine_of(), token)
    if tenant_id is None:
        raise NotFound
    return _wall(tenant_id)


@pages.get("/wall/links")
def links() -> ResponseReturnValue:
    """List the links of the tenant."""
    return _links()


@pages.post("/wall/links")
def create_link() -> ResponseReturnValue:
    """Make a link and show it, this once."""
    typed = {name: request.form.get(name, "").strip() for name in ("name", "lifetime")}
    try:
        with write(engine_of(), durable=True) as conn:
            plain = walllinks.create_link(conn, current_scope(), typed["name"], typed["lifetime"])
    except InputError as refused:
        return _links(typed, {refused.field: refused.message}, 422)
    except Conflict as refused:
        return _links(typed, {"name": str(refused)}, 422)
    return _links(link=f"{installed().settings.public_url}/wall/{plain}")


@pages.post("/wall/links/<id:link_id>/end")
def end_link(link_id: int) -> ResponseReturnValue:
    """End a link: its screens go dark within seconds."""
    with write(engine_of(), durable=True) as conn:
        walllinks.revoke_link(conn, current_scope(), link_id)
    return redirect("/wall/links", 303)


def _wall(tenant_id: int) -> ResponseReturnValue:
    asked = _read()
    with read(engine_of()) as conn:
        now = db_now(conn)
        view = wall_view(conn, tenant_id, now, asked.limit, asked.tag, asked.node)
    # The page asks for its own middle again and again; the rest stays, so that memory does.
    name = "wall/view.html" if request.args.get("part") == "1" else "wall/page.html"
    return render_template(name, wall=view, asked=asked, now_ms=to_us(now) // 1000)


def _read() -> WallForm:
    args = request.args
    limit = args.get("limit", "")
    is_number = limit.isascii() and limit.isdecimal() and len(limit) < 5 and 1 <= int(limit) <= _MOST
    return WallForm(
        args.get("tag", "").strip()[:_LONGEST] or None,
        args.get("node", "").strip()[:_LONGEST] or None,
        int(limit) if is_number else _LIMIT,
        args.get("sound") == "1",
        args.get("theme", "") if args.get("theme", "") in _THEMES else "dark",
    )


def _links(
    typed: dict[str, str] | None = None,
    errors: dict[str, str] | None = None,
    status: int = 200,
    link: str | None = None,
) -> ResponseReturnValue:
    with read(engine_of()) as conn:
        shell = open_shell(conn)
        listed = walllinks.links_of(conn, current_scope())
    text = render_template(
        "pages/wall/links.html",
        shell=shell,
        links=listed,
        typed=typed or {"name": "", "lifetime": "365"},
        errors=errors or {},
        link=link,
        lifetimes={"30": "30 days", "90": "90 days", "365": "a year", "": "no end"},
    )
    return text, status
