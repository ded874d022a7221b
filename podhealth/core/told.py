"""A strip told in words, for those who do not see it (dashboard rules of the timeline, text alternative).

Knows the runs of one lane; what they are called on a page and in which zone they are read is passed in.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import NamedTuple

from podhealth.core.timeline import SHAPES, Mark, Range, Run, Strip

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECONDS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


class Share(NamedTuple):
    """How long one mark held in all, in how many runs, and when the first of them began."""

    mark: Mark
    length_us: int
    times: int
    first_us: int


def shares(runs: Sequence[Run]) -> tuple[Share, ...]:
    """Return what the runs amount to: first the mark that held longest, then the others, the worst first."""
    found = [
        Share(mark, sum(r.length_us for r in own), len(own), own[0].begin_us)
        for mark in Mark
        if (own := [r for r in runs if r.mark == mark])
    ]
    main = max(found, key=lambda share: share.length_us, default=None)
    return tuple(sorted(found, key=lambda share: share is not main))


def length_in_words(length_us: int) -> str:
    """Return a length in at most two units, the rest cut off: "18 min", "2 h 5 min", "12 d"; under a second "0 s"."""
    seconds = length_us // 1_000_000
    for (unit, size), (next_unit, next_size) in zip(_SECONDS, _SECONDS[1:], strict=False):
        if seconds >= size:
            rest = seconds % size // next_size
            # From ten minutes on nobody asks for the seconds.
            shown = rest and not (unit == "min" and seconds >= 600)
            return f"{seconds // size} {unit}" + (f" {rest} {next_unit}" if shown else "")
    return f"{seconds} s"


def _word(mark: Mark) -> str:
    return "not measured" if mark == Mark.UNMEASURED else mark.value


def _part(share: Share, when: str, zone: tzinfo) -> str:
    text = f"{length_in_words(share.length_us)} {_word(share.mark)}"
    if share.mark == Mark.UNMEASURED:
        return text
    begun = (_EPOCH + timedelta(microseconds=share.first_us)).astimezone(zone).strftime(when)
    return f"{text} from {begun}" if share.times == 1 else f"{text} in {share.times} runs, the first from {begun}"


def sentence(name: str, strip: Strip, zone: tzinfo = UTC, over: str | None = None) -> str:
    """Return the strip as one sentence: "http, last 24 h: healthy but for 18 min unhealthy from 10:02".

    ``over``: what the range is called where it does not end now.
    """
    when = "%H:%M" if strip.range in (Range.HOUR, Range.DAY, Range.CARD) else "%Y-%m-%d %H:%M"
    head = f"{name}, {over or SHAPES[strip.range].words}: "
    if not (found := shares(strip.runs)):
        return head + "not measured"
    main, *others = found
    if not others:
        return head + _word(main.mark)
    parts = [_part(share, when, zone) for share in others]
    told = parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]
    return f"{head}{_word(main.mark)} but for {told}"
