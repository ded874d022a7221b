"""What people read when something went wrong: a sentence, what to do, the request's id, and a way back."""

import re

import pytest
from werkzeug.exceptions import abort

from podhealth.web.errors import answer
from tests.support import cast
from tests.support.apps import ORIGIN, an_app
from tests.support.cast import Caller

site = cast.site

STATUSES = [401, 403, 404, 405, 409, 413, 422, 429, 500, 502, 503]


@pytest.fixture
def broken(site, monkeypatch):
    """``broken(status, **more)``: the page that ann reads when the list of pods answers so."""

    def breaking(status, method="GET", referer="", **more):
        monkeypatch.setitem(site.app.view_functions, "pods.list", lambda **_: answer(status, "x", "So it is", **more))
        return site.browser("ann").send(method, "/pods", headers={"Referer": referer} if referer else {}).text

    return breaking


def _links(page):
    return re.findall(r'class="btn[^"]*"\s+href="([^"]*)"', page.partition('class="error-page"')[2])


@pytest.mark.parametrize("status", STATUSES)
def test_an_error_page_says_what_happened_and_where_to_go_without_any_script(site, monkeypatch, status):
    monkeypatch.setitem(site.app.view_functions, "pods.list", lambda **_: abort(status))

    got = site.browser("ann").get("/pods")

    main = got.text.partition("<main")[2].partition("</main>")[0]
    assert len(re.findall("<h1>[A-Z][^<]+</h1>", main)) == 1
    assert got.headers["X-Request-Id"] in main
    assert "/pods" in _links(main) or "/sign-in" in _links(main)
    assert main.count("btn-primary") == 1
    assert "<script" not in main
    assert 'aria-label="Main"' in got.text  # the frame of every page


def test_who_must_wait_is_told_how_long(broken):
    assert "You can try again in 5 min." in broken(429, retryAfter=300)
    assert "You can try again in 30 s." in broken(429, retryAfter=30)


@pytest.mark.parametrize("status", [403, 409, 422, 429])
def test_the_way_back_is_the_page_that_led_here(broken, status):
    assert _links(broken(status, referer=ORIGIN + "/heals?state=failed"))[0] == "/heals?state=failed"


@pytest.mark.parametrize(
    "referer",
    [
        "",
        "http://evil.example/heals",
        ORIGIN + "//evil.example",
        ORIGIN + "/\\evil.example",
        ORIGIN + "/pods",
        "http://[",
    ],
)
def test_no_other_page_is_the_way_back(broken, referer):
    assert _links(broken(409, referer=referer)) == ["/pods"]


def test_a_page_that_broke_on_our_side_can_be_asked_for_again(broken):
    assert _links(broken(503))[0] == ""
    assert _links(broken(409))[0] != ""


def test_error_pages_need_no_database():
    page = Caller(an_app("sqlite:////nowhere/at/all.db"), session="sid").get("/pods")

    assert (page.status_code, "The database does not answer" in page.text) == (503, True)
