"""Every page that there is, found from the routes themselves: a page added later is in here without anybody's doing."""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa
from flask import Flask
from playwright.sync_api import Page, Response

from podhealth.core.words import Role
from podhealth.models import SignInLink, db
from podhealth.store import accounts, approval_links, members, walllinks
from podhealth.store.db import db_now
from podhealth.store.tenancy import Scope
from podhealth.web.access import RULES, Door
from podhealth.web.ids import IdConverter
from tests.support.cast import House
from tests.support.webserver import WebServer

# Files, answers for programs, and addresses that only send people on.
_NO_PAGES = frozenset(
    {
        "assets.own",
        "assets.packaged_file",
        "assets.agent",
        "api.openapi",
        "health.alive",
        "health.ready",
        "metrics.show",
        "sockets.live",
        "pods.home",
        "account.after_password",
        "audit.export",
        "heals.export",
        "configuration.export",
        "public.as_json",
        "public.feed",
        "pods.ask_bulk",
        "pods.drift",
        "pods.ask_heal",
    }
)
# Other looks of pages, by the endpoint and the query.
LOOKS = {
    "pods.list": ("view=dense", "group=node", "q=nothing-like-this"),
    "policies.show": ("tab=pods", "tab=replay", "tab=versions", "tab=effect"),
    "ops.show": ("tab=workers", "tab=vantages", "tab=breakers", "tab=queues", "tab=tenants"),
    "windows.list": ("view=list",),
    "checks.new": ("kind=http",),
    "pods.show": ("range=30d", "events=heals", "range=7d&at=2026-01-31T00:00:00Z"),
}


class Address(NamedTuple):
    """One page: a name for tests and files, where it is, and the least role that sees it; null: anybody."""

    name: str
    endpoint: str
    path: str
    role: Role | None


def addresses(app: Flask, id_of: Callable[[str], object], text_of: Callable[[str, str], str]) -> Iterator[Address]:
    """Yield every page of ``app``: ``id_of("pod")`` and ``text_of(endpoint, "token")`` say what stands in its path."""
    for route in sorted(app.url_map.iter_rules(), key=lambda route: route.rule):
        endpoint, rule = route.endpoint, RULES[route.endpoint]
        if "GET" not in (route.methods or ()) or rule.door not in (Door.PAGE, Door.OPEN) or endpoint in _NO_PAGES:
            continue
        path = route.rule
        for name, converter in route._converters.items():
            is_id = isinstance(converter, IdConverter)
            value = id_of(name.removesuffix("_id")) if is_id else text_of(endpoint, name)
            path = re.sub(rf"<([a-z]+:)?{name}>", str(value), path)
        name = re.sub(r"[^a-z]+", "-", re.sub(r"<[^>]*>", "one", route.rule)).strip("-") or "home"
        yield Address(name, endpoint, path, rule.role)
        for look in LOOKS.get(endpoint, ()):
            yield Address(f"{name}-{look.replace('=', '-')}", endpoint, f"{path}?{look}", rule.role)


def secrets_of(conn: sa.Connection, scope: Scope, user_id: int, approval_id: int) -> dict[str, str]:
    """Make one of each secret that stands in a page's path, all still good, and return them by endpoint."""
    token, now = accounts.new_link_token(), db_now(conn)
    reset = {"user_id": user_id, "token_hash": accounts.hash_of(token), "is_reset": True, "created_at": now}
    conn.execute(sa.insert(SignInLink).values(**reset, expires_at=now + timedelta(minutes=30)))
    return {
        "wall.by_link": walllinks.create_link(conn, scope, "kitchen", ""),
        "joining.invitation": members.invite(conn, scope, "nina@acme.example", Role.OPERATOR, False),
        "joining.reset": token,
        "account.link": accounts.create_sign_in_link(conn, user_id, timedelta(hours=1)),
        "approvals.link": approval_links.token_for(approval_id, "channel on-call"),
    }


def go(page: Page, web: WebServer, address: Address) -> Response | None:
    """Open a page; of the one that asks for the code, as somebody whose password was right."""
    if address.endpoint == "second_factor.code":
        name, _, value = web.cookie_of_first_step(1).partition("=")
        page.context.add_cookies([{"name": name, "value": value, "url": web.origin}])
    return page.goto(web.origin + address.path)


def id_of(engine: sa.Engine, house: House, noun: str) -> Any:
    """Return the id of one such thing of the house: the one it is known by, else its oldest; 1 where it has none."""
    known = getattr(house, f"{noun}_id", None)
    for mapper in db.Model.registry.mappers if known is None else ():
        table = mapper.local_table
        if mapper.class_.__name__.lower().endswith(noun) and {"tenant_id", "id"} <= set(table.c.keys()):
            with engine.connect() as conn:
                known = conn.scalar(sa.select(sa.func.min(table.c.id)).where(table.c.tenant_id == house.tenant_id))
    return known or 1
