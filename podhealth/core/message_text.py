"""The words of a message: its subject, and lines of which the first says what, and since when.

Plain text for every kind of channel, which escapes and lays it out as it must. Times are told in UTC: a message has
readers in several zones. Whether and when anything is told is core/messages.py's business.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from podhealth.core.told import length_in_words
from podhealth.core.words import Severity

MOST_LINES = 20
_LONGEST_SUBJECT = 200
_LONGEST_LINE = 400


class Trouble(NamedTuple):
    """One incident as it stands now; ``over_at`` is null while it is open, ``why_over`` is such as ``recovered``."""

    incident_id: int
    title: str
    severity: Severity
    since: datetime
    over_at: datetime | None = None
    why_over: str | None = None
    is_new: bool = False


class News(NamedTuple):
    """One notice: its sentence, true at ``at``; ``approval_id`` is what it asks to be answered.

    ``is_end``: it says that its incident is over, and after how long.
    """

    notice_id: int
    at: datetime
    text: str
    approval_id: int | None = None
    is_end: bool = False


class Words(NamedTuple):
    """What a message says. ``answers``: which line asks which approval; links are made when it is sent."""

    subject: str
    lines: tuple[str, ...]
    answers: tuple[tuple[int, int], ...] = ()


def begins(troubles: Sequence[Trouble], news: Sequence[News], now: datetime) -> Words:
    """Return the first message of a thread."""
    return Words(_cut(_open_subject(troubles, now)), _lines(_head(troubles, now), troubles, news, now))


def changes(troubles: Sequence[Trouble], news: Sequence[News], now: datetime) -> Words:
    """Return what is told while a thread goes on: first what still stands, then what has happened since."""
    open_ones = [one for one in troubles if one.over_at is None]
    return Words(_cut("Still: " + _open_subject(open_ones, now)), _lines(_head(troubles, now), troubles, news, now))


def reminds(troubles: Sequence[Trouble], now: datetime) -> Words:
    """Return a reminder of what is open and acknowledged by nobody."""
    words = _open_subject(troubles, now)
    return Words(
        _cut("Reminder: " + words), _lines([*_head(troubles, now), "Nobody has acknowledged it."], troubles, [])
    )


def ends(troubles: Sequence[Trouble], news: Sequence[News], now: datetime) -> Words:
    """Return the last message of a thread, with the downtime."""
    if len(troubles) == 1:
        said = next((one.text for one in reversed(news) if one.is_end), _over(troubles[0], now))
        others = [one for one in news if not one.is_end]
        return Words(_cut(said.rstrip(".")), _lines([said.rstrip(".") + "."], troubles, others, now))
    over_at = max(one.over_at for one in troubles if one.over_at is not None)
    since = min(one.since for one in troubles)
    span = f"{_when(since, now)} to {_when(over_at, now)}, {_span(since, over_at)}"
    head = f"All {len(troubles):,} incidents are over: {span}"
    told = [_over(one, now) + "." for one in troubles]
    return Words(_cut(head), (head + ".", *_capped(told)))


def tells(news: Sequence[News], now: datetime) -> Words:
    """Return what is told of no incident."""
    first = news[0].text
    subject = first if len(news) == 1 else f"{len(news):,} notices: {first}"
    lines = _told(news, now)
    asked = {_line(one, now): one.approval_id for one in news}
    answers = tuple((at, found) for at, line in enumerate(lines[:MOST_LINES]) if (found := asked[line]) is not None)
    return Words(_cut(subject.rstrip(".")), _capped(lines), answers)


def test(channel: str, by: str, at: datetime) -> Words:
    """Return what a test of a channel says."""
    lines = (f"This is a test of the channel {channel}, asked for by {by} at {_when(at, at)}.", "Nothing is wrong.")
    return Words(_cut(f"Test of the channel {channel}"), lines)


def _open_subject(troubles: Sequence[Trouble], now: datetime) -> str:
    since = min(one.since for one in troubles)
    if len(troubles) == 1:
        return f"{troubles[0].title} since {_when(since, now)}"
    return f"{len(troubles):,} incidents since {_when(since, now)}: " + ", ".join(one.title for one in troubles[:5])


def _head(troubles: Sequence[Trouble], now: datetime) -> list[str]:
    open_ones = [one for one in troubles if one.over_at is None]
    since = min((one.since for one in open_ones), default=now)
    if len(troubles) == 1:
        return [f"{troubles[0].title} since {_when(since, now)}."]
    if len(open_ones) == len(troubles):
        return [f"{len(troubles):,} incidents are open, the first since {_when(since, now)}."]
    return [f"{len(open_ones):,} of {len(troubles):,} incidents are open, the first since {_when(since, now)}."]


def _lines(
    head: Sequence[str], troubles: Sequence[Trouble], news: Sequence[News], now: datetime | None = None
) -> tuple[str, ...]:
    told = [] if now is None else _told(news, now)
    if len(troubles) > 1:
        open_ones = [one for one in troubles if one.over_at is None]
        listed = [one for one in open_ones if one.is_new] or open_ones
        told = list(_capped([f"{one.title} since {_when(one.since, now or one.since)}." for one in listed])) + told
    own = {line.rstrip(".") for line in head}
    return (*head, *_capped([line for line in told if line.rstrip(".") not in own]))


def _told(news: Sequence[News], now: datetime) -> list[str]:
    return list(dict.fromkeys(_line(one, now) for one in news))


def _line(one: News, now: datetime) -> str:
    return f"{_when(one.at, now)}: {one.text}"[:_LONGEST_LINE]


def _over(one: Trouble, now: datetime) -> str:
    assert one.over_at is not None  # the caller passes what is over
    why = "" if one.why_over is None else f" ({one.why_over})"
    return f"{one.title}: over at {_when(one.over_at, now)}, after {_span(one.since, one.over_at)}{why}"


def _span(since: datetime, until: datetime) -> str:
    return length_in_words(max(0, int((until - since).total_seconds() * 1_000_000)))


def _when(moment: datetime, now: datetime) -> str:
    moment, now = moment.astimezone(UTC), now.astimezone(UTC)
    return moment.strftime("%H:%M UTC" if moment.date() == now.date() else "%Y-%m-%d %H:%M UTC")


def _capped(lines: Sequence[str]) -> tuple[str, ...]:
    if len(lines) <= MOST_LINES:
        return tuple(lines)
    return (*lines[:MOST_LINES], f"and {len(lines) - MOST_LINES:,} more.")


def _cut(text: str) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= _LONGEST_SUBJECT else plain[: _LONGEST_SUBJECT - 1] + "…"
