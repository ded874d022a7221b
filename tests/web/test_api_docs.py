"""The API's description as a page: every operation, with the role and the fields that its declaration says."""

from html.parser import HTMLParser

from podhealth.web.api.document import document
from tests.support import cast

site = cast.site


class _Ids(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found, self.links = [], []

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.found += [given["id"]] if "id" in given else []
        self.links += [given["href"][1:]] if given.get("href", "").startswith("#") else []


def test_each_operation_and_shape_has_its_place_and_each_link_leads_to_one(site):
    page = site.browser("vic").get("/api/docs")
    read = _Ids()
    read.feed(page.text)
    described = document(site.app)

    operations = {one["operationId"] for path in described["paths"].values() for one in path.values()}
    assert page.status_code == 200
    assert operations <= set(read.found)
    assert {f"shape-{name}" for name in described["components"]["schemas"]} <= set(read.found)
    assert set(read.links) <= set(read.found)
    assert len(read.found) == len(set(read.found))


def test_it_says_of_fields_what_the_rules_say(site):
    text = site.browser("vic").get("/api/docs").text

    for said in (
        "intervalSeconds",
        "whole number, 5 to 86,400",
        "restart, stop, migrate, notify_only",
        "checkType tcp",
    ):
        assert said in text


def test_whoever_is_not_signed_in_is_asked_to(site):
    assert site.nobody().get("/api/docs").headers["Location"] == "/sign-in?next=/api/docs"
