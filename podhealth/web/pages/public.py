"""The status page of a tenant, for everybody who knows its address: as a page, as JSON, as a feed.

Made once in ten seconds however many ask, the same for all: no session is looked at, no cookie set.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any, NamedTuple

from flask import Blueprint, Response, current_app, jsonify, render_template, request
from flask.typing import ResponseReturnValue

from podhealth import clock
from podhealth.core.errors import NotFound
from podhealth.core.public import Sign
from podhealth.live.render import iso
from podhealth.store.db import db_now, read
from podhealth.store.publicpage import PublicPage, Told, public_page
from podhealth.web.installed import engine_of, installed

pages = Blueprint("public", __name__)

KEPT_S = 10
_MOST_KEPT = 500
_LONGEST_SLUG = 63
WORDS = {
    Sign.WORKS: "Works",
    Sign.SLOW: "Slow",
    Sign.DOWN: "Down",
    Sign.UNKNOWN: "Not measured",
    Sign.STARTING: "Starting",
    Sign.PLANNED: "Planned work",
    Sign.OFF: "Switched off",
}
STATUSES = {
    Sign.WORKS: "healthy",
    Sign.SLOW: "degraded",
    Sign.DOWN: "unhealthy",
    Sign.UNKNOWN: "unknown",
    Sign.STARTING: "starting",
    Sign.PLANNED: "maintenance",
    Sign.OFF: "stopped",
}


class Made(NamedTuple):
    """An answer that was made at a moment of the monotonic clock."""

    at_s: float
    body: bytes
    content_type: str
    etag: str


class Kept:
    """The answers of the last ten seconds, of one process."""

    def __init__(self) -> None:
        self._made: OrderedDict[tuple[str, str], Made] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: tuple[str, str]) -> Made | None:
        """Return the answer, null where there is none that is young enough."""
        with self._lock:
            made = self._made.get(key)
        return made if made is not None and clock.monotonic() - made.at_s < KEPT_S else None

    def keep(self, key: tuple[str, str], made: Made) -> None:
        """Keep an answer; the oldest goes where there are too many."""
        with self._lock:
            self._made[key] = made
            self._made.move_to_end(key)
            while len(self._made) > _MOST_KEPT:
                self._made.popitem(last=False)


@pages.get("/s/<slug>")
def show(slug: str) -> ResponseReturnValue:
    """Show the page."""
    return _answer(slug, "page", _as_page)


@pages.get("/s/<slug>/status.json")
def as_json(slug: str) -> ResponseReturnValue:
    """Tell programs the same."""
    return _answer(slug, "json", lambda page: jsonify(_fields(page)))


@pages.get("/s/<slug>/feed.xml")
def feed(slug: str) -> ResponseReturnValue:
    """Tell readers of feeds about incidents (RSS 2.0)."""
    return _answer(slug, "feed", _as_feed)


def _answer(slug: str, form: str, make: Callable[[PublicPage], Response]) -> ResponseReturnValue:
    if not slug.isascii() or len(slug) > _LONGEST_SLUG:
        raise NotFound
    kept: Kept = current_app.extensions.setdefault("public_pages", Kept())
    made = kept.get((slug, form))
    if made is None:
        with read(engine_of()) as conn:
            page = public_page(conn, slug, db_now(conn))
        if page is None:
            raise NotFound
        answer = make(page)
        body = answer.get_data()
        made = Made(clock.monotonic(), body, answer.content_type, sha256(body).hexdigest()[:32])
        kept.keep((slug, form), made)
    response = Response(made.body, content_type=made.content_type)
    response.set_etag(made.etag)
    response.cache_control.public = True
    response.cache_control.max_age = KEPT_S
    return response.make_conditional(request)


def _as_page(page: PublicPage) -> Response:
    return Response(
        render_template("public/page.html", page=page, words=WORDS, statuses=STATUSES), mimetype="text/html"
    )


def _as_feed(page: PublicPage) -> Response:
    base = installed().settings.public_url
    text = render_template("public/feed.xml", page=page, url=f"{base}/s/{page.slug}")
    return Response(text, content_type="application/rss+xml; charset=utf-8")


def _fields(page: PublicPage) -> Mapping[str, Any]:
    return {
        "title": page.title,
        "status": page.sign.value,
        "headline": page.headline,
        "updatedAt": iso(page.now),
        "services": [
            {
                "name": one.label,
                "status": one.sign.value,
                "uptime90Days": one.uptime,
                "coverage90Days": one.coverage or "100 %" if one.uptime else None,
            }
            for one in page.services
        ],
        "incidents": [_told(one) for one in (*page.open, *page.past)],
        "planned": [
            {"name": one.name, "services": one.labels, "startsAt": iso(one.since), "endsAt": iso(one.until)}
            for one in page.planned
        ],
    }


def _told(one: Told) -> Mapping[str, Any]:
    return {
        "services": one.labels,
        "since": iso(one.since),
        "overAt": iso(one.over_at) if one.over_at else None,
        "updates": [{"state": text.state.value, "text": text.text, "at": iso(text.at)} for text in one.texts],
    }
