"""What a replay's fragment shows: the sentence, what was done beside what would have been, the holds, pods that differ.

Everything is counted elsewhere; here it gets its words. Where it is drawn in time is web/pages/replay_lanes.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from podhealth.core.told import length_in_words
from podhealth.core.words import Action, Gate
from podhealth.simulator.replay import Held, Replayed
from podhealth.web.pages.replay_lanes import Lanes, lanes_of
from podhealth.web.replaying import Answer

_DAY_US = 86_400_000_000
_DONE = {
    Action.RESTART: "Restarts",
    Action.MIGRATE: "Migrations",
    Action.STOP: "Stops",
    Action.NOTIFY_ONLY: "Times people were told",
}
_NEVER = Held(Gate.POLICY, 0, 0)


@dataclass(frozen=True, slots=True)
class Line:
    """One measure: as it was, by the stored policy (null: there is none to compare with), and by what is replayed.

    ``is_better``: the last is lower than what it is compared with, null where they are equal.
    """

    label: str
    was: str
    before: str | None
    would: str
    is_better: bool | None = None


@dataclass(frozen=True, slots=True)
class HoldLine:
    """How often and for how long a gate would have held, by the stored policy and by what is replayed."""

    gate: Gate
    before: str | None
    times: str
    length: str


@dataclass(frozen=True, slots=True)
class Named:
    """How the two that are compared are called, such as ``v4`` and ``This draft``; ``path``: the replay's address."""

    would: str = "This draft"
    before: str | None = None
    path: str | None = None


@dataclass(frozen=True, slots=True)
class PolicyReplay:
    """A replay as its fragment shows it; ``sentence`` null: none yet, or ``waits_for`` names what is to be mended."""

    sentence: str | None = None
    waits_for: tuple[str, ...] = ()
    named: Named = Named()
    lines: tuple[Line, ...] = ()
    holds: tuple[HoldLine, ...] = ()
    left_out: str | None = None
    lanes: Lanes | None = None


def replay_view(answer: Answer, named: Named = Named(), most: int = 20) -> PolicyReplay:
    """Return what is shown of a replay, with the lanes of at most ``most`` pods that differ."""
    pasts, done = answer.pasts, answer.done
    if not done.pods and (answer.before is None or not answer.before[1].pods):
        return PolicyReplay("It would govern no pod, so there is nothing to replay.", named=named)
    days = round((pasts.end - pasts.begin) / _DAY_US)
    span = f"the last {_many(days, 'day')}" if days else "the last hours"
    if not done.troubles and (answer.before is None or not answer.before[1].troubles):
        said = f"In {span} there was no trouble in {_many(done.pods, 'pod')}."
        return PolicyReplay(said, named=named, left_out=_left_out(answer))
    sentence = (
        f"In {span} {_many(done.pods, 'pod')} had {_many(done.troubles, 'trouble')}"
        f" ({_many(pasts.transitions, 'transition')}). {_change(answer, named)}"
    )
    return PolicyReplay(
        sentence, (), named, _lines(answer), _holds(answer), _left_out(answer), lanes_of(answer, named.path, most)
    )


def _many(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def _change(answer: Answer, named: Named) -> str:
    would, name = answer.done.down_us, named.would[:1].lower() + named.would[1:]
    was, than = answer.done.recorded_down_us, ""
    if answer.before is not None and named.before is not None:
        was, than = answer.before[1].down_us, f" than with {named.before}"
    if was == would:
        return (
            f"{named.would} would not have changed how long they were down{than and f', compared with {named.before}'}."
        )
    less = "less" if would < was else "more"
    return f"With {name} they would have been down for {length_in_words(abs(was - would))} {less}{than}."


def _lines(answer: Answer) -> tuple[Line, ...]:
    done, before = answer.done, None if answer.before is None else answer.before[1]
    found = []
    for action, label in _DONE.items():
        was, would = done.recorded_heals.get(action, 0), done.heals.get(action, 0)
        theirs = None if before is None else before.heals.get(action, 0)
        if was or would or theirs:
            found.append(Line(label, f"{was:,}", None if theirs is None else f"{theirs:,}", f"{would:,}"))
    beside = done.recorded_down_us if before is None else before.down_us
    down = Line(
        "Time down",
        length_in_words(done.recorded_down_us),
        None if before is None else length_in_words(before.down_us),
        length_in_words(done.down_us),
        None if done.down_us == beside else done.down_us < beside,
    )
    held = Line("Holds", "–", None if before is None else f"{_held(before):,}", f"{_held(done):,}")
    exhausted = Line(
        "Ladders exhausted", "–", None if before is None else f"{before.exhausted:,}", f"{done.exhausted:,}"
    )
    return (*found, down, held, exhausted)


def _held(done: Replayed) -> int:
    return sum(held.times for held in done.holds)


def _holds(answer: Answer) -> tuple[HoldLine, ...]:
    mine = _by_gate(answer.done)
    theirs = {} if answer.before is None else _by_gate(answer.before[1])
    return tuple(
        HoldLine(
            gate,
            None if answer.before is None else f"{theirs.get(gate, _NEVER).times:,}",
            f"{mine.get(gate, _NEVER).times:,}",
            length_in_words(mine.get(gate, _NEVER).length_us),
        )
        for gate in Gate
        if gate in mine or gate in theirs
    )


def _by_gate(done: Replayed) -> Mapping[Gate, Held]:
    return {held.gate: held for held in done.holds}


def _left_out(answer: Answer) -> str | None:
    governed, pods = answer.pasts.governed, len(answer.pasts.pods)
    return f"The first {pods:,} of {governed:,} pods." if governed > pods else None
