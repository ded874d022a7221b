"""Which things on screens a change of the feed touches, and how those that somebody shows look now.

It asks the parts (live/parts) and renders what they answer; it knows no sockets, and nobody who watches.
"""

import json
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from podhealth.core.words import FeedKind
from podhealth.live import news, parts
from podhealth.live.frames import Key
from podhealth.live.parts import EVERY
from podhealth.live.render import fragment
from podhealth.store.feed import FeedRow


class Touched(NamedTuple):
    """What some changes of the feed make old of what is shown; whether pods came or went; the news."""

    keys: frozenset[Key]
    is_list_changed: bool
    toasts: tuple[dict[str, Any], ...]


class Rendered(NamedTuple):
    """Fragments by key, each encoded as a JSON string; ids of elements that are no more, or to be loaded anew."""

    elements: dict[Key, tuple[str, ...]]
    gone: dict[Key, tuple[str, ...]]
    stale: dict[Key, tuple[str, ...]]


def touched(rows: Iterable[FeedRow], shown: frozenset[Key]) -> Touched:
    """Return what these changes touch of what is ``shown`` (behaviour §11, Live)."""
    asked = [parts.ALL[name] for name in {key.part for key in shown}]
    old: set[Key] = set()
    toasts: list[dict[str, Any]] = []
    is_list_changed = False
    for row in rows:
        old.update(Key(part.name, each) for part in asked for each in part.touched(row))
        is_list_changed = is_list_changed or row.kind is FeedKind.INVENTORY
        toast = news.of(row, row.note or {})
        if toast is not None:
            toasts.append(toast)
    every = {key.part for key in old if key.object_id == EVERY}
    return Touched(frozenset(key for key in shown if key in old or key.part in every), is_list_changed, tuple(toasts))


def render(conn: sa.Connection, tenant_id: int, keys: Collection[Key], now: datetime) -> Rendered:
    """Return the fragments of ``keys`` as they look at ``now``, each rendered once for all who watch."""
    ids: dict[str, list[int]] = {}
    for key in keys:
        ids.setdefault(key.part, []).append(key.object_id)
    rendered = Rendered({}, {}, {})
    for name in (each for each in parts.ALL if each in ids):
        for object_id, pieces in parts.ALL[name].render(conn, tenant_id, ids[name], now).items():
            key = Key(name, object_id)
            rendered.elements[key] = tuple(json.dumps(str(fragment(*piece))) for piece in pieces.elements)
            rendered.gone[key] = tuple(pieces.gone)
            rendered.stale[key] = tuple(pieces.stale)
    return rendered
