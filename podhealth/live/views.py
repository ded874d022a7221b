"""Which fragments a change of the feed touches, and how those that somebody shows look now.

It reads views and renders them; it knows no sockets, and nobody who watches.
"""

import json
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any, Literal, NamedTuple

import sqlalchemy as sa

from podhealth.core.words import FeedKind
from podhealth.live.frames import Shown
from podhealth.live.render import fragment
from podhealth.store import incidentlog, incidentpage, overview, podpage
from podhealth.store.feed import FeedRow

Part = Literal["nav", "counts", "card", "row", "page", "open", "incident_row", "incident"]


class Key(NamedTuple):
    """One thing that may stand on a screen: the navigation's or overview's counts, a pod or incident as row or page.

    ``object_id``: of the pod or the incident, 0 for what there is one of.
    """

    part: Part
    object_id: int


NAV = Key("nav", 0)
COUNTS = Key("counts", 0)
OPEN = Key("open", 0)  # how many incidents are open, in the navigation
_OF_A_POD: tuple[Part, ...] = ("card", "row", "page")
_OF_AN_INCIDENT: tuple[Part, ...] = ("incident_row", "incident")
_SILENT = frozenset({FeedKind.POLICY})  # a changed policy shows when the pods it binds are judged


class Touched(NamedTuple):
    """What some changes of the feed make old: things on screens, and whether pods came or went."""

    keys: frozenset[Key]
    is_list_changed: bool
    toasts: tuple[dict[str, Any], ...]


class Rendered(NamedTuple):
    """Fragments by key, each encoded as a JSON string; ids of elements whose pod is no more."""

    elements: dict[Key, tuple[str, ...]]
    gone: dict[Key, tuple[str, ...]]


def keys_shown(shown: Shown) -> frozenset[Key]:
    """Return the keys of what a screen shows; each page has the navigation's counts."""
    keys = [NAV, OPEN, *(Key("card", i) for i in shown.cards), *(Key("row", i) for i in shown.rows)]
    if shown.counts:
        keys.append(COUNTS)
    if shown.page is not None:
        keys.append(Key("page", shown.page))
    keys += [Key("incident_row", i) for i in shown.incidents]
    if shown.incident is not None:
        keys.append(Key("incident", shown.incident))
    return frozenset(keys)


def touched(rows: Iterable[FeedRow]) -> Touched:
    """Return what these changes touch (behaviour §11, Live)."""
    pods: set[int] = set()
    changed: set[int] = set()
    is_list_changed = is_window_changed = False
    toasts: list[dict[str, Any]] = []
    for row in rows:
        if row.note:
            toasts.append({"text": row.note.get("text"), "tone": row.note.get("tone"), "pod": row.pod_id})
        if row.kind not in _SILENT and row.pod_id is not None:
            pods.add(row.pod_id)
        if row.kind is FeedKind.INCIDENT and row.object_id is not None:
            changed.add(row.object_id)
        is_list_changed = is_list_changed or row.kind is FeedKind.INVENTORY
        is_window_changed = is_window_changed or row.kind is FeedKind.WINDOW
    keys = {Key(part, pod_id) for pod_id in pods for part in _OF_A_POD}
    if is_window_changed:
        keys.add(NAV)  # what stands on each page; the list of windows loads itself anew when it is swapped
    keys |= {Key(part, incident_id) for incident_id in changed for part in _OF_AN_INCIDENT}
    if changed:
        keys.add(OPEN)
    if pods or is_list_changed:
        keys |= {NAV, COUNTS}
    return Touched(frozenset(keys), is_list_changed, tuple(toasts))


def render(conn: sa.Connection, tenant_id: int, keys: Collection[Key], now: datetime) -> Rendered:
    """Return the fragments of ``keys`` as they look at ``now``, each rendered once for all who watch."""
    elements: dict[Key, tuple[str, ...]] = {}
    gone: dict[Key, tuple[str, ...]] = {}
    if NAV in keys or COUNTS in keys:
        counts = overview.counts(conn, tenant_id, now)
        elements |= {NAV: (_piece("nav_counts", counts),), COUNTS: (_piece("overview_counts", counts),)}
    listed = sorted({key.object_id for key in keys if key.part in ("card", "row")})
    cards = {card.pod_id: card for card in overview.pod_cards(conn, tenant_id, now, listed)} if listed else {}
    elements |= _incidents(conn, tenant_id, keys, now)
    for key in keys:
        if key.part in ("card", "row"):
            if key.object_id in cards:
                elements[key] = (_piece(f"pod_{key.part}", cards[key.object_id]),)
            else:
                gone[key] = (f"pod-{key.part}-{key.object_id}",)
        elif key.part == "page":
            elements[key], gone[key] = _page(conn, tenant_id, key.object_id, now)
    return Rendered({key: elements[key] for key in keys if key in elements}, gone)


def _incidents(conn: sa.Connection, tenant_id: int, keys: Collection[Key], now: datetime) -> dict[Key, tuple[str, ...]]:
    listed = sorted({key.object_id for key in keys if key.part == "incident_row"})
    rows = incidentlog.incidents_of(conn, tenant_id, listed, now)
    found: dict[Key, tuple[str, ...]] = {
        Key("incident_row", incident_id): (_piece("incident_row", row),) for incident_id, row in rows.items()
    }
    if OPEN in keys:
        found[OPEN] = (_piece("nav_incidents", incidentlog.count_open(conn, tenant_id)),)
    for key in keys:
        page = incidentpage.incident_page(conn, tenant_id, key.object_id, now) if key.part == "incident" else None
        if page is not None:
            found[key] = tuple(_piece(name, view) for name, view in page.fragments())
    return found


def _piece(name: str, view: object) -> str:
    return json.dumps(str(fragment(name, view)))


def _page(conn: sa.Connection, tenant_id: int, pod_id: int, now: datetime) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return what a pod's open page shows now, and the ids of what it shows no more: all, where the pod was deleted."""
    page = podpage.pod_page(conn, tenant_id, pod_id, now)
    if page is not None:
        return tuple(_piece(name, view) for name, view in page.fragments()), ()
    deleted = podpage.deleted_pod(conn, tenant_id, pod_id)
    if deleted is None:  # nobody's, or another tenant's: not a word
        return (), ()
    return (_piece("pod_gone", deleted),), (f"pod-body-{pod_id}", f"pod-actions-{pod_id}")
