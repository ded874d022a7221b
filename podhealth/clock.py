"""The only callers of the real clock.

Everything that decides takes ``now`` as an argument; this module is where that
value comes from. Tests and fault runs move time with ``shift``: it moves what
this process and its database readings believe, never the machine's clock.
"""

import os
import time
from datetime import UTC, datetime, timedelta

_shift = timedelta(seconds=float(os.environ.get("PODHEALTH_CLOCK_SHIFT", "0")))


def utcnow() -> datetime:
    """Return the present moment, aware, in UTC, with the shift applied."""
    return datetime.now(UTC) + _shift


def monotonic() -> float:
    """Return seconds on a clock that never goes back; only differences mean anything."""
    return time.monotonic()


def shift(by: timedelta) -> None:
    """Set how far this process believes to be from the real time (for tests and fault runs)."""
    global _shift
    _shift = by


def shifted() -> timedelta:
    """Return the shift in force, for those who read another clock (the database's) and must move it alike."""
    return _shift
