"""The headers of every answer, and that no page needs what they forbid."""

import re
from html.parser import HTMLParser

import pytest

from podhealth.web.access import RULES, Door
from tests.support import cast, matrix
from tests.support.answers import faults_of
from tests.support.apps import an_app
from tests.support.cast import Caller

site = cast.site

PATHS = [p for p in matrix.paths(an_app("sqlite:///nowhere.db")) if "GET" in p.endpoints and not p.is_socket]
PAGES = [
    p for p in PATHS if RULES[p.endpoints["GET"]].door in (Door.PAGE, Door.OPEN) and "assets" not in p.endpoints["GET"]
]


class _Page(HTMLParser):
    """What a policy without 'unsafe-inline' forbids, found in a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.forbidden: list[str] = []
        self.scripts = 0
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.scripts += tag == "script"
        if tag in ("style", "base", "object", "embed", "iframe") or (tag == "script" and "src" not in given):
            self.forbidden.append(f"<{tag}>")
        for name, value in attrs:
            is_code = (
                name == "style" or name.startswith(("on", "hx-on")) or (value or "").lower().startswith("javascript:")
            )
            is_elsewhere = name in ("src", "href", "action") and re.match(r"(?i)[a-z]+:|//", value or "")
            if is_code or is_elsewhere or (name.startswith("hx-vals") and (value or "").startswith("js:")):
                self.forbidden.append(f"{tag} {name}={value}")


def _address(site, path):
    who = matrix.IDENTITIES[3]
    return matrix.address(site, path, matrix.Cell(who, "GET", path.which[0]))


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.text)
@pytest.mark.attack("A34", "A35", "A36")
def test_each_address_answers_with_all_headers(site, path):
    is_asset = path.endpoints["GET"].startswith("assets.")
    callers = [site.browser("adam"), site.program("admin"), site.nobody()]

    answers = [caller.get(_address(site, path)) for caller in callers]

    assert [f for a in answers for f in faults_of(a, may_be_kept=is_asset)] == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.text)
@pytest.mark.parametrize("who", ["adam", "vic"])
@pytest.mark.attack("A35")
def test_no_page_holds_what_its_policy_forbids(site, path, who):
    answer = site.browser(who).get(_address(site, path))

    assert _Page(answer.get_data(as_text=True)).forbidden == []


def test_the_forbidden_is_found_where_it_stands():
    page = '<script>x</script><p style="a" onclick="b"><a href="//x"></a><a href="JavaScript:x"></a><base href="/">'

    assert len(_Page(page).forbidden) == 6


def test_answers_depend_on_cookie_and_htmx_and_say_so(site):
    vary = ", ".join(site.browser("ann").get("/pods").headers.getlist("Vary"))

    assert {"Cookie", "HX-Request"} <= {part.strip() for part in vary.split(",")}


@pytest.mark.attack("A36")
def test_by_https_browsers_are_told_to_stay_with_it_behind_any_proxy(site):
    url = site.engine.url.render_as_string(hide_password=False)

    answers = [Caller(an_app(url, public_url=p)).get("/healthz") for p in ("https://health.example", cast.ORIGIN)]

    told = [a.headers.get("Strict-Transport-Security") for a in answers]
    assert told == ["max-age=31536000; includeSubDomains", None]


@pytest.mark.parametrize("path", ["/pods", "/api/cloud-pods/health/overview", "/live", "/nothing"])
@pytest.mark.attack("A37")
def test_no_other_site_is_allowed_to_read(site, path):
    asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "PUT"}

    answers = [site.nobody().send(method, path, headers=asked) for method in ("OPTIONS", "GET")]

    assert [f for a in answers for f in faults_of(a)] == []
    assert answers[0].status_code in (404, 405)


def test_the_answer_of_an_error_says_under_which_id_it_is_logged(site):
    assert re.fullmatch(r"[0-9a-f]{12}", site.browser("ann").get("/nothing").headers["X-Request-Id"])
