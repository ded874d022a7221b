"""What a gate may answer, and how its texts name a time.

The questions stand in ``gates``; who walks them is ``decide``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Open:
    """The gate lets the heal pass; ``inputs`` is what it looked at: what JSON holds, and moments."""

    inputs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Closed:
    """The gate holds. ``until``: when it may open by itself. ``card`` is the short text.

    ``same_as`` names the answer where ``reason`` changes with every probe although the answer does not.
    ``ask_at``: when to ask again although nothing says that the answer will be another.
    """

    reason: str
    card: str
    until: datetime | None = None
    inputs: Mapping[str, Any] = field(default_factory=dict)
    same_as: str | None = None
    ask_at: datetime | None = None


def clock_text(moment: datetime) -> str:
    """Return a time of day in UTC as hold texts name it, with seconds where there are some."""
    hours = f"{moment.hour:02}:{moment.minute:02}"
    return f"{hours}:{moment.second:02}" if moment.second else hours
