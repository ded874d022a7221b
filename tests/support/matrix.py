"""Every way to knock at every door: which requests the table of access lets in, computed from it and the routes alone.

A route that is added later is in here without anybody writing a test for it.
"""

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import Any, NamedTuple

import sqlalchemy as sa
from flask import Flask
from werkzeug.routing import Rule as Route

from podhealth import clock
from podhealth.core.words import Role
from podhealth.models import Session, db
from podhealth.store.db import write
from podhealth.web.access import RULES, Door, Rule, allows
from podhealth.web.ids import IdConverter
from tests.support.build import a_user
from tests.support.cast import Caller, House, Site, a_platform_session, a_session

SAFE = ("GET", "HEAD")
METHODS = (*SAFE, "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND")
MISSING = 987_654_321
MALFORMED = ("12abc", "+1", "01", "%D9%A3", str(2**63), "1" + "0" * 30, "1.0", "-1", "0")
_TEXTS = {"check_type": "ping", "name": "app.css"}


class By(StrEnum):
    """What a caller shows."""

    NOTHING = "nothing"
    SESSION = "session"
    TOKEN = "token"
    AGENT = "agent"


class Identity(NamedTuple):
    """Who knocks. ``role`` null: whatever they show is worth nothing (any more)."""

    name: str
    by: By
    role: Role | None
    is_zeta: bool = False

    def house(self, site: Site) -> House:
        return site.zeta if self.is_zeta else site.acme

    def stranger(self, site: Site) -> House:
        """The tenant of which this caller must see nothing."""
        return site.acme if self.is_zeta else site.zeta


IDENTITIES = (
    Identity("anonymous", By.NOTHING, None),
    Identity("vic", By.SESSION, Role.VIEWER),
    Identity("ann", By.SESSION, Role.OPERATOR),
    Identity("adam", By.SESSION, Role.ADMIN),
    Identity("zoe", By.SESSION, Role.ADMIN, is_zeta=True),
    Identity("op", By.SESSION, Role.PLATFORM),  # who looks into acme
    Identity("ended session", By.SESSION, None),
    Identity("deactivated person", By.SESSION, None),
    Identity("viewer", By.TOKEN, Role.VIEWER),
    Identity("operator", By.TOKEN, Role.OPERATOR),
    Identity("admin", By.TOKEN, Role.ADMIN),
    Identity("zeta's admin", By.TOKEN, Role.ADMIN, is_zeta=True),
    Identity("revoked", By.TOKEN, None),
    Identity("expired", By.TOKEN, None),
    Identity("agent", By.AGENT, None),
)


_EVERYBODY = frozenset(who.name for who in IDENTITIES)
_TRY = dict.fromkeys(METHODS, _EVERYBODY) | {
    "HEAD": frozenset({"anonymous", "vic", "adam", "op", "admin", "expired", "agent"}),
    "": frozenset({"anonymous", "adam"}),
}


def caller(site: Site, who: Identity) -> Caller:
    """A caller of this identity, in a session of its own."""
    house = who.house(site)
    if who.by is By.TOKEN:
        return Caller(site.app, token=house.tokens[who.role.value if who.role else who.name])
    if who.by is By.AGENT:
        return Caller(site.app, token=house.agent_token)
    if who.by is By.NOTHING:
        return Caller(site.app)
    if who.role is Role.PLATFORM:
        return Caller(site.app, session=a_platform_session(site.engine, house.tenant_id))
    if who.role is not None:
        return Caller(site.app, session=a_session(site.engine, house.people[who.name]))
    return Caller(site.app, session=_worthless_session(site, who))


def _worthless_session(site: Site, who: Identity) -> str:
    """A session that has ended, or one of somebody who is no longer active; both would else be an admin's."""
    ended = who.name == "ended session"
    sid = a_session(site.engine, site.acme.people["adam"], **({"ended_at": clock.utcnow()} if ended else {}))
    if not ended:
        with write(site.engine) as conn:
            gone = a_user(conn, site.acme.tenant_id, f"gone-{clock.monotonic()}", Role.ADMIN, active=False)
            newest = sa.select(sa.func.max(Session.id)).scalar_subquery()
            conn.execute(sa.update(Session).where(Session.id == newest).values(user_id=gone))
    return sid


class Which(StrEnum):
    """Whose object the address names."""

    NONE = "none"
    OWN = "own"
    FOREIGN = "foreign"
    MISSING = "missing"
    DELETED = "deleted"
    MIXED = "foreign in own"
    MALFORMED = "malformed"


NOT_THERE = (Which.FOREIGN, Which.MISSING, Which.DELETED, Which.MIXED)


class Path(NamedTuple):
    """One address of the application with the endpoint of each of its methods."""

    text: str
    endpoints: dict[str, str]
    ids: tuple[str, ...]
    texts: tuple[str, ...]
    is_socket: bool

    @property
    def which(self) -> tuple[Which, ...]:
        """What its ids may name."""
        named = (Which.OWN, Which.FOREIGN, Which.MISSING, Which.DELETED, Which.MALFORMED)
        mixed = (Which.MIXED,) if len(self.ids) > 1 else ()
        return named + mixed if self.ids else (Which.NONE,)


