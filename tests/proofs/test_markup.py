"""Markup in every text there is: no page, fragment or feed gets an element or attribute by it."""

import itertools
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from xml.etree import ElementTree
from zlib import crc32

import pytest
import sqlalchemy as sa

from podhealth import clock
from podhealth.live import parts
from podhealth.live.render import fragment
from podhealth.models import db
from podhealth.store.db import read
from podhealth.web.access import RULES, Door
from tests.proofs.hostile import Texts, a_hostile_house
from tests.support import cast, matrix
from tests.support.cast import Caller, House, Site, a_session
from tests.support.corpora import corpus
from tests.support.depth import is_deep

pytestmark = pytest.mark.slow

PATHS = matrix.paths(cast.an_app("sqlite:///nowhere.db"))
PAGES = [p for p in PATHS if "GET" in p.endpoints and RULES[p.endpoints["GET"]].door in (Door.PAGE, Door.OPEN)]
# What leads somewhere or is asked for by itself.
_LEADS = ("href", "src", "action", "formaction", "poster", "data", "srcset", "xlink:href", "ping", "background")
_IS_OURS = re.compile(r"(/(?![/\\])|#|\?|https?://(docs|127\.0\.0\.1)|$)")


class Shape(HTMLParser):
    """Which elements a page consists of, each with the names of its attributes; and which links leave us."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, ...]] = []
        self.leads_away: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, *(name for name, _ in attrs)))
        for name, value in attrs:
            leads = name in _LEADS or name.startswith(("hx-get", "hx-post", "hx-put", "hx-patch", "hx-delete"))
            if leads and not _IS_OURS.match(value or ""):
                self.leads_away.append(f"{tag} {name}={value}")

    def handle_comment(self, data: str) -> None:
        self.elements.append(("comment",))


@pytest.fixture
def site(sqlite_engine: sa.Engine, redis_url: str) -> Site:
    """An application on a database with nobody in it yet."""
    app = cast.an_app(sqlite_engine.url.render_as_string(hide_password=False), redis_url)
    return Site(sqlite_engine, app, None)  # type: ignore[arg-type]


def _pages(site: Site, house: House) -> Iterator[tuple[str, str]]:
    """Each page as an admin sees it, with its address; asked for the texts of the tenant too where it searches."""
    adam = Caller(site.app, session=a_session(site.engine, house.people["adam"]))
    me = site._replace(cast=cast.Cast(house, house))
    for path in PAGES:
        cell = matrix.Cell(matrix.IDENTITIES[3], "GET", path.which[0])
        address = matrix.address(me, path, cell)
        if path.text.startswith("/static") or path.text.startswith("/assets"):
            continue
        if "slug" in path.text:
            address = address.replace("/x", f"/page-{house.tenant_id}")
        answer = adam.get(address)
        assert answer.status_code < 500, address
        if "html" in answer.content_type:
            # What holds PodHealth up comes and goes by itself; its fragment is looked at alone.
            yield path.text, BANNERS.sub("", answer.get_data(as_text=True))
        elif "xml" in answer.content_type:
            tree = ElementTree.fromstring(answer.get_data(as_text=True))  # noqa: S314 - our own
            yield path.text, "".join(f"<{e.tag.partition('}')[2] or e.tag}>" for e in tree.iter())


def _fragments(site: Site, house: House) -> Iterator[tuple[str, str]]:
    """Whatever is pushed to browsers of the tenant, of all its things."""
    tables = [t for t in db.metadata.sorted_tables if "tenant_id" in t.c and "id" in t.c]
    with read(site.engine) as conn:
        ids = {
            0,
            *itertools.chain.from_iterable(
                conn.scalars(sa.select(t.c.id).where(t.c.tenant_id == house.tenant_id)) for t in tables
            ),
        }
        for name, part in parts.ALL.items():
            for _, pieces in sorted(part.render(conn, house.tenant_id, sorted(ids), clock.utcnow()).items()):
                for piece in pieces.elements:
                    yield f"{name}: {piece.name}", str(fragment(piece.name, piece.view))


def _shapes(site: Site, house: House) -> list[tuple[str, Shape]]:
    return [(where, Shape(text)) for where, text in (*_pages(site, house), *_fragments(site, house))]


BANNERS = re.compile(r'<section id="banners".*?</section>', re.DOTALL)
DRAWN = ("rect", "path", "line", "circle", "polyline", "g", "text", "tspan")
SCRIPT = "javascript:alert(1)//"


# All as long as there is room: what is too long for its place has a title, and what is short none.
def _plain(_column: str, room: int) -> str:
    return "k" * room


def _script(_column: str, room: int) -> str:
    return SCRIPT.ljust(room, "k")


def _hostile(turn: int) -> Texts:
    """Each column has another of the texts that it has room for; with each turn the next one."""
    texts = [text for text in corpus("X") if text.isprintable()]

    def choose(column: str, room: int) -> str:
        fitting = [text for text in texts if len(text) <= room]
        return fitting[(crc32(column.encode()) + turn) % len(fitting)].ljust(room, "k")

    return choose


@pytest.mark.attack("A51", "A53")
def test_no_text_becomes_an_element_an_attribute_or_an_address(site: Site) -> None:
    turns: list[Texts] = [
        _script,
        *(_hostile(turn) for turn in range(60 if is_deep() else 1)),
    ]
    plain = _shapes(site, a_hostile_house(site.engine, "plain", _plain))
    # How many strokes a drawing of time has changes by the second; of another kind than any of ours it still counts.
    strokes = {element for _, shape in plain for element in shape.elements if element[0] in DRAWN}
    faults = []
    for number, turn in enumerate(turns):
        evil = _shapes(site, a_hostile_house(site.engine, f"evil{number}", turn))
        for (where, was), (_, now) in zip(plain, evil, strict=True):
            pairs = itertools.zip_longest(*([e for e in one.elements if e not in strokes] for one in (was, now)))
            faults += [(number, where, *pair) for pair in pairs if pair[0] != pair[1]][:1]
            faults += [(number, where, *now.leads_away)] if now.leads_away else []

    assert len(plain) > 80
    assert faults == []
