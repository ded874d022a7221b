"""How long a pod's certificate still holds, in days and in words.

Moments come in; nothing here opens a connection or reads a clock.
"""

from datetime import datetime
from typing import NamedTuple


class Certificate(NamedTuple):
    """A certificate as people read of it. ``is_short``: they should see to it."""

    words: str
    is_short: bool


def days_left(ends_at: datetime, now: datetime) -> int:
    """Return the whole days that are left; negative once it has ended."""
    return (ends_at - now).days


def certificate_left(ends_at: datetime, now: datetime, limit: int | None) -> Certificate:
    """Return what is left of a certificate: "certificate 23 days".

    Short are fewer days than ``limit``, which is what its check wants; where it wants nothing, what has ended.
    """
    days = days_left(ends_at, now)
    words = f"certificate {days} day{'' if days == 1 else 's'}"
    if days < 1:
        words = "certificate ended" if days < 0 else "certificate ends within a day"
    return Certificate(words, days < (limit or 0))
