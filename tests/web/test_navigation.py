"""The links on every page: those that the role may open, and none that leads nowhere."""

import re

import pytest

from podhealth.web.access import RULES
from podhealth.web.navigation import BAR, MORE
from tests.support import cast
from tests.support.cast import Caller, a_platform_session

site = cast.site


def _links(page):
    bar = page.text.partition('<nav class="nav-main"')[2].partition('<form class="bar-search"')[0]
    return re.findall(r'href="(/[^"]*)"', bar.partition("<main")[0])


@pytest.mark.parametrize("name", ["vic", "ann", "adam"])
def test_every_link_opens_for_whom_it_is_shown(site, name):
    who = site.browser(name)

    assert [path for path in _links(who.get("/heals")) if who.get(path).status_code != 200] == []


def test_what_a_role_may_not_open_is_not_shown(site):
    assert "/status-page" not in _links(site.browser("ann").get("/heals"))
    assert "/status-page" in _links(site.browser("adam").get("/heals"))
    assert "/ops" not in _links(site.browser("adam").get("/heals"))
    assert "/audit" not in _links(site.browser("vic").get("/heals"))


def test_a_platform_admin_outside_any_tenant_is_led_to_what_opens_there(site):
    op = Caller(site.app, session=a_platform_session(site.engine))
    links = _links(op.get("/ops"))

    assert {"/ops", "/audit"} <= set(links)
    assert [path for path in links if op.get(path).status_code != 200] == []


def test_a_platform_admin_inside_a_tenant_is_told_so(site):
    inside = Caller(site.app, session=a_platform_session(site.engine, site.acme.tenant_id))

    assert "as operator" in inside.get("/pods").text
    assert "as operator" not in site.browser("adam").get("/pods").text


@pytest.mark.parametrize("path", ["/brakes", "/channels", "/audit"])
def test_the_menu_marks_the_page_that_is_open(site, path):
    page = re.sub(r"\s+", " ", site.browser("adam").get(path).text)

    assert f'<a href="{path}" aria-current="page"' in page
    assert 'class="is-here" popovertarget="more-menu"' in page


def test_every_place_names_a_route_once_it_is_there(site):
    there = [place for place in (*BAR, *MORE) if place.endpoint in RULES]

    assert len(there) >= len(BAR) + 6
    assert len({place.path for place in (*BAR, *MORE)}) == len(BAR) + len(MORE)
