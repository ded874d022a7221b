"""How long what happened is kept: the numbers of behaviour §8 that an operator may set for an installation.

Where they are set is unknown here; who is not told takes the defaults.
"""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Kept:
    """How long results, rollups, changes of status, what healing and telling did, the feed and the trail are kept.

    ``heals``: decisions, incidents, messages and deliveries too. ``transitions``: of statuses and of phases.
    """

    results: timedelta = timedelta(days=30)
    five_minutes: timedelta = timedelta(days=14)
    hours: timedelta = timedelta(days=400)
    transitions: timedelta = timedelta(days=400)
    heals: timedelta = timedelta(days=90)
    feed: timedelta = timedelta(hours=24)
    audit: timedelta = timedelta(days=400)


DEFAULT = Kept()
