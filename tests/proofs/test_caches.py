"""A shared cache in front of us, which keeps all that it may: nobody gets by it what was made for somebody else."""

import re

import pytest

from podhealth.web.access import RULES, Door
from tests.support import cast, matrix
from tests.support.cast import Caller, Site

site = cast.site
pytestmark = [pytest.mark.slow, pytest.mark.parametrize("site", ["sqlite"], indirect=True, scope="module")]

PATHS = [p for p in matrix.paths(cast.an_app("sqlite:///nowhere.db")) if "GET" in p.endpoints and not p.is_socket]
# What a cache may take for a file, and what it may not have in its key.
DECEIVED = ("", "/x.css", "/logo.png", ";x.js", "%2fx.css", "?x.css", "/..%2fx.css", "%0ax.css")
UNKEYED = [
    {},
    {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https", "X-Original-URL": "/account"},
    {"Range": "bytes=0-99", "X-Rewrite-Url": "/account", "X-Host": "evil.example", "Forwarded": "host=evil.example"},
]


class SharedCache:
    """Keeps by RFC 9111 what has no ``no-store`` and no ``private``, heuristically too; its key is address and Vary."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, tuple[str, ...]], str] = {}
        self._vary: dict[str, tuple[str, ...]] = {}

    def ask(self, caller: Caller, address: str, headers: dict[str, str], **options: object) -> str:
        sent = {name.lower(): value for name, value in {**caller.headers, **headers}.items()}
        sent["cookie"] = repr(caller.client._cookies)
        key = (address, tuple(sent.get(name, "") for name in self._vary.get(address, ())))
        if key in self.kept:
            return self.kept[key]
        answer = caller.get(address, headers=headers, **options)
        text = f"{answer.get_data(as_text=True)}\n{answer.headers}"
        control = answer.headers.get("Cache-Control", "")
        may = not re.search("no-store|private", control) and answer.status_code in (200, 203, 206, 301, 308, 404, 410)
        vary = tuple(part.strip().lower() for value in answer.headers.getlist("Vary") for part in value.split(","))
        if may and "*" not in vary:
            self._vary[address] = vary
            self.kept[address, tuple(sent.get(name, "") for name in vary)] = text
        return text


@pytest.mark.attack("A38")
def test_no_cache_shows_a_page_of_one_person_to_another(site: Site) -> None:
    cache, asked = SharedCache(), 0
    adam, others = site.browser("adam"), [site.browser("zoe"), site.nobody()]
    seen = []
    for path in PATHS:
        if RULES[path.endpoints["GET"]].door is Door.AGENT or path.text == "/":
            continue
        address = matrix.address(site, path, matrix.Cell(matrix.IDENTITIES[3], "GET", path.which[0]))
        for number, end in enumerate(DECEIVED):
            headers = UNKEYED[number % len(UNKEYED)]
            # A body that no GET has: it must not count either.
            cache.ask(adam, address + end, headers, data={"q": "fat", "view": "wall"})
            asked += 1
    for address, _ in list(cache.kept):
        for other in others:
            text = cache.ask(other, address, {})
            if site.acme.canary in text or "evil.example" in text or "csrf_token" in text or "Set-Cookie" in text:
                seen.append(address)

    assert asked > 1_000
    assert seen == []
    assert [
        address
        for address, _ in cache.kept
        if not address.startswith(("/static/", "/assets/", "/agent.py", "/api/openapi"))
    ] == []
