"""Every page there is, in a real browser: axe finds nothing in light and dark, nothing runs over at 320 px, no request
leaves the host, and nothing is refused by the page's own policy."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import axe_playwright_python
import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser, Page, ViewportSize

from podhealth.core.words import Role
from podhealth.models import Approval, StatusPage, StatusPagePod, db
from podhealth.store import resets
from podhealth.store.db import db_now, make_engine, write
from podhealth.store.secrets import hold_key
from podhealth.store.tenancy import system_scope
from tests.support import everypage
from tests.support.apps import SECRET, an_app
from tests.support.build import a_user
from tests.support.cast import House, a_house
from tests.support.everypage import Address
from tests.support.webserver import WebServer, running_web, sign_in

pytestmark = [pytest.mark.browser, pytest.mark.slow]

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()
RUN = """async (rules) => {
  const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
  const found = await axe.run(document, {runOnly: rules ? {type: "rule", values: rules} : tags});
  const nodes = (one) => one.nodes.slice(0, 3).map((node) => node.html.slice(0, 160)).join(" | ");
  return found.violations.map((one) => `${one.id}: ${nodes(one)}`);
}"""
# What reaches over the right edge of the window, but for what scrolls in a box of its own.
OVER = """() => document.documentElement.scrollWidth <= innerWidth ? [] : [...document.body.querySelectorAll("*")]
  .filter((one) => one.getBoundingClientRect().right > innerWidth + 0.5 && one.getClientRects().length
    && !one.closest(".table-wrap, [popover]:not(:popover-open)"))
  .slice(0, 4).map((one) => one.outerHTML.slice(0, 140))"""

# Pictures that keep a colour of the theme where the system has chosen all colours.
HUES = """() => [...document.querySelectorAll("svg.icon")].filter((one) => one.getClientRects().length
  && getComputedStyle(one).color !== getComputedStyle(one.parentElement).color).map((one) => one.outerHTML)"""


def _size(width: int) -> ViewportSize:
    return {"width": width, "height": 900}


class Place(NamedTuple):
    """A running installation that has one of everything."""

    web: WebServer
    pages: dict[str, Address]
    tokens: dict[Role | None, str | None]


def _addresses(house: House, engine: sa.Engine) -> list[Address]:
    scope = system_scope(house.tenant_id)
    with write(engine) as conn:
        asked = conn.scalar(sa.select(Approval.id).where(Approval.tenant_id == house.tenant_id))
        texts = everypage.secrets_of(conn, scope, house.people["adam"], asked)
        values = {"tenant_id": house.tenant_id, "slug": "acme-status", "title": "acme", "updated_at": db_now(conn)}
        conn.execute(sa.insert(StatusPage).values(is_on=True, **values))
        shown = {"pod_id": house.pod_id, "tenant_id": house.tenant_id, "label": "Shop", "place": 0}
        conn.execute(sa.insert(StatusPagePod).values(**shown))
        resets.ask(conn, f"adam@{house.tenant_id}.example", None)

    def id_of(noun: str) -> object:
        known = getattr(house, f"{noun}_id", None)
        return known if known is not None else _any_row(engine, noun, house.tenant_id)

    app = an_app("sqlite:///nowhere.db")
    return list(everypage.addresses(app, id_of, lambda endpoint, _: {"public.show": "acme-status", **texts}[endpoint]))


def _any_row(engine: sa.Engine, noun: str, tenant_id: int) -> int:
    for mapper in db.Model.registry.mappers:
        table = mapper.local_table
        if mapper.class_.__name__.lower().endswith(noun) and {"tenant_id", "id"} <= set(table.c.keys()):
            with engine.connect() as conn:
                found = conn.scalar(sa.select(table.c.id).where(table.c.tenant_id == tenant_id).limit(1))
            if found is not None:
                return int(found)
    raise AssertionError(f"nothing is called {noun}")


@pytest.fixture(scope="module")
def place(tmp_path_factory: Any, _sqlite_template: Path, _redis_socket: Path) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("every")
    shutil.copyfile(_sqlite_template, folder / "podhealth.db")
    url = f"sqlite:///{folder}/podhealth.db"
    hold_key(SECRET)
    engine = make_engine(url)
    house = a_house(engine, "acme", {"vic": Role.VIEWER, "ann": Role.OPERATOR, "adam": Role.ADMIN})
    pages = {one.name: one for one in _addresses(house, engine)}
    with write(engine) as conn:
        op = a_user(conn, None, "op", Role.PLATFORM)
    who = {Role.VIEWER: house.people["adam"], Role.OPERATOR: house.people["adam"], Role.ADMIN: house.people["adam"]}
    tokens: dict[Role | None, str | None] = {role: sign_in(engine, user_id) for role, user_id in who.items()}
    tokens |= {Role.PLATFORM: sign_in(engine, op), None: None}
    with running_web(url, f"unix://{_redis_socket}", folder) as web:
        yield Place(web, pages, tokens)
    engine.dispose()


def _names() -> list[str]:
    app = an_app("sqlite:///nowhere.db")
    return [one.name for one in everypage.addresses(app, lambda _noun: 1, lambda _endpoint, _name: "x")]


@pytest.fixture(scope="module")
def windows(browser: Browser, place: Place) -> Iterator[dict[Role | None, Page]]:
    """One window a role, used again and again: to open one takes longer than to look at a page."""
    opened: dict[Role | None, Page] = {}
    for role, token in place.tokens.items():
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        if token is not None:
            name, _, value = place.web.cookie_of(token).partition("=")
            context.add_cookies([{"name": name, "value": value, "url": place.web.origin}])
        opened[role] = context.new_page()
    yield opened
    for page in opened.values():
        page.context.close()


@pytest.mark.parametrize("name", _names())
def test_a_page_is_usable_by_all_and_keeps_to_itself(place: Place, windows: dict[Role | None, Page], name: str) -> None:
    address, page = place.pages[name], windows[place.pages[name].role]
    said: list[str] = []
    away: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type in ("error", "warning") else None)
    page.on("request", lambda sent: None if sent.url.startswith(place.web.origin) else away.append(sent.url))
    page.emulate_media(color_scheme="light")
    page.set_viewport_size(_size(1280))
    answer = everypage.go(page, place.web, address)
    assert answer is not None
    page.evaluate(AXE)
    found = {"light": page.evaluate(RUN, None)}
    page.emulate_media(color_scheme="dark")
    found["dark"] = page.evaluate(RUN, ["color-contrast"])
    page.emulate_media(color_scheme="dark", forced_colors="active")
    hues = page.evaluate(HUES)
    page.emulate_media(color_scheme="dark", forced_colors="none")
    # Text of 200 % in 1,280 px is laid out as 640 px are: what turns by width does so by the size of letters.
    over = {width: page.evaluate(OVER) for width in (768, 640, 320) if not page.set_viewport_size(_size(width))}

    assert answer.status < 400
    assert found == {"light": [], "dark": []}
    assert hues == []
    assert {at: some for at, some in over.items() if some} == {}
    assert away == []
    assert [line for line in said if "404" not in line] == []
