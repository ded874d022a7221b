"""What a pod's stored history says of its troubles: when each began and ended, and which heals were made in it.

Moments are microseconds. Where history is stored, and what a policy would have made of it, is unknown here.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from podhealth.core.phase import MAX_START_DEADLINE_S
from podhealth.core.words import Action, HealOn, Phase, ProviderKind, Severity, Status

US = 1_000_000
# A pod that starts is unknown for as long; one that is unknown for longer is no longer known to be in trouble.
UNKNOWN_FOR_US = round(MAX_START_DEADLINE_S * US)


class Turned(NamedTuple):
    """A stored transition of a pod."""

    at: int
    was: Status
    becomes: Status
    bad_since: int | None = None
    check_id: int | None = None


@dataclass(frozen=True, slots=True)
class Watcher:
    """The check by which a trouble was seen."""

    check_id: int
    name: str
    interval_s: int = 60
    failure_threshold: int = 3
    severity: Severity = Severity.CRITICAL
    heal: bool = True
    heal_on: HealOn = HealOn.DOWN


class Trouble(NamedTuple):
    """One trouble of a pod: its first fail, when it was unhealthy, and its end; null: it lasts.

    ``heals``: when heals that did something were planned in it.
    """

    since: int
    ill_at: int
    ends: int | None
    check_id: int | None
    heals: tuple[int, ...] = ()


class KeptOut(NamedTuple):
    """A stretch in which nothing is done to a pod: maintenance, stopped, or its node is unreachable."""

    begin: int
    end: int
    phase: Phase


class RecordedHeal(NamedTuple):
    """A heal that was made then."""

    at: int
    action: Action


@dataclass(frozen=True, slots=True)
class PodPast:
    """All that a replay needs of a pod. ``boot_us``: how long it typically takes to come up."""

    pod_id: int
    name: str
    node_id: int | None
    provider: ProviderKind
    start_deadline_s: int | None
    boot_us: int
    troubles: Sequence[Trouble]
    kept_out: Sequence[KeptOut] = ()
    heals: Sequence[RecordedHeal] = ()


def troubles_of(turns: Iterable[Turned], heals: Sequence[RecordedHeal], begin: int) -> list[Trouble]:
    """Return the troubles in a pod's transitions, which come in ascending order and after ``begin``.

    So do ``heals``. A trouble lasts from unhealthy until healthy, or degraded without having been unknown: a pod that
    a heal has reset, and that fails again after it, is in the same trouble. Unknown for half an hour ends it where
    that began.
    """
    found: list[Trouble] = []
    open_one: Trouble | None = None
    unknown_since: int | None = None
    for turn in turns:
        if open_one is None and not found and turn.was == Status.UNHEALTHY:
            open_one = Trouble(begin, begin, None, turn.check_id)
        if open_one is not None and unknown_since is not None and turn.at - unknown_since > UNKNOWN_FOR_US:
            found.append(open_one._replace(ends=unknown_since))
            open_one = None
        unknown_since = turn.at if turn.becomes == Status.UNKNOWN else None
        if open_one is None:
            if turn.becomes == Status.UNHEALTHY:
                open_one = Trouble(turn.at if turn.bad_since is None else turn.bad_since, turn.at, None, turn.check_id)
        elif _ends(turn):
            found.append(open_one._replace(ends=turn.at))
            open_one = None
    if open_one is not None:
        found.append(open_one)
    doing = [heal.at for heal in heals if heal.action != Action.NOTIFY_ONLY]
    return [_with_heals(trouble, doing) for trouble in found] if doing else found


def _ends(turn: Turned) -> bool:
    if turn.becomes == Status.HEALTHY:
        return True
    return turn.becomes == Status.DEGRADED and turn.was == Status.UNHEALTHY


def _with_heals(trouble: Trouble, doing: Sequence[int]) -> Trouble:
    first = bisect_left(doing, trouble.since)
    behind = len(doing) if trouble.ends is None else bisect_left(doing, trouble.ends)
    return trouble._replace(heals=tuple(doing[first:behind])) if first < behind else trouble


def shortened(pods: Sequence[PodPast], begin: int, most: int) -> tuple[list[PodPast], int]:
    """Return the pods with at most ``most`` troubles in all, the newest, and since when that is their whole past."""
    begins = sorted(trouble.since for pod in pods for trouble in pod.troubles)
    if len(begins) <= most:
        return list(pods), begin
    begin = begins[-most]
    return [replace(pod, troubles=[t for t in pod.troubles if t.since >= begin]) for pod in pods], begin


def down_us(since: int, ends: int, kept_out: Sequence[KeptOut]) -> int:
    """Return how much of a stretch of trouble counts as down: all but maintenance and what was stopped on purpose."""
    down = max(0, ends - since)
    for one in kept_out:
        if one.phase != Phase.UNREACHABLE:
            down -= max(0, min(ends, one.end) - max(since, one.begin))
    return max(0, down)
