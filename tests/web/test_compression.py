"""Answers are compressed for those who take it, and what must not be found out by their length differs each time."""

import gzip
import re

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from podhealth.core.words import Role
from podhealth.store.db import write
from podhealth.web.csrf import mask, unmask
from podhealth.web.pages import assets
from tests.support.apps import an_app
from tests.support.build import a_pod, a_tenant, a_user
from tests.support.cast import Caller, a_session

GZIP = {"Accept-Encoding": "gzip, deflate, br"}


@pytest.fixture
def ann(sqlite_engine: sa.Engine, redis_url: str) -> Caller:
    with write(sqlite_engine) as conn:
        tenant_id = a_tenant(conn)
        a_pod(conn, tenant_id)
        user_id = a_user(conn, tenant_id, role=Role.OPERATOR)
    return Caller(an_app(str(sqlite_engine.url), redis_url), session=a_session(sqlite_engine, user_id), csrf=False)


@pytest.mark.parametrize("path", ["/static/app.css", "/static/app.js", "/assets/htmx.js", "/assets/bootstrap.css"])
def test_who_takes_gzip_gets_the_same_in_fewer_bytes(ann: Caller, path: str) -> None:
    plain, packed = ann.get(path), ann.get(path, headers=GZIP)
    assert (plain.content_encoding, packed.content_encoding) == (None, "gzip")
    assert "Accept-Encoding" in packed.vary
    assert packed.content_length == len(packed.get_data()) < plain.content_length
    assert gzip.decompress(packed.get_data()) == plain.get_data()


def test_a_page_is_a_page_when_it_is_unpacked(ann: Caller) -> None:
    packed = ann.get("/pods", headers=GZIP)
    assert packed.content_encoding == "gzip"
    assert "web-1" in gzip.decompress(packed.get_data()).decode()


@pytest.mark.parametrize("taken", [None, "identity", "br", "gzip;q=0"])
def test_who_does_not_take_gzip_gets_it_plain(ann: Caller, taken: str | None) -> None:
    answer = ann.get("/pods", headers={"Accept-Encoding": taken} if taken else {})
    assert answer.content_encoding is None
    assert "web-1" in answer.text


def test_a_file_that_is_known_already_is_not_sent_again(ann: Caller) -> None:
    address = assets.asset("app.css")
    mark = ann.get(address, headers=GZIP).headers["ETag"]
    assert mark.startswith("W/")  # the same content in other bytes
    again = ann.get(address, headers=GZIP | {"If-None-Match": mark})
    assert (again.status_code, again.get_data()) == (304, b"")


def test_a_head_a_short_answer_and_an_export_that_is_streamed_are_left_as_they_are(ann: Caller) -> None:
    for method, path in (("HEAD", "/static/app.css"), ("GET", "/healthz"), ("GET", "/heals.csv")):
        answer = ann.send(method, path, headers=GZIP)
        assert (answer.status_code, answer.content_encoding) == (200, None), path


def _tokens(page: str) -> set[str]:
    return set(re.findall(r'name="csrf[_-]token"\s+(?:value|content)="([^"]+)"', page))


@pytest.mark.attack("A27")
def test_each_answer_has_a_token_of_its_own_and_each_is_taken(ann: Caller) -> None:
    first, second = (_tokens(ann.get("/pods").text) for _ in range(2))
    assert len(first) == len(second) == 1
    assert first != second
    (one,), (other,) = first, second
    # Whoever guesses letter by letter finds nothing that both have in the same place.
    assert sum(a == b for a, b in zip(one, other, strict=False)) < len(one) / 4
    for token in (one, other):
        assert ann.post("/pods/1/end-snooze", data={"csrf_token": token}).status_code == 303
    for token in ("", "~", one[:-2], one.swapcase()):
        assert ann.post("/pods/1/end-snooze", data={"csrf_token": token}).status_code == 403


@given(st.text(st.characters(codec="ascii"), min_size=1))
def test_what_is_under_a_mask_comes_back(token: str) -> None:
    assert unmask(mask(token)) == token


@pytest.mark.parametrize("sent", ["~x", "~xyz", "~é", "~" + "A" * 7])
def test_what_nobody_masked_is_no_token(sent: str) -> None:
    assert unmask(sent) is None


def test_a_token_without_mask_is_taken_too() -> None:
    assert unmask("IjEyMyI.abc.def") == "IjEyMyI.abc.def"
