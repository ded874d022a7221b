"""Incidents on open screens: what a push renews is what the page shows, and only on screens that show it."""

import json
import re
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from podhealth.core.words import FeedKind
from podhealth.live import views
from podhealth.live.frames import Key
from podhealth.store import feed
from podhealth.store.db import db_now, read, write
from tests.live.test_fragments import Roots
from tests.support import build
from tests.support.told import Fleet

NAME = "<b>web</b>"
OPEN = Key("nav_incidents", 0)


@pytest.fixture
def fleet(engine: sa.Engine) -> Iterator[Fleet]:
    fleet = Fleet(engine)
    fleet.add(NAME)
    fleet.fall_ill(NAME)
    yield fleet
    fleet.close()


def rendered(fleet: Fleet, tenant_id: int, *keys: Key) -> views.Rendered:
    with read(fleet.engine) as conn:
        return views.render(conn, tenant_id, keys, db_now(conn))


def pieces(found: views.Rendered) -> list[str]:
    return [json.loads(piece) for all_of_it in found.elements.values() for piece in all_of_it]


def test_a_change_of_an_incident_touches_its_row_its_page_and_the_count(fleet) -> None:
    (incident,) = fleet.incidents()
    with read(fleet.engine) as conn:
        rows = [row for row in feed.since(conn, fleet.tenant_id, 0) if row.kind is FeedKind.INCIDENT]

    of_it = frozenset({Key("incident_row", incident.id), Key("incident", incident.id), OPEN})
    beside = frozenset({Key("incident_row", incident.id + 1), Key("counts", 0)})

    assert views.touched(rows, of_it | beside).keys >= of_it
    assert Key("incident_row", incident.id + 1) not in views.touched(rows, beside).keys


def test_each_fragment_of_an_incident_has_one_root_with_its_id_and_takes_no_name_for_markup(fleet) -> None:
    (incident,) = fleet.incidents()

    found = pieces(rendered(fleet, fleet.tenant_id, Key("incident", incident.id), Key("incident_row", incident.id)))

    names = ("row", "head", "members", "log", "public")
    ids = [f"incident-lanes-{incident.id}-1h", *(f"incident-{name}-{incident.id}" for name in names)]
    assert sorted(Roots(html).roots[0] or "" for html in found) == sorted(ids)
    assert all(len(Roots(html).roots) == 1 for html in found)
    assert not re.search(r"<b>web|<script|<style|\sstyle=|\son[a-z]+=", "".join(found))


def test_the_navigation_learns_how_many_are_open(fleet) -> None:
    (incident,) = fleet.incidents()

    (found,) = rendered(fleet, fleet.tenant_id, OPEN).elements[OPEN]

    assert f'data-newest="{incident.id}">1<' in json.loads(found)


def test_another_tenants_incident_is_not_a_word(fleet) -> None:
    (incident,) = fleet.incidents()
    with write(fleet.engine) as conn:
        zeta = build.a_tenant(conn, "zeta")

    found = rendered(fleet, zeta, Key("incident", incident.id), Key("incident_row", incident.id))

    assert (found.elements, found.gone) == ({}, {})
