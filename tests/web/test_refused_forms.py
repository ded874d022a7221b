"""Every form with something to type in, sent empty and sent too long: each refusal stands beside its field, and what
was typed is still there. The forms are found on the pages, so one that is added later is tried too.
"""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import NamedTuple

import pytest

from podhealth.core.words import Role
from tests.web.test_pages_by_role import Place, place  # noqa: F401 - the fixture

pytestmark = pytest.mark.slow

LONG = "x" * 2_100  # too long for every text, and no number, date or address
ENDS_ACCESS = ("/sign-out", "/account/sign-out-everywhere")
# Of these forms nothing has to be filled in.
MAY_BE_EMPTY = {"/approvals/N/approve", "/incidents/N/acknowledge"}
_NO_TEXT = ("hidden", "checkbox", "radio", "submit", "button", "file")
# What a page never shows again: secrets, and whose password it is; and the pattern of a step that scripts fill in.
NEVER_KEPT = {"username", "secret", "dockerKey", "slackUrl", "appriseUrl", "steps-N-attempts", "steps-N-timeoutSeconds"}


class _Form:
    """Where a form goes, what stands in it, and its fields for texts with their types."""

    def __init__(self, action: str) -> None:
        self.action, self.fields, self.texts = action, dict[str, str](), dict[str, str]()

    @property
    def kind(self) -> str:
        return re.sub(r"\d+", "N", self.action)


class _Forms(HTMLParser):
    """The forms of a page that change something."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[_Form] = []
        self._form: _Form | None = None
        self._select = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            is_post = given.get("method", "get").lower() == "post"
            self._form = _Form(given["action"]) if is_post and "action" in given else None
            self.found += [self._form] if self._form else []
        elif self._form and tag == "option":
            if "selected" in given or self._select not in self._form.fields:
                self._form.fields[self._select] = given.get("value", "")
        elif self._form and given.get("name"):
            self._field(self._form, tag, given)

    def _field(self, form: _Form, tag: str, given: dict[str, str]) -> None:
        kind, name = given.get("type", "text"), given["name"]
        if tag == "textarea" or (tag == "input" and kind not in _NO_TEXT):
            form.texts[name] = kind
        elif tag == "select":
            self._select = name
        elif kind == "hidden" or "checked" in given:
            form.fields.setdefault(name, given.get("value", "on"))

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None


class _Sent(NamedTuple):
    """A form that was sent, and the answer."""

    form: _Form
    status: int
    text: str


def _sent(place: Place, typed: str) -> Iterator[_Sent]:  # noqa: F811
    """Send each form once, with this in all its fields for texts."""
    seen = set()
    for page in place.pages:
        caller = place.callers[Role.PLATFORM if page.role is Role.PLATFORM else Role.ADMIN]
        for form in _Forms(caller.get(page.path).get_data(as_text=True)).found if page.role else ():
            if form.texts and form.kind not in seen and form.action not in ENDS_ACCESS:
                seen.add(form.kind)
                fields = {name: value for name, value in form.fields.items() if name != "op"}
                answer = caller.post(form.action, data=fields | dict.fromkeys(form.texts, typed))
                yield _Sent(form, answer.status_code, answer.get_data(as_text=True))


def _messages(text: str) -> list[str]:
    """The fields with a message beside them; each must be told to the ear as well."""
    names = re.findall(r'<p class="field-error"\s+id="(\S+)-error">', text)
    for name in names:
        tag = re.search(rf'<(?:input|select|textarea|fieldset)[^>]*\sid="{name}"[^>]*>', text)
        assert tag, f"no element for the message of {name}"
        assert f"{name}-error" in tag[0], tag[0]
        assert 'aria-invalid="true"' in tag[0], tag[0]
    return names


def _kept(form: _Form) -> list[str]:
    return [name for name, kind in form.texts.items() if kind != "password" and name not in NEVER_KEPT]


def test_a_text_that_is_too_long_is_refused_beside_its_field_and_all_texts_are_kept(place: Place) -> None:  # noqa: F811
    sent = list(_sent(place, LONG))
    kept = {one.form.kind: one.text.count(LONG) for one in sent}
    typed = {one.form.kind: len(_kept(one.form)) for one in sent}

    assert len(sent) > 25
    assert {one.form.kind: one.status for one in sent if one.status != 422} == {}
    assert [one.form.kind for one in sent if not _messages(one.text)] == []
    assert {kind: (kept[kind], typed[kind]) for kind in kept if kept[kind] < typed[kind]} == {}


def test_an_empty_form_is_refused_beside_its_fields(place: Place) -> None:  # noqa: F811
    sent = [one for one in _sent(place, "") if one.form.kind not in MAY_BE_EMPTY]

    assert {one.form.kind: one.status for one in sent if one.status != 422} == {}
    assert [one.form.kind for one in sent if not _messages(one.text)] == []
