"""What a live part is made of: the three shapes that every module of live/parts fills in."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa

from podhealth.store.feed import FeedRow


class Fragment(NamedTuple):
    """One piece of a screen: ``templates/fragments/<name>.html``, and the view object it is drawn from."""

    name: str
    view: object


class Pieces(NamedTuple):
    """How one thing looks now: fragments to put in the place of those with the same id, and ids of what is no more.

    ``stale``: ids of elements that each page loads anew from its own address, because they differ between viewers.
    """

    elements: Sequence[Fragment] = ()
    gone: Sequence[str] = ()
    stale: Sequence[str] = ()


Touched = Callable[[FeedRow], Iterable[int]]
Render = Callable[[sa.Connection, int, Collection[int], datetime], Mapping[int, Pieces]]


class Part(NamedTuple):
    """One kind of thing that may stand on a screen (live/parts/__init__.py says how to write one).

    ``name``: lower-case letters and underscores, as in ``data-part="<name>-<id>"``. ``touched``: the ids that a
    change makes old, or EVERY; it reads nothing but the row. ``render``: how the things with these ids look at a
    moment, by one batch of queries; an id that the tenant does not have is left out.
    """

    name: str
    touched: Touched
    render: Render


THE_ONE = 0
"""The id of what there is one of on a page: counts, banners, stats."""

EVERY = -1
"""Said by ``touched`` of a change that makes every thing of the part old that somebody shows."""
