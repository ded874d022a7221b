"""How a scenario writes lengths of time and bounds: "90s", "1h30m", "2d"; "4", "<= 6", ">= 1", "4..6".

What is bounded by them is unknown here.
"""

import re
from typing import Annotated, NamedTuple

from pydantic import BeforeValidator

US = 1_000_000
_UNITS = {"s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
_LENGTH = re.compile(r"(?:\d+(?:\.\d+)?[smhd])+")
_PART = re.compile(r"(\d+(?:\.\d+)?)([smhd])")
_AT_MOST, _AT_LEAST, _RANGE = re.compile(r"<=\s*(.+)"), re.compile(r">=\s*(.+)"), re.compile(r"(.+?)\s*\.\.\s*(.+)")


def parse_length(value: object) -> int:
    """Return a length in microseconds; a plain number is seconds. Raises ValueError with what would be right."""
    if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
        return round(value * US)
    text = value.replace(" ", "") if isinstance(value, str) else ""
    if not _LENGTH.fullmatch(text):
        raise ValueError(f"{value!r} is no length; write 90s, 2m, 1h30m or 3d")
    return round(sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text)) * US)


def length_text(us: float) -> str:
    """Return a length as a scenario writes it, in at most two units."""
    seconds = round(us / US)
    for unit, size, smaller, small in (("d", 86_400, "h", 3_600), ("h", 3_600, "m", 60), ("m", 60, "s", 1)):
        if seconds >= size:
            rest = seconds % size // small
            return f"{seconds // size}{unit}" + (f"{rest}{smaller}" if rest else "")
    return f"{seconds}s"


class Bound(NamedTuple):
    """What a number may be; null: no limit on that side. ``text`` is how it was written."""

    least: float | None
    most: float | None
    text: str

    def holds(self, value: float) -> bool:
        """Return whether the value lies within."""
        return (self.least is None or value >= self.least) and (self.most is None or value <= self.most)


def _number(text: str, *, is_length: bool) -> float:
    if is_length:
        return parse_length(text.strip())
    return float(int(text.strip()))


def _parse_bound(value: object, *, is_length: bool) -> Bound:
    if isinstance(value, Bound):
        return value
    text = str(value).strip()
    what = "a length such as <= 10m" if is_length else "a bound such as 4, <= 6, >= 1 or 4..6"
    try:
        if isinstance(value, bool):
            raise ValueError
        if found := _AT_MOST.fullmatch(text):
            return Bound(None, _number(found[1], is_length=is_length), text)
        if found := _AT_LEAST.fullmatch(text):
            return Bound(_number(found[1], is_length=is_length), None, text)
        if found := _RANGE.fullmatch(text):
            low, high = (_number(part, is_length=is_length) for part in found.groups())
            return Bound(low, high, text)
        exact = _number(text, is_length=is_length)
    except ValueError:
        raise ValueError(f"{value!r} is no bound; write {what}") from None
    return Bound(exact, exact, text)


def _count(value: object) -> Bound:
    return _parse_bound(value, is_length=False)


def _span(value: object) -> Bound:
    return _parse_bound(value, is_length=True)


Length = Annotated[int, BeforeValidator(parse_length)]  # microseconds
Count = Annotated[Bound, BeforeValidator(_count)]
Span = Annotated[Bound, BeforeValidator(_span)]  # of microseconds
