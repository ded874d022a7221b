"""Pods on screens: as cards, as rows, in groups, as one pod's page, counted in the navigation and on the overview."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from functools import partial

import sqlalchemy as sa

from podhealth.core.words import FeedKind
from podhealth.live.parts.part import EVERY, THE_ONE, Fragment, Part, Pieces
from podhealth.store import needs, overview, podevents, podgroups, podpage
from podhealth.store.feed import FeedRow
from podhealth.store.podfilters import GroupBy

_SILENT = frozenset({FeedKind.POLICY})  # a changed policy shows when the pods it binds are judged


def _the_pod(row: FeedRow) -> Iterable[int]:
    return () if row.pod_id is None or row.kind in _SILENT else (row.pod_id,)


def _the_counts(row: FeedRow) -> Iterable[int]:
    is_of_pods = row.kind is FeedKind.INVENTORY or (row.pod_id is not None and row.kind not in _SILENT)
    return (THE_ONE,) if is_of_pods else ()


def _the_needs(row: FeedRow) -> Iterable[int]:
    # Who acknowledges an incident takes its pods out of what needs somebody.
    return (THE_ONE,) if row.kind is FeedKind.INCIDENT else _the_counts(row)


def _the_head(row: FeedRow) -> Iterable[int]:
    # A window that begins or ends: the list of windows loads itself anew when something on its page is swapped.
    # An incident that somebody takes on: its pods no longer count in the page's title.
    return (THE_ONE,) if row.kind in (FeedKind.WINDOW, FeedKind.INCIDENT) else _the_counts(row)


def _its_groups(row: FeedRow) -> Iterable[int]:
    # A change names its pod, and neither the node nor the tags of it.
    return (EVERY,) if row.kind is FeedKind.BREAKER or THE_ONE in _the_counts(row) else ()


def _the_alerts(row: FeedRow) -> Iterable[int]:
    # What came of an alert: a try names its channel alone, and a wider cause no pod. All else is its page's.
    is_wider = row.kind is FeedKind.INCIDENT and row.pod_id is None
    return (EVERY,) if is_wider or row.kind is FeedKind.CHANNEL else ()


def _nav(conn: sa.Connection, tenant_id: int, _ids: Collection[int], now: datetime) -> Mapping[int, Pieces]:
    return {THE_ONE: Pieces((Fragment("nav_counts", overview.counts(conn, tenant_id, now)),))}


def _counts(conn: sa.Connection, tenant_id: int, _ids: Collection[int], now: datetime) -> Mapping[int, Pieces]:
    return {THE_ONE: Pieces((Fragment("overview_counts", overview.counts(conn, tenant_id, now)),))}


def _needs(conn: sa.Connection, tenant_id: int, _ids: Collection[int], now: datetime) -> Mapping[int, Pieces]:
    return {THE_ONE: Pieces((Fragment("needs_you", needs.needs_you(conn, tenant_id, now)),))}


def _cards(conn: sa.Connection, tenant_id: int, ids: Collection[int], now: datetime) -> Mapping[int, Pieces]:
    return _listed("card", conn, tenant_id, ids, now)


def _rows(conn: sa.Connection, tenant_id: int, ids: Collection[int], now: datetime) -> Mapping[int, Pieces]:
    return _listed("row", conn, tenant_id, ids, now)


def _listed(
    shape: str, conn: sa.Connection, tenant_id: int, ids: Collection[int], now: datetime
) -> Mapping[int, Pieces]:
    gone = {pod_id: Pieces(gone=(f"pod-{shape}-{pod_id}",)) for pod_id in ids}
    cards = overview.pod_cards(conn, tenant_id, now, sorted(ids))
    return gone | {card.pod_id: Pieces((Fragment(f"pod_{shape}", card),)) for card in cards}


def _groups(
    by: GroupBy, conn: sa.Connection, tenant_id: int, ids: Collection[int], now: datetime
) -> Mapping[int, Pieces]:
    gone = {each: Pieces(gone=(f"group-{by}-{each}",)) for each in ids}
    groups = podgroups.whole_groups(conn, tenant_id, now, by).values()
    return gone | {one.group_id: Pieces((Fragment("pod_group", one),)) for one in groups if one.group_id in gone}


def _marks(conn: sa.Connection, tenant_id: int, ids: Collection[int], now: datetime) -> Mapping[int, Pieces]:
    cards = overview.pod_cards(conn, tenant_id, now, sorted(ids))
    return {card.pod_id: Pieces((Fragment("pod_mark", card),)) for card in cards}


def _pages(conn: sa.Connection, tenant_id: int, ids: Collection[int], now: datetime) -> Mapping[int, Pieces]:
    pages = {pod_id: _page(conn, tenant_id, pod_id, now) for pod_id in ids}
    return {pod_id: pieces for pod_id, pieces in pages.items() if pieces is not None}


def _page(conn: sa.Connection, tenant_id: int, pod_id: int, now: datetime) -> Pieces | None:
    """Return what a pod's open page shows now, and the ids of what it shows no more: all, where the pod was deleted."""
    page = podpage.pod_page(conn, tenant_id, pod_id, now)
    if page is not None:
        return Pieces(tuple(Fragment(name, view) for name, view in page.fragments()))
    deleted = podpage.deleted_pod(conn, tenant_id, pod_id)
    if deleted is None:  # nobody's, or another tenant's: not a word
        return None
    return Pieces((Fragment("pod_gone", deleted),), (f"pod-body-{pod_id}", f"pod-actions-{pod_id}"))


def _events(conn: sa.Connection, tenant_id: int, ids: Collection[int], _now: datetime) -> Mapping[int, Pieces]:
    found = podevents.newest_of(conn, tenant_id, ids)
    names = ("events", "events_newest")
    return {pod_id: Pieces([Fragment(name, events) for name in names]) for pod_id, events in found.items()}


PARTS = (
    Part("nav", _the_head, _nav),
    Part("counts", _the_counts, _counts),
    Part("needs", _the_needs, _needs),
    Part("card", _the_pod, _cards),
    Part("row", _the_pod, _rows),
    Part("group_node", _its_groups, partial(_groups, GroupBy.NODE)),
    Part("group_tag", _its_groups, partial(_groups, GroupBy.TAG)),
    Part("page", _the_pod, _pages),
    Part("events", _the_alerts, _events),
    Part("mark", _the_pod, _marks),
)
