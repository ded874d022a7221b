"""What stands on screens and is kept true there: one module a noun, gathered in ``ALL``.

To make something live:

1. **The place.** The root of its fragment carries a stable ``id`` and ``data-part="<name>-<id>"``, where the id is the
   object's, or 0 where there is one of it: ``<tr id="heal-row-88" data-part="heal_row-88">``. One part may consist of
   several fragments (a pod's page has ten): then one of them carries the ``data-part``, and all are found by their
   ``id``. Several elements may carry the same ``data-part``. What the page does not show is not asked for.
2. **The part**, in ``live/parts/<noun>.py``, and its module's name in ``ALL`` below::

       def _of_a_heal(row: FeedRow) -> Iterable[int]:
           return (row.object_id,) if row.kind is FeedKind.HEAL and row.object_id is not None else ()


       def _rows(conn: sa.Connection, tenant_id: int, ids: Collection[int], now: datetime) -> Mapping[int, Pieces]:
           rows = heallog.rows_of(conn, tenant_id, ids, now)
           return {heal_id: Pieces((Fragment("heal_row", row),)) for heal_id, row in rows.items()}


       PARTS = (Part("heal_row", touched=_of_a_heal, render=_rows),)

   ``touched`` says from one row of the feed which ids are old now. It is asked for every change and reads no
   database. ``render`` draws all of ``ids`` at once: once a tenant, whoever watches, so it knows no viewer and no
   page's query, and it reads the tenant's own only (an id of somebody else is left out of the answer, not an error).
   ``gone`` names elements to take away, where the thing was deleted. Where a section shows buttons by role or goes by
   the page's query, ``Pieces(stale=("switches",))`` has each page load ``#switches`` anew from its own address, at
   most once in two seconds; a fragment is cheaper and sooner. Where the row does not say which ids are old, and it
   is seldom, ``touched`` says ``(EVERY,)``.
3. **The change.** Whatever transaction changes what is shown appends a note of it to the feed (store/feed).

Lists never reorder or grow by themselves. What counts a list carries ``data-newest-of="heals" data-newest="88"`` and
is live; the list has a hidden line ``<p hidden data-drift="heals" data-newest="88">2 new … <a>Show them</a></p>``,
which appears as soon as the count's newest is the larger one. A ``[data-drift-count]`` in the line gets the difference
of ``data-count``, if both have one.

A push never goes into what a person has in hand: the element in focus, a form that is being filled in, an open dialog,
an open ``<details>``, selected text. It waits, and the chip says so. A ``<details data-live-inside>`` is only a
frame around live things (a group of a list): open or not, pushes go into it. ``data-in-hand``, set by a script, keeps
pushes from an element as well. A hidden tab watches what stands outside ``main``, and what carries ``data-always``.

What grows old without a change: ``data-stale-at="…Z"`` on an element with an ``id`` has it loaded anew from the page's
own address at that moment (the end of a hold), ``data-renew-s="900"`` every so many seconds (the edge of strips).
"""

from podhealth.live.parts import (
    approvals,
    banners,
    brakes,
    channels,
    deliveries,
    heals,
    incidents,
    pods,
    policies,
    sources,
    windows,
)
from podhealth.live.parts.part import EVERY, THE_ONE, Fragment, Part, Pieces

_NOUNS = (pods, incidents, approvals, banners, brakes, channels, deliveries, policies, windows, heals, sources)

ALL: dict[str, Part] = {part.name: part for noun in _NOUNS for part in noun.PARTS}

__all__ = ["ALL", "EVERY", "THE_ONE", "Fragment", "Part", "Pieces"]
