"""Pods that stand on a page or were selected there: their ids out of a request, and what has drifted since.

Whether they are the caller's is the store's business.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from podhealth.core.errors import InputError, NotFound
from podhealth.store.podlist import Found
from podhealth.store.tenancy import MAX_ID

MOST_SELECTED = 200


class Drift(NamedTuple):
    """What loading a list again would change: how many pods more (or, below 0, fewer) match, and how many moved."""

    more: int
    moved: int


def ids_in(texts: Iterable[str]) -> list[int]:
    """Return the ids in these texts, each alone or several with commas between, without doubles.

    Raises NotFound for what no pod can be called: a stranger learns nothing from the difference.
    """
    parts = [part.strip() for text in texts for part in text.split(",") if part.strip()]
    if not all(_is_id(part) for part in parts):
        raise NotFound("there is no such pod")
    return list(dict.fromkeys(int(part) for part in parts))


def selected_in(texts: Iterable[str]) -> list[int]:
    """Return the selected ids. Raises InputError(ids) for none or too many of them, NotFound as ``ids_in`` does."""
    ids = ids_in(texts)
    if not 1 <= len(ids) <= MOST_SELECTED:
        raise InputError("ids", f"select 1 to {MOST_SELECTED} pods")
    return ids


def drifted(shown: Sequence[int], matching: int, found: Found) -> Drift:
    """Return how the page that shows these pods, of so many that matched, differs from what was found now."""
    more = found.matching - matching
    places = {pod_id: place for place, pod_id in enumerate(found.pod_ids)}
    kept = [places[pod_id] for pod_id in shown if pod_id in places]
    come = len(found.pod_ids) - len(kept)
    return Drift(more, len(kept) - _in_order(kept) + max(0, come - max(0, more)))


def _in_order(places: Sequence[int]) -> int:
    """Return how many can stay where they are while the others move between them."""
    ends: list[int] = []
    for place in places:
        at = bisect_left(ends, place)
        ends[at : at + 1] = [place]
    return len(ends)


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= len(str(MAX_ID)) and 1 <= int(text) <= MAX_ID
