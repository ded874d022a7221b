"""Which troubles a pod's stored transitions tell of."""

import pytest

from podhealth.core.recorded import (
    US,
    KeptOut,
    PodPast,
    RecordedHeal,
    Trouble,
    Turned,
    down_us,
    shortened,
    troubles_of,
)
from podhealth.core.words import Action, Phase, ProviderKind, Status

H, D, U, N = Status.HEALTHY, Status.DEGRADED, Status.UNHEALTHY, Status.UNKNOWN
MINUTE = 60 * US


def turns(*steps: tuple[int, Status]) -> list[Turned]:
    """Transitions at these minutes, from healthy; an unhealthy one began to fail a minute before."""
    found, was = [], H
    for at, becomes in steps:
        found.append(Turned(at * MINUTE, was, becomes, (at - 1) * MINUTE if becomes == U else None, 7))
        was = becomes
    return found


CASES = {
    "one trouble": (((10, D), (11, U), (20, H)), [(10, 11, 20)]),
    "it lasts": (((11, U),), [(10, 11, None)]),
    "a heal resets, and helps": (((11, U), (14, N), (15, H)), [(10, 11, 15)]),
    "a heal resets, and does not help": (((11, U), (14, N), (16, D), (17, U), (30, H)), [(10, 11, 30)]),
    "slow ends it": (((11, U), (15, D), (20, H)), [(10, 11, 15)]),
    "unknown for long ends it": (((11, U), (14, N), (60, H)), [(10, 11, 14)]),
    "unknown for long, then ill again": (((11, U), (14, N), (60, U), (70, H)), [(10, 11, 14), (59, 60, 70)]),
    "two": (((11, U), (15, H), (31, U), (35, H)), [(10, 11, 15), (30, 31, 35)]),
    "degraded is none": (((11, D), (15, H)), []),
}


@pytest.mark.parametrize("name", CASES)
def test_troubles_are_read_from_transitions(name: str) -> None:
    steps, wanted = CASES[name]
    found = troubles_of(turns(*steps), (), 0)

    in_minutes = [(t.since // MINUTE, t.ill_at // MINUTE, None if t.ends is None else t.ends // MINUTE) for t in found]
    assert in_minutes == wanted


def test_a_trouble_from_before_the_period_begins_with_it() -> None:
    found = troubles_of([Turned(9 * MINUTE, U, H)], (), 2 * MINUTE)

    assert found == [Trouble(2 * MINUTE, 2 * MINUTE, 9 * MINUTE, None)]


def test_a_trouble_knows_the_heals_that_were_made_in_it() -> None:
    made = [RecordedHeal(at * MINUTE, Action.RESTART) for at in (5, 12, 14, 40)]
    told = RecordedHeal(13 * MINUTE, Action.NOTIFY_ONLY)
    (found,) = troubles_of(turns((11, U), (20, H)), [*made, told], 0)

    assert found.heals == (12 * MINUTE, 14 * MINUTE)


def test_maintenance_and_stopped_count_as_no_downtime_but_an_unreachable_node_does() -> None:
    kept_out = [KeptOut(2, 4, Phase.MAINTENANCE), KeptOut(5, 6, Phase.STOPPED), KeptOut(7, 9, Phase.UNREACHABLE)]

    assert down_us(0, 10, kept_out) == 7
    assert down_us(3, 3, kept_out) == 0


def test_too_many_troubles_shorten_the_period() -> None:
    past = PodPast(1, "web", None, ProviderKind.NONE, None, US, [Trouble(at, at, at + 1, None) for at in range(10)])
    (kept,), begin = shortened([past], 0, 4)

    assert (begin, [trouble.since for trouble in kept.troubles]) == (6, [6, 7, 8, 9])
    assert shortened([past], 0, 10) == ([past], 0)