def paths(app: Flask) -> list[Path]:
    """Every address of ``app``."""
    by_text: dict[str, list[Route]] = {}
    for route in app.url_map.iter_rules():
        by_text.setdefault(route.rule, []).append(route)
    return [_path(text, routes) for text, routes in sorted(by_text.items())]


def _path(text: str, routes: list[Route]) -> Path:
    endpoints = {method: route.endpoint for route in routes for method in route.methods or ()}
    converters = routes[0]._converters
    ids = tuple(name for name, converter in converters.items() if isinstance(converter, IdConverter))
    return Path(text, endpoints, ids, tuple(name for name in converters if name not in ids), routes[0].websocket)


class Cell(NamedTuple):
    """One request: by whom, how, to which object."""

    who: Identity
    method: str
    which: Which

    def __str__(self) -> str:
        return f"{self.who.name}: {self.method} {self.which.value}"


def cells(path: Path) -> Iterator[Cell]:
    """All requests to try at an address.

    Who is refused for the method alone is told before anybody asks who it is or of which object: two callers, one
    object. HEAD is GET without a body, by the same code: one caller of each kind.
    """
    for method in METHODS:
        is_taken = method in path.endpoints
        for who in IDENTITIES:
            if who.name in _TRY[method if is_taken else ""]:
                for which in path.which if is_taken else path.which[:1]:
                    if not (who.role is Role.PLATFORM and which in NOT_THERE and _is_of_operation(path, method)):
                        yield Cell(who, method, which)


def _is_of_operation(path: Path, method: str) -> bool:
    """Whether all tenants are the platform admin's own here: on the operator's pages, and anybody's kill switch."""
    endpoint = path.endpoints.get(method, "")
    return endpoint.endswith(".end_switch") or (endpoint in RULES and RULES[endpoint].role is Role.PLATFORM)


def address(site: Site, path: Path, cell: Cell) -> str:
    """The address of a cell, with the ids that belong in it."""
    text = path.text
    for name in path.ids:
        text = text.replace(f"<id:{name}>", str(_id(site, name.removesuffix("_id"), cell, name == path.ids[0])))
    for name in path.texts:
        text = re.sub(rf"<([a-z]+:)?{name}>", _TEXTS.get(name, "x"), text)
    return text


def _id(site: Site, noun: str, cell: Cell, is_first: bool) -> Any:
    mine, other = cell.who.house(site), cell.who.stranger(site)
    if cell.which is Which.MALFORMED:
        return MALFORMED[(len(cell.who.name) + len(cell.method)) % len(MALFORMED)]
    if cell.which is Which.MISSING:
        return MISSING
    if cell.which is Which.DELETED:
        return getattr(mine, f"gone_{noun}_id", MISSING)
    is_own = cell.which is Which.OWN or (cell.which is Which.MIXED and is_first)
    house = mine if is_own else other
    known = getattr(house, f"{noun}_id", None)
    return _any_row(site, noun, house) if known is None else known


def _any_row(site: Site, noun: str, house: House) -> int:
    """A row of the table that ``noun`` names, of this tenant: the cast must own one of all that has an address."""
    for mapper in db.Model.registry.mappers:
        table = mapper.local_table
        if mapper.class_.__name__.lower().endswith(noun) and "tenant_id" in table.c and "id" in table.c:
            with site.engine.connect() as conn:
                found = conn.scalar(sa.select(table.c.id).where(table.c.tenant_id == house.tenant_id).limit(1))
            assert found is not None, f"the cast owns no {noun}: give it one in tests/support/cast.py"
            return int(found)
    raise AssertionError(f"nothing is called {noun}: <id:{noun}_id> must name a table with a tenant")


LET_IN = None


def expected(path: Path, cell: Cell) -> int | None:
    """The status with which a request is refused, or LET_IN (null) where it is not (hazards §3.0)."""
    if cell.which is Which.MALFORMED:
        return 404
    if cell.method not in path.endpoints:
        return 405
    rule = RULES[path.endpoints[cell.method]]
    refused = _at_the_door(rule, cell)
    if refused is None and cell.which in NOT_THERE:
        return 404
    return refused


def _at_the_door(rule: Rule, cell: Cell) -> int | None:
    who, is_unsafe = cell.who, cell.method not in SAFE
    if rule.door is Door.AGENT:
        return LET_IN if who.by is By.AGENT else 401
    by_token = who.by in (By.TOKEN, By.AGENT)
    if is_unsafe and by_token and rule.door is not Door.API:
        return 403  # no browser of ours sent this
    if rule.role is None:
        # A form of the sign-in carries the token of its session; nobody's has none.
        return 403 if is_unsafe and who.by is By.NOTHING else LET_IN
    if who.role is None or (by_token and rule.door is not Door.API):
        return 303 if rule.door is Door.PAGE else 401
    if not allows(who.role, rule.role):
        return 404 if rule.role is Role.PLATFORM else 403
    return LET_IN
