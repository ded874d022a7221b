"""What would be told of a pod, and over which channels: the table of all routes, and a try-out that tells nobody.

What a route lets through is core/messages' rule; a message of the real thing is made by store/messages.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import sqlalchemy as sa

from podhealth.core.messages import RouteRule, goes
from podhealth.core.words import NoticeKind, Phase, Severity
from podhealth.models import Pod, PodStatus
from podhealth.store.channels import Listed
from podhealth.store.channelview import routes_in_words
from podhealth.store.tenancy import Scope, own

# As they are told (behaviour §7); a recovery goes to whoever got the problem, whatever the routes say then.
EVENTS: dict[NoticeKind, tuple[str, Severity]] = {
    NoticeKind.UNHEALTHY: ("It is unhealthy", Severity.CRITICAL),
    NoticeKind.DEGRADED: ("It is degraded for 10 min", Severity.WARNING),
    NoticeKind.HEAL_STARTED: ("A heal is started", Severity.WARNING),
    NoticeKind.HEAL_FAILED: ("A heal failed", Severity.CRITICAL),
    NoticeKind.EXHAUSTED: ("Nothing is left to try", Severity.CRITICAL),
    NoticeKind.APPROVAL_WANTED: ("A heal waits for approval", Severity.CRITICAL),
    NoticeKind.HELD: ("A heal is held back for 15 min", Severity.WARNING),
    NoticeKind.FLAPPING: ("It is flapping", Severity.WARNING),
}


class RouteLine(NamedTuple):
    """One route of one channel, in words; of a channel without routes, that everything goes to it."""

    what: str
    channel: str
    path: str
    is_on: bool


class Answer(NamedTuple):
    """Whether one channel would be told, and why, or why not."""

    channel: str
    path: str
    is_told: bool
    why: str


@dataclass(frozen=True, slots=True)
class TryOut:
    """What would be told of a pod. ``waits``: its alerts wait now, because of the phase it is in."""

    pod: str
    path: str
    tags: tuple[str, ...]
    event: str
    severity: Severity
    answers: tuple[Answer, ...]
    waits: bool

    @property
    def is_told(self) -> bool:
        """Whether anybody would be told."""
        return any(one.is_told for one in self.answers)


def route_lines(listed: Sequence[Listed]) -> list[RouteLine]:
    """Return who is told what: each route of each channel, in the order of the channels' names."""
    return [
        RouteLine(what, one.row.name, f"/channels/{one.row.id}", one.row.enabled)
        for one in listed
        for what in routes_in_words(one.routes)
    ]


def try_out(conn: sa.Connection, scope: Scope, listed: Sequence[Listed], name: str, event: NoticeKind) -> TryOut | None:
    """Return which of the tenant's channels would be told of this; null where it has no pod of that name."""
    query = (
        sa.select(Pod.id, Pod.name, Pod.tags, PodStatus.phase)
        .join(PodStatus, PodStatus.pod_id == Pod.id)
        .where(own(scope, Pod), Pod.deleted_at.is_(None), Pod.name == name)
    )
    pod = None if "\0" in name else conn.execute(query).first()
    if pod is None:
        return None
    told, severity = EVENTS[event]
    tags = tuple(str(tag) for tag in pod.tags)
    answers = tuple(_answer(one, severity, tags) for one in listed)
    waits = pod.phase in (Phase.MAINTENANCE, Phase.STARTING)
    return TryOut(pod.name, f"/pods/{pod.id}", tags, told, severity, answers, waits)


def _answer(one: Listed, severity: Severity, tags: Sequence[str]) -> Answer:
    name, path = one.row.name, f"/channels/{one.row.id}"
    if not one.row.enabled:
        return Answer(name, path, False, "it is off")
    if not one.routes:
        return Answer(name, path, True, "everything goes to it")
    found = next((route for route in one.routes if goes([route], severity, [tags])), None)
    if found is not None:
        return Answer(name, path, True, _words(found))
    return Answer(name, path, False, "no route of it lets this through")


def _words(route: RouteRule) -> str:
    (words,) = routes_in_words([route])
    return f"its route: {words[0].lower()}{words[1:]}"
