"""What each role's pages lead to is what web/access.py lets that role do: walked over every page, form, link and
button, and the other way round: whatever a role may do has its button on one of its pages.
"""

import shutil
from collections.abc import Iterator
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urljoin, urlsplit

import pytest
from flask import Flask
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

from podhealth.core.words import Role
from podhealth.store.db import make_engine
from podhealth.web.access import RULES, Door, allows
from tests.support import everypage
from tests.support.apps import an_app
from tests.support.cast import Caller, a_house, a_platform_session, a_session
from tests.support.databases import compiling_once

pytestmark = pytest.mark.slow

PEOPLE = {"vic": Role.VIEWER, "ann": Role.OPERATOR, "adam": Role.ADMIN}
_VERBS = ("get", "post", "put", "delete", "patch")


class _Ways(HTMLParser):
    """Where a page leads: (method, address) of each link, button that is not disabled, and request by itself."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: set[tuple[str, str]] = set()
        self._forms: dict[str, tuple[str, str]] = {}
        self._form: tuple[str, str] | None = None
        self._disabled = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.found |= {(verb.upper(), given[f"hx-{verb}"]) for verb in _VERBS if f"hx-{verb}" in given}
        if tag == "form":
            self._form = (given.get("method", "get").upper(), given["action"]) if "action" in given else None
            self._forms |= {given["id"]: self._form} if self._form and "id" in given else {}
        elif tag == "fieldset":
            self._disabled += self._disabled > 0 or "disabled" in given
        elif tag == "a" and "href" in given:
            self.found.add(("GET", given["href"]))
        elif tag == "button" and not self._disabled and "disabled" not in given:
            self._press(given)

    def _press(self, given: dict[str, str]) -> None:
        form = self._forms.get(given["form"]) if "form" in given else self._form
        if form and given.get("type") == "submit":
            self.found.add((given.get("formmethod", form[0]).upper(), given.get("formaction", form[1])))

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        elif tag == "fieldset":
            self._disabled = max(0, self._disabled - 1)


class Place(NamedTuple):
    """A site with one of everything, and who looks at it."""

    app: Flask
    pages: tuple[everypage.Address, ...]
    callers: dict[Role, Caller]

    def ways(self, role: Role) -> dict[tuple[str, str], set[str]]:
        """Return the endpoints that the role's pages lead to, by method, with the pages that do."""
        found: dict[tuple[str, str], set[str]] = {}
        for page in self.pages:
            if page.role is not None and allows(role, page.role):
                text = self.callers[role].get(page.path).get_data(as_text=True)
                for method, address in _Ways(text).found:
                    found.setdefault((method, self._endpoint(page.path, method, address)), set()).add(page.path)
        return found

    def _endpoint(self, page: str, method: str, address: str) -> str:
        parts = urlsplit(urljoin(f"http://here{page}", address))
        if parts.netloc != "here":
            return f"elsewhere: {address}"
        try:
            return str(self.app.url_map.bind("here").match(parts.path, method)[0])
        except RequestRedirect as turned:
            return f"turned to {turned.new_url}"
        except HTTPException:
            return f"nothing at {parts.path}"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, _sqlite_template: Path) -> Iterator[Place]:
    path = tmp_path_factory.mktemp("roles") / "podhealth.db"
    shutil.copyfile(_sqlite_template, path)
    engine = compiling_once(make_engine(f"sqlite:///{path}"))
    house = a_house(engine, "acme", PEOPLE)
    app = an_app(f"sqlite:///{path}")
    callers = {role: Caller(app, session=a_session(engine, house.people[name])) for name, role in PEOPLE.items()}
    callers[Role.PLATFORM] = Caller(app, session=a_platform_session(engine, house.tenant_id))
    yield Place(app, tuple(everypage.addresses(app, partial(everypage.id_of, engine, house), lambda *_: "x")), callers)
    engine.dispose()


# What no page of the cast leads to: addresses of other addresses and of scripts, and acts on what it has none of.
NOT_NOW = {
    "account.after_password",
    "account.after_session",
    "account.end_one_session",  # another session than this one
    "brakes.end_override",  # a breaker that somebody held open or closed
    "checks.enable",  # a check that is disabled
    "inventory.add_again",  # a guest whose pod was deleted
    "inventory.believe",  # an answer that is doubted
    "configuration.apply",  # what a file would change
    "heals.cancel",  # a heal that is planned
    "ops.end_override",
    "ops.end_stop",  # a stop of all healing
    "ops.override",  # a breaker of the installation
    "pods.bulk_act",  # pods that were chosen
    "pods.delete_view",  # a saved view
    "pods.drift",
    "pods.home",
    "pods.rename_view",
    "policies.preview",  # to those who may save, too, it shows what they type
    "policies.restore",  # an older version
    "second_factor.confirm",  # a second factor that was begun, or is switched on
    "second_factor.renew",
    "second_factor.switch_off",
    "users.restore",  # somebody who was removed
}


@pytest.mark.parametrize("role", Role)
def test_pages_lead_where_their_reader_may_go_and_to_all_of_it(place: Place, role: Role) -> None:
    ways = place.ways(role)
    may = {endpoint for endpoint, rule in RULES.items() if rule.role is None or allows(role, rule.role)}
    acts = {endpoint for endpoint in may if RULES[endpoint].door is Door.PAGE}
    reached = {endpoint for _, endpoint in ways}

    assert {way: pages for way, pages in ways.items() if way[1] not in may} == {}
    assert acts - reached - NOT_NOW == set()
