"""Incidents on screens: as rows, as one incident's page, and how many are open in the navigation."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

import sqlalchemy as sa

from podhealth.core.words import FeedKind
from podhealth.live.parts.part import THE_ONE, Fragment, Part, Pieces
from podhealth.store import incidentlog, incidentpage
from podhealth.store.feed import FeedRow


def _the_incident(row: FeedRow) -> Iterable[int]:
    return (row.object_id,) if row.kind is FeedKind.INCIDENT and row.object_id is not None else ()


def _the_count(row: FeedRow) -> Iterable[int]:
    return (THE_ONE,) if row.kind is FeedKind.INCIDENT else ()


def _open(conn: sa.Connection, tenant_id: int, _ids: Collection[int], _now: datetime) -> Mapping[int, Pieces]:
    return {THE_ONE: Pieces((Fragment("nav_incidents", incidentlog.count_open(conn, tenant_id)),))}


def _rows(conn: sa.Connection, tenant_id: int, ids: Collection[int], now: datetime) -> Mapping[int, Pieces]:
    rows = incidentlog.incidents_of(conn, tenant_id, sorted(ids), now)
    return {incident_id: Pieces((Fragment("incident_row", row),)) for incident_id, row in rows.items()}


def _pages(conn: sa.Connection, tenant_id: int, ids: Collection[int], now: datetime) -> Mapping[int, Pieces]:
    pages = {each: incidentpage.incident_page(conn, tenant_id, each, now) for each in ids}
    return {
        incident_id: Pieces(tuple(Fragment(name, view) for name, view in page.fragments()))
        for incident_id, page in pages.items()
        if page is not None
    }


def _tabs(_conn: sa.Connection, _tenant_id: int, _ids: Collection[int], _now: datetime) -> Mapping[int, Pieces]:
    # What they count goes by the filters in the page's own address.
    return {THE_ONE: Pieces(stale=("incident-tabs",))}


PARTS = (
    Part("nav_incidents", _the_count, _open),
    Part("incident_tabs", _the_count, _tabs),
    Part("incident_row", _the_incident, _rows),
    Part("incident", _the_incident, _pages),
)
