"""When a window truly was under way: as it was planned at each moment, whatever was changed, ended or deleted since.

What was done to it comes in as the audit trail keeps it; nothing is read here.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, NamedTuple

from podhealth.core.window_rules import WindowRules, parse_window
from podhealth.core.windows import Occurrence, occurrences

_MOST_TIMES = 100  # of one state of a window; a month has 31 days


class Deed(NamedTuple):
    """Something done to a window, in the audit trail's words; ``after``: the API's fields, as far as they changed."""

    at: datetime
    what: str
    after: Mapping[str, Any]


class Was(NamedTuple):
    """One time that a window was under way, under the name it had then."""

    name: str
    since: datetime
    until: datetime


class _State(NamedTuple):
    """What is to be between two deeds. ``rules`` null: the window is no more."""

    rules: WindowRules | None = None
    skip_until: datetime | None = None
    extended_until: datetime | None = None


def times_in_force(deeds: Sequence[Deed], since: datetime, until: datetime) -> list[Was]:
    """Return when a window was under way between two moments, in order; ``deeds``: all that were done to it before.

    They come oldest first, and the first of them made it. What goes on through a change is one; what goes on at
    ``until`` ends there. Raises InputError where a deed says what no window may be: the trail is not ours.
    """
    found: list[Was] = []
    state = _State()
    ends = [deed.at for deed in deeds[1:]] + [until]
    for deed, end in zip(deeds, ends, strict=True):
        state = _after(state, deed)
        for one in _planned(state, max(deed.at, since), min(end, until)):
            was = Was(state.rules.name if state.rules else "", max(one.since, deed.at), min(one.until, end, until))
            if found and was.since <= found[-1].until:
                was = was._replace(since=found.pop().since)
            found.append(was)
    return found


def _after(state: _State, deed: Deed) -> _State:
    if deed.what == "window deleted":
        return _State()
    if deed.what == "window ended":
        return state._replace(skip_until=deed.at, extended_until=None)
    if deed.what == "window extended":
        return state._replace(extended_until=datetime.fromisoformat(deed.after["until"]))
    rules = parse_window(deed.after, state.rules)
    # What is switched off is not under way, so it is not lengthened any more.
    return state._replace(rules=rules, extended_until=state.extended_until if rules.enabled else None)


def _planned(state: _State, since: datetime, until: datetime) -> Iterator[Occurrence]:
    if state.rules is None or not state.rules.enabled or since >= until:
        return
    for one in islice(occurrences(state.rules.plan(state.skip_until, state.extended_until), since), _MOST_TIMES):
        if one.since >= until:
            return
        yield one
