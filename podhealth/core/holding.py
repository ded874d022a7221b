"""How long a pod has been held by one gate, and when people must be told of it (behaviour §6 and §7).

Only holds that nobody would hear of otherwise are told. Nothing is stored, and nobody told, here.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from podhealth.core.answers import Closed
from podhealth.core.decide import Decision
from podhealth.core.gates import HA
from podhealth.core.judging import comes_to
from podhealth.core.words import Answer, Gate, NoticeKind

HELD_AFTER = timedelta(minutes=15)
LOCKED_AFTER = timedelta(minutes=60)

_WORTH_TELLING = frozenset({Gate.KILL_SWITCH, Gate.EVIDENCE, Gate.PROVIDER, Gate.BUDGET})


def worth_telling(gate: Gate) -> bool:
    """Return whether people are told when this gate has held a pod for 15 min.

    Cooldown, settling, concurrency and breaker are named by behaviour §7 as not. Of the others, not those that are
    no trouble (running, policy, mode_off, starting, trigger, open_heal), that a person asked for on this very pod
    (snooze), or of which people are told in another way: node and blind with the place, ladder as exhausted, chronic
    as such, mode as a wanted approval.
    """
    return gate in _WORTH_TELLING


@dataclass(frozen=True, slots=True)
class Hold:
    """The gate that holds a pod and since when; ``told_at``: when people were told of it last."""

    gate: Gate
    since: datetime
    told_at: datetime | None = None


def hold_after(before: Hold | None, judged: Decision, now: datetime) -> Hold | None:
    """Return the hold in force after a judgement; null where nothing holds.

    Settling hides for some seconds what comes after it: a hold of a later gate goes on until that gate was asked.
    """
    if judged.answer != Answer.HOLD or judged.gate is None:
        return None
    if before is not None and (before.gate == judged.gate or hides(judged, before.gate)):
        return before
    return Hold(judged.gate, now)


def hides(judged: Decision, gate: Gate | None) -> bool:
    """Return whether a judgement was held by settling before it came to ask ``gate``, which comes later."""
    return judged.gate == Gate.SETTLING and gate is not None and not comes_to(judged, gate)


def lock_of(judged: Decision) -> str | None:
    """Return the lock on the guest by which a judgement was held; null where it was not, or by another healer's."""
    inputs = _inputs_of_last(judged) if judged.gate == Gate.PROVIDER else {}
    lock = inputs.get("lock")
    return lock if lock is not None and lock != HA else None


def _inputs_of_last(judged: Decision) -> Any:  # noqa: ANN401 - what gates looked at
    last = judged.asked[-1].answer if judged.asked else None
    return last.inputs if isinstance(last, Closed) else {}


@dataclass(frozen=True, slots=True)
class Telling:
    """What is to be told of a hold: ``kind`` now, or null and when to look again (null: never)."""

    kind: NoticeKind | None
    since: datetime | None = None
    look_at: datetime | None = None


def telling(hold: Hold | None, judged: Decision, locked_since: datetime | None, now: datetime) -> Telling:
    """Return what people must be told of a hold at ``now``, each hold and each lock once.

    ``locked_since``: since when the very lock stands; a lock is told as such after 60 min, and not before.
    """
    # A judgement that did not come to the gate says nothing of it; the next one, soon, will.
    if hold is None or not worth_telling(hold.gate) or judged.gate != hold.gate:
        return Telling(None)
    since, after, kind = hold.since, HELD_AFTER, NoticeKind.HELD
    if lock_of(judged) is not None:
        since, after, kind = locked_since or hold.since, LOCKED_AFTER, NoticeKind.LOCKED
    if hold.told_at is not None and hold.told_at >= since:
        return Telling(None)
    if now - since >= after:
        return Telling(kind, since)
    return Telling(None, since, since + after)
