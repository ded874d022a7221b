"""When a channel is told what: routes, gathering, the pace of changes, reminders, and how often a try is repeated.

What belongs together is a *thread*: the incidents a channel was first told of in one message. A thread is told as one
incident would be. Nothing here reads a clock, a row or a word of any message (core/message_text.py writes those).
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from podhealth.core.words import NoticeKind, Severity

GATHER = timedelta(seconds=10)
CHANGE_EVERY = timedelta(minutes=5)
REMIND_EVERY = timedelta(hours=4)
# In CHANGE_EVERY a channel gets at most so many messages that begin something new. One message about more than
# MANY things ends that at once: what comes after it is most likely more of the same.
MOST_NEW = 3
MANY = 5

RETRIES = (
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=15),
    timedelta(hours=1),
    timedelta(hours=6),
)
LONGEST_RETRY_AFTER = timedelta(hours=6)
_JITTER = 0.1

# Told at once even where an incident is open: somebody must act, or the pod's checks cannot be relied upon.
AT_ONCE = frozenset(
    {
        NoticeKind.APPROVAL_WANTED,
        NoticeKind.FLAPPING,
        NoticeKind.FLAPPING_ENDED,
        NoticeKind.CHRONIC,
        NoticeKind.VANISHED,
        NoticeKind.FOUND_AGAIN,
        NoticeKind.SOURCE_FAILING,
        NoticeKind.SOURCE_BACK,
    }
)
# Nobody is told that something is over of which they were not told that it began.
ENDING = frozenset(
    {
        NoticeKind.RECOVERED,
        NoticeKind.NODE_BACK,
        NoticeKind.VANTAGE_BACK,
        NoticeKind.STOPPED,
        NoticeKind.LEFT,
    }
)


class RouteRule(NamedTuple):
    """What one route lets through: at least this severity, of pods that carry all of these tags (none: any pod)."""

    severity: Severity
    tags: frozenset[str] = frozenset()


class New(NamedTuple):
    """One recent message of a channel that began something: when, about how many things, and whether it is over."""

    at: datetime
    size: int
    thread_id: int | None = None
    is_open: bool = True


class Place(NamedTuple):
    """Where something new is told: in a thread that is there, or in a message of its own, due then."""

    thread_id: int | None
    due_at: datetime


class Said(NamedTuple):
    """One notice as far as others can make it void: of which object (``breaker:3``, ``pod:7``) it says what."""

    notice_id: int
    kind: NoticeKind
    subject: str


def goes(routes: Collection[RouteRule], severity: Severity, tags: Iterable[Collection[str]]) -> bool:
    """Return whether a channel with these routes is told of something this severe; without routes it is told of all.

    ``tags`` are those of each pod concerned: one that fits is enough. A route that asks for tags lets nothing through
    that concerns no pod.
    """
    carried = [frozenset(one) for one in tags]
    return not routes or any(
        (severity == Severity.CRITICAL or route.severity == Severity.WARNING)
        and (not route.tags or any(route.tags <= one for one in carried))
        for route in routes
    )


def due_of_new(now: datetime, recent: Sequence[New]) -> datetime:
    """Return when the next message about something new may go: after 10 s, or once the channel's budget allows.

    ``recent``: those of the last CHANGE_EVERY, the oldest first.
    """
    due = now + GATHER
    if recent and recent[-1].size > MANY:
        due = max(due, recent[-1].at + CHANGE_EVERY)
    if len(recent) >= MOST_NEW:
        due = max(due, recent[-MOST_NEW].at + CHANGE_EVERY)
    return due


def place_of_new(now: datetime, recent: Sequence[New]) -> Place:
    """Return where a channel is told of another incident (see the module, and docs/alerts.md).

    Within the budget in a thread of its own after 10 s. Beyond it in the newest thread that is not over, as a change
    of that; where all are over, in a thread of its own once the budget allows.
    """
    due = due_of_new(now, recent)
    newest = next((one for one in reversed(recent) if one.is_open), None)
    if due > now + GATHER and newest is not None:
        return Place(newest.thread_id, newest.at + CHANGE_EVERY)
    return Place(None, due)


def due_of_change(now: datetime, told_at: datetime) -> datetime:
    """Return when a thread that was last told of at ``told_at`` may be told of again; a change gathers 10 s, too."""
    return max(now + GATHER, told_at + CHANGE_EVERY)


def void(said: Sequence[Said]) -> frozenset[int]:
    """Return the notices that others of the same message have made untrue: what ended again is told neither way."""
    gone: set[int] = set()
    by_subject: dict[str, list[Said]] = {}
    for one in said:
        if one.kind in _PAIRED:
            by_subject.setdefault(f"{_PAIRED[one.kind]} {one.subject}", []).append(one)
    for all_of_it in by_subject.values():
        first, last = all_of_it[0], all_of_it[-1]
        is_nothing = first.kind in _BEGINS and last.kind in _ENDS
        gone |= {one.notice_id for one in all_of_it if is_nothing or one is not last}
    return frozenset(gone)


_PAIRED = {
    NoticeKind.BREAKER_OPEN: "breaker",
    NoticeKind.BREAKER_HALF_OPEN: "breaker",
    NoticeKind.BREAKER_CLOSED: "breaker",
    NoticeKind.FLAPPING: "flapping",
    NoticeKind.FLAPPING_ENDED: "flapping",
    NoticeKind.VANISHED: "vanished",
    NoticeKind.FOUND_AGAIN: "vanished",
    NoticeKind.SOURCE_FAILING: "source",
    NoticeKind.SOURCE_BACK: "source",
}
_BEGINS = frozenset({NoticeKind.BREAKER_OPEN, NoticeKind.FLAPPING, NoticeKind.VANISHED, NoticeKind.SOURCE_FAILING})
_ENDS = frozenset(
    {NoticeKind.BREAKER_CLOSED, NoticeKind.FLAPPING_ENDED, NoticeKind.FOUND_AGAIN, NoticeKind.SOURCE_BACK}
)


def wait_before_try(tries: int, jitter: float, retry_after: timedelta | None = None) -> timedelta | None:
    """Return how long to wait after ``tries`` tries that failed; null where that was the last.

    ``jitter`` from 0 to 1 lengthens it by up to a tenth, so that a receiver that comes back is not met by all at once.
    What the receiver asked for is kept to, up to 6 h, and never shortens the wait.

    Raises ValueError below one try: nothing has failed yet.
    """
    if tries < 1:
        raise ValueError(f"tries must be at least 1, got {tries}")
    if tries > len(RETRIES):
        return None
    asked = min(retry_after or timedelta(0), LONGEST_RETRY_AFTER)
    return max(RETRIES[tries - 1], asked) * (1 + _JITTER * jitter)
