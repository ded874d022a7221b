"""The one channel of each tenant of a scenario, which gets everything: threads and messages by the rules of core.

Nothing is delivered; only how many messages would come, and when, is counted.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from podhealth.core.messages import (
    AT_ONCE,
    CHANGE_EVERY,
    ENDING,
    REMIND_EVERY,
    New,
    due_of_change,
    due_of_new,
    place_of_new,
)
from podhealth.core.words import IncidentCause, MessageKind, NoticeKind
from podhealth.simulator.fleet import Later, micros, moment


@dataclass(eq=False, slots=True)
class SimIncident:
    """An incident with its members and the thread in which the channel is told of it."""

    kind: IncidentCause
    key: str
    opened_at: int
    members: dict[int, "MemberState"] = field(default_factory=dict)
    closed_at: int | None = None
    thread: "Thread | None" = None
    was_told: bool = False


@dataclass(slots=True)
class MemberState:
    """What is known of a pod in an incident."""

    told: NoticeKind | None = None
    is_settled: bool = False


@dataclass(eq=False, slots=True)
class Thread:
    """What a channel was first told of in one message, and what it was told since."""

    incidents: list[SimIncident] = field(default_factory=list)
    told_at: datetime | None = None
    is_told: bool = False
    is_over: bool = False
    gathering: list[NoticeKind] | None = None
    due_at: int = 0


class Sent(NamedTuple):
    """A message that was told."""

    at: int
    kind: MessageKind
    lines: int


@dataclass(eq=False)
class Inbox:
    """A tenant's channel."""

    later: Later
    sent: list[Sent] = field(default_factory=list)
    notices: Counter[NoticeKind] = field(default_factory=Counter)
    _firsts: list[tuple[datetime, Thread]] = field(default_factory=list)
    _recent_notices: list[New] = field(default_factory=list)
    _loose: list[NoticeKind] | None = None

    def tell(self, kind: NoticeKind, incident: SimIncident | None, now: int) -> None:
        """Take one notice, and let it go into a message."""
        self.notices[kind] += 1
        if incident is None or kind in AT_ONCE:
            self._tell_loose(kind, now)
            return
        if incident.thread is None:
            if incident.closed_at is not None or kind in ENDING:
                return
            incident.thread = self._thread_for(now)
            incident.thread.incidents.append(incident)
        thread = incident.thread
        if thread.is_over:
            return
        if thread.gathering is None:
            due = due_of_change(moment(now), thread.told_at or moment(now))
            self._gather(thread, MessageKind.CHANGE, micros(due))
        assert thread.gathering is not None
        thread.gathering.append(kind)

    def _tell_loose(self, kind: NoticeKind, now: int) -> None:
        if self._loose is not None:
            self._loose.append(kind)
            return
        self._recent_notices = [n for n in self._recent_notices if n.at > moment(now) - CHANGE_EVERY]
        self._loose = [kind]

        def go(at: int) -> None:
            assert self._loose is not None
            self.sent.append(Sent(at, MessageKind.NOTICE, len(self._loose)))
            self._recent_notices.append(New(moment(at), len(self._loose)))
            self._loose = None

        self.later(micros(due_of_new(moment(now), self._recent_notices)), go)

    def _thread_for(self, now: int) -> Thread:
        gathering = next((t for _, t in self._firsts if t.gathering is not None and t.told_at is None), None)
        if gathering is not None:
            return gathering
        at = moment(now)
        self._firsts = [one for one in self._firsts if one[1].told_at is None or one[0] > at - CHANGE_EVERY]
        told = [(when, t) for when, t in self._firsts if t.told_at is not None]
        recent = [New(when, len(t.incidents), i, not t.is_over) for i, (when, t) in enumerate(told)]
        place = place_of_new(at, recent)
        if place.thread_id is not None:
            return told[place.thread_id][1]
        thread = Thread()
        self._firsts.append((place.due_at, thread))
        self._gather(thread, MessageKind.FIRST, micros(place.due_at))
        return thread

    def _gather(self, thread: Thread, kind: MessageKind, due: int) -> None:
        thread.gathering, thread.due_at = [], due
        self.later(due, lambda at: self._compose(thread, kind, at))

    def _compose(self, thread: Thread, kind: MessageKind, now: int) -> None:
        if thread.gathering is None or thread.due_at > now:
            return
        news, thread.gathering = thread.gathering, None
        is_over = all(one.closed_at is not None for one in thread.incidents)
        shown = [one for one in thread.incidents if one.was_told or one.closed_at is None]
        is_new = any(not one.was_told for one in shown)
        thread.told_at = moment(now)
        for one in shown:
            one.was_told = True
        if is_over:
            kind, thread.is_over = MessageKind.END, True
        if not shown or (kind == MessageKind.END and not thread.is_told) or not (news or is_new or is_over):
            return
        thread.is_told = True
        self.sent.append(Sent(now, kind, len(news)))
        if not is_over:
            self._remind(thread, now)

    def _remind(self, thread: Thread, now: int) -> None:
        def remind(at: int) -> None:
            if not thread.is_over and thread.told_at == moment(now):
                thread.told_at = moment(at)
                self.sent.append(Sent(at, MessageKind.REMINDER, 0))
                self._remind(thread, at)

        self.later(micros(moment(now) + REMIND_EVERY), remind)

    def over(self, incident: SimIncident, now: int) -> None:
        """Take in that an incident is over: with the last of its thread, the end is told at once."""
        thread = incident.thread
        if thread is None or thread.told_at is None or any(one.closed_at is None for one in thread.incidents):
            return
        if thread.gathering is None:
            thread.gathering = []
        thread.due_at = now
        self._compose(thread, MessageKind.END, now)
