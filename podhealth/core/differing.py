"""What differs between two states of a thing, field by field, in words people read. Knows no thing in particular."""

from collections.abc import Mapping
from typing import Any, NamedTuple

_LONGEST = 300
NOTHING = "nothing"


class Change(NamedTuple):
    """One field that differs: its name in words, what it said before, and what it says after."""

    name: str
    before: str
    after: str


def changes(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> tuple[Change, ...]:
    """Return the fields that differ, in the order of ``after`` and then of ``before``; null is a state without any."""
    was, now = before or {}, after or {}
    names = [*now, *(name for name in was if name not in now)]
    pairs = ((name, said(was.get(name)), said(now.get(name))) for name in names if was.get(name) != now.get(name))
    return tuple(Change(words_of(name), *told) for name, *told in pairs)


def said(value: Any) -> str:
    """Return a value as a person reads it: yes, no, nothing, lists with commas; at most 300 characters."""
    if value is None or value == "" or value == [] or value == {}:
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        text = ", ".join(f"{words_of(str(name))}: {said(inner)}" for name, inner in value.items())
    elif isinstance(value, list | tuple):
        text = "; ".join(said(inner) for inner in value)
    elif isinstance(value, float) and value.is_integer():
        text = str(int(value))
    else:
        text = str(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def words_of(name: str) -> str:
    """Return a field's name as words: ``cooldownMinutes`` and ``cooldown_minutes`` are "cooldown minutes"."""
    spaced = "".join(f" {c.lower()}" if c.isupper() else c for c in name.replace("_", " "))
    return " ".join(spaced.split())
