"""What a replay's fragment shows: the sentence, what was done beside what would have been, and the holds.

Everything is counted elsewhere; here it gets its words.
"""

from dataclasses import dataclass

from podhealth.core.told import length_in_words
from podhealth.core.words import Action, Gate
from podhealth.web.replaying import Answer

_DAY_US = 86_400_000_000
_DONE = {
    Action.RESTART: "Restarts",
    Action.MIGRATE: "Migrations",
    Action.STOP: "Stops",
    Action.NOTIFY_ONLY: "Times people were told",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One measure: as it was, and by the draft. ``is_better``: the draft's is lower, null where they are equal."""

    label: str
    was: str
    would: str
    is_better: bool | None = None


@dataclass(frozen=True, slots=True)
class HoldLine:
    """How often and for how long a gate would have held."""

    gate: Gate
    times: str
    length: str


@dataclass(frozen=True, slots=True)
class PolicyReplay:
    """A replay as its fragment shows it; ``sentence`` null: none yet, or ``waits_for`` names what is to be mended."""

    sentence: str | None = None
    waits_for: tuple[str, ...] = ()
    lines: tuple[Line, ...] = ()
    holds: tuple[HoldLine, ...] = ()
    left_out: str | None = None


def replay_view(answer: Answer) -> PolicyReplay:
    """Return what is shown of a replay."""
    pasts, done = answer
    if not done.pods:
        return PolicyReplay("It would govern no pod, so there is nothing to replay.")
    days = round((pasts.end - pasts.begin) / _DAY_US)
    span = f"the last {_many(days, 'day')}" if days else "the last hours"
    if not done.troubles:
        return PolicyReplay(f"In {span} there was no trouble in {_many(done.pods, 'pod')}.", left_out=_left_out(answer))
    sentence = (
        f"In {span} {_many(done.pods, 'pod')} had {_many(done.troubles, 'trouble')}"
        f" ({_many(pasts.transitions, 'transition')}). {_change(done.recorded_down_us, done.down_us)}"
    )
    holds = tuple(HoldLine(h.gate, f"{h.times:,}", length_in_words(h.length_us)) for h in done.holds)
    return PolicyReplay(sentence, (), _lines(answer), holds, _left_out(answer))


def _many(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def _change(was: int, would: int) -> str:
    if was == would:
        return "This draft would not have changed how long they were down."
    less = "less" if would < was else "more"
    return f"With this draft they would have been down for {length_in_words(abs(was - would))} {less}."


def _lines(answer: Answer) -> tuple[Line, ...]:
    done = answer.done
    found = []
    for action, label in _DONE.items():
        was, would = done.recorded_heals.get(action, 0), done.heals.get(action, 0)
        if was or would:
            found.append(Line(label, f"{was:,}", f"{would:,}"))
    better = None if done.down_us == done.recorded_down_us else done.down_us < done.recorded_down_us
    was_down, would_be = length_in_words(done.recorded_down_us), length_in_words(done.down_us)
    return (
        *found,
        Line("Time down", was_down, would_be, better),
        Line("Ladders exhausted", "–", f"{done.exhausted:,}"),
    )


def _left_out(answer: Answer) -> str | None:
    governed, pods = answer.pasts.governed, len(answer.pasts.pods)
    return f"The first {pods:,} of {governed:,} pods." if governed > pods else None
