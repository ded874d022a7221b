"""Bad input in every form and every field of the API: a clear refusal, nothing stored, never a fault of ours.

The forms are those that pages show, so a form that is added later is tried too.
"""

import itertools
import re
from html.parser import HTMLParser

import pytest
from flask import Request
from werkzeug.datastructures import ImmutableMultiDict

from podhealth.core.words import Role
from podhealth.web.access import RULES, Door
from tests.support import cast, matrix, rows
from tests.support.answers import faults_of
from tests.support.cast import csrf_token

site = cast.site
pytestmark = pytest.mark.slow

# What is empty, or too long, is sent to every form by tests/web/test_refused_forms.py.
TEXTS = [
    "a\0b",
    "9" * 400,
    "\ufffe\u202e\u200b😀'; DROP TABLE pods; --",
    '"><script>alert(1)</script>',
    "a\r\nSet-Cookie: x=y",
]
# What ends the test's own access, or is tried elsewhere with the same texts.
PASSED_OVER = ("/sign-out", "/account/sign-out-everywhere", "/account/password", "/sign-in")
# The page that each kind of form, of each database, was first found on.
FIRST_ON: dict[tuple[str, ...], str] = {}


class _Forms(HTMLParser):
    """The forms of a page that change something: where they go, and what their fields hold."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: dict[str, dict[str, str]] = {}
        self._fields: dict[str, str] | None = None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        # A form without an address is a pattern that scripts fill in.
        if tag == "form" and given.get("method", "get").lower() == "post" and "action" in given:
            self._fields = self.found.setdefault(given["action"], {})
        elif self._fields is not None and tag in ("input", "select", "textarea", "button") and given.get("name"):
            self._fields.setdefault(given["name"], given.get("value") or "")

    def handle_endtag(self, tag):
        if tag == "form":
            self._fields = None


PATHS = matrix.paths(cast.an_app("sqlite:///nowhere.db"))
PAGES = [p for p in PATHS if "GET" in p.endpoints and RULES[p.endpoints["GET"]].door is Door.PAGE]


def _adams(path, method="GET"):
    return matrix.Cell(matrix.IDENTITIES[3], method, path.which[0])


def _caller(site, path, **options):
    """Who sees all of the page."""
    if RULES[path.endpoints["GET"]].role is Role.PLATFORM:
        return cast.Caller(site.app, session=cast.a_platform_session(site.engine, site.acme.tenant_id), **options)
    return site.browser("adam", **options)


def _forms(site, path):
    """The forms of a page that no page before it had too: a dialog that many pages share is tried once."""
    page = _caller(site, path).get(matrix.address(site, path, _adams(path))).get_data(as_text=True)
    found = {}
    for action, fields in _Forms(page).found.items():
        kind = (site.engine.dialect.name, re.sub(r"[0-9]+", "N", action), *fields)
        if action not in PASSED_OVER and FIRST_ON.setdefault(kind, path.text) == path.text:
            found[action] = fields
    return found


def _texts(site, turn):
    """What one field is sent: what types and databases take amiss, and of what is only text each time another.

    SQLite takes any text, but no number that is too long.
    """
    return (TEXTS[1],) if site.engine.dialect.name == "sqlite" else (*TEXTS[:2], next(turn))


class _Trial:
    """Notes what is wrong with answers to bad input: their status, their words, and what was stored in spite of it."""

    def __init__(self, site):
        self.faults = []
        self._watch = rows.Watch(site.engine)

    def look(self, answer, text, *names, statuses=(200, 303, 404, 409, 422)):
        told = [fault for fault in faults_of(answer) if not text or text not in fault]
        stored = self._watch.stored()
        if answer.status_code not in statuses:
            told.append(str(answer.status_code))
        if answer.status_code >= 400 and stored:
            told.append(f"refused, but stored in {stored}")
        self.faults += [(*names, text[:30], fault) for fault in told]

    def end(self):
        self._watch.close()
        return self.faults


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.text)
@pytest.mark.attack("A64", "A65")
def test_no_text_in_any_field_of_a_pages_forms_is_a_fault_of_ours(site, path):
    site = site.afresh()
    caller, forms = _caller(site, path, csrf=False), _forms(site, path)
    trial = _Trial(site)
    turn = itertools.cycle(TEXTS[2:])
    for action, fields in forms.items():
        # A new id for each: with the page's own, the second would be taken for the first sent twice.
        asked = {k: v for k, v in fields.items() if k != "op"} | {"csrf_token": csrf_token(site.app)}
        for name in fields:
            for text in _texts(site, turn):
                statuses = (403,) if name == "csrf_token" else (200, 303, 404, 409, 422)
                trial.look(caller.post(action, data=asked | {name: text}), text, action, name, statuses=statuses)

    assert trial.end() == []


class _Noting(ImmutableMultiDict):
    """A query string that notes which names somebody asked for."""

    asked_for: set[str] = set()

    def get(self, key, *args, **options):
        self.asked_for.add(key)
        return super().get(key, *args, **options)

    def getlist(self, key, *args, **options):
        self.asked_for.add(key)
        return super().getlist(key, *args, **options)

    def __getitem__(self, key):
        self.asked_for.add(key)
        return super().__getitem__(key)

    def __contains__(self, key):
        self.asked_for.add(key)
        return super().__contains__(key)


# Names in a query of what is there or is not, as in a path.
OBJECTS = {"view_id", "shown"}


class _NotingRequest(Request):
    parameter_storage_class = _Noting


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.text)
def test_no_text_in_a_query_is_a_fault_of_ours(site, path, monkeypatch):
    monkeypatch.setattr(site.app, "request_class", _NotingRequest)
    monkeypatch.setattr(_Noting, "asked_for", names := set())
    caller, address = _caller(site, path), matrix.address(site, path, _adams(path))
    trial = _Trial(site)

    def ask(text, *names):
        statuses = (404, 422) if OBJECTS.intersection(names) else (200, 303, 422)
        trial.look(caller.get(address, query_string=dict.fromkeys(names, text)), text, *names, statuses=statuses)

    ask("", "q")  # what the page asks for is known only once it was asked
    for text in TEXTS:
        ask(text, *names - OBJECTS)
    # By itself, too: one bad value may keep another from being looked at.
    turn = itertools.cycle(TEXTS[2:])
    for name in sorted(names):
        for text in _texts(site, turn):
            ask(text, name)

    assert trial.end() == []


SEED_FIELDS = {
    "PUT": ("/api/cloud-pods/{pod}/health/config", {"checkType": "ping", "intervalSeconds": 60}),
    "POST": ("/api/cloud-pods/auto-heal/policies", {"name": "x", "action": "restart", "cooldownMinutes": 10}),
}
OTHERS = [0, -1, 1.5, True, None, [], {}, [[]], {"a": {"b": []}}, 2**63, -(2**63), 10**30, 1e300, ["x"] * 100]


@pytest.mark.parametrize("method", SEED_FIELDS)
@pytest.mark.attack("A64")
def test_no_value_of_any_type_in_the_api_is_a_fault_of_ours(site, method):
    path, fields = SEED_FIELDS[method]
    site = site.afresh()
    caller, trial = site.program("admin"), _Trial(site)
    for name in (*fields, "target", "config", "id", "selector", "steps", ""):
        for value in (*TEXTS, *OTHERS):
            answer = caller.send(method, path.format(pod=site.acme.pod_id), json=fields | {name: value})
            trial.look(answer, str(value), name, statuses=(200, 404, 422))

    assert trial.end() == []


@pytest.mark.attack("A51")
def test_what_was_typed_comes_back_inert(site):
    typed = '"><img src=x onerror=alert(1)>'
    caller = site.browser("adam")

    answer = caller.post("/policies", data={"csrf_token": csrf_token(site.app), "name": typed, "action": "fly"})

    assert answer.status_code == 422
    assert "<img src=x" not in answer.get_data(as_text=True)
