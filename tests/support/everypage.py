"""Every page that there is, found from the routes themselves: a page added later is in here without anybody's doing."""

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import sqlalchemy as sa
from flask import Flask

from podhealth.core.words import Role
from podhealth.models import db
from podhealth.web.access import RULES, Door
from podhealth.web.ids import IdConverter
from tests.support.cast import House

# Files, answers for programs, and addresses that only send people on.
_NO_PAGES = frozenset(
    {
        "assets.own",
        "assets.packaged_file",
        "assets.agent",
        "health.alive",
        "sockets.live",
        "pods.home",
        "account.after_password",
        "audit.export",
        "heals.export",
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


def id_of(engine: sa.Engine, house: House, noun: str) -> Any:
    """Return the id of one such thing of the house: the one it is known by, else its oldest; 1 where it has none."""
    known = getattr(house, f"{noun}_id", None)
    for mapper in db.Model.registry.mappers if known is None else ():
        table = mapper.local_table
        if mapper.class_.__name__.lower().endswith(noun) and {"tenant_id", "id"} <= set(table.c.keys()):
            with engine.connect() as conn:
                known = conn.scalar(sa.select(sa.func.min(table.c.id)).where(table.c.tenant_id == house.tenant_id))
    return known or 1
