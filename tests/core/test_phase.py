"""Phases: which is shown, how starting begins and ends."""

from datetime import UTC, datetime, timedelta

import pytest

from podhealth.core.aggregate import CheckView
from podhealth.core.phase import (
    Begun,
    Phases,
    RestartLoop,
    Shown,
    begin_starting,
    counts_failures,
    is_probed,
    shown,
    start_deadline_s,
    starting_is_over,
    status_in,
)
from podhealth.core.words import Kind, Phase, Severity, Status

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOW_US = 1_772_366_400_000_000
S = timedelta(seconds=1)
MIN_US = 60_000_000

STOPPED = {"stopped_since": NOW - 9 * S, "stopped_reason": "by ann"}
UNREACHABLE = {"unreachable_since": NOW - 8 * S, "unreachable_reason": "n1 is down"}
MAINTENANCE = {"maintenance_since": NOW - 7 * S, "maintenance_until": NOW + 70 * S, "maintenance_reason": "kernel"}
STARTING = {"starting_since": NOW - 6 * S, "starting_until": NOW + 60 * S, "starting_reason": "created"}


@pytest.mark.parametrize(
    ("facts", "answer"),
    [
        pytest.param({}, Shown(Phase.MONITORED, None, None, None), id="none"),
        pytest.param(STARTING, Shown(Phase.STARTING, NOW - 6 * S, NOW + 60 * S, "created"), id="starting"),
        pytest.param(
            STARTING | MAINTENANCE, Shown(Phase.MAINTENANCE, NOW - 7 * S, NOW + 70 * S, "kernel"), id="maintenance"
        ),
        pytest.param(
            STARTING | MAINTENANCE | UNREACHABLE,
            Shown(Phase.UNREACHABLE, NOW - 8 * S, None, "n1 is down"),
            id="unreachable",
        ),
        pytest.param(
            STARTING | MAINTENANCE | UNREACHABLE | STOPPED, Shown(Phase.STOPPED, NOW - 9 * S, None, "by ann"), id="all"
        ),
        pytest.param(
            MAINTENANCE | {"maintenance_until": NOW}, Shown(Phase.MONITORED, None, None, None), id="just over"
        ),
        pytest.param(
            STARTING | MAINTENANCE | {"maintenance_until": NOW - S},
            Shown(Phase.STARTING, NOW - 6 * S, NOW + 60 * S, "created"),
            id="maintenance over, still starting",
        ),
        pytest.param(
            MAINTENANCE | {"maintenance_since": NOW + S}, Shown(Phase.MONITORED, None, None, None), id="not yet"
        ),
        pytest.param(
            MAINTENANCE | {"maintenance_until": None},
            Shown(Phase.MAINTENANCE, NOW - 7 * S, None, "kernel"),
            id="without end",
        ),
    ],
)
def test_the_phase_shown_is_the_first_that_applies(facts: dict[str, object], answer: Shown[datetime]) -> None:
    assert shown(Phases(**facts), NOW) == answer  # type: ignore[arg-type]


def test_stored_integers_do_as_well() -> None:
    assert shown(Phases(starting_since=5, starting_until=9), 8) == Shown(Phase.STARTING, 5, 9, None)


@pytest.mark.parametrize(
    ("phase", "counts", "probed"),
    [
        (Phase.MONITORED, True, True),
        (Phase.STARTING, False, True),
        (Phase.MAINTENANCE, False, True),
        (Phase.UNREACHABLE, False, True),
        (Phase.STOPPED, False, False),
    ],
)
def test_what_a_phase_means_for_probes(phase: Phase, counts: bool, probed: bool) -> None:
    assert (counts_failures(phase), is_probed(phase)) == (counts, probed)


@pytest.mark.parametrize(
    ("phase", "status"),
    [
        (Phase.MONITORED, Status.DEGRADED),
        (Phase.MAINTENANCE, Status.DEGRADED),
        (Phase.UNREACHABLE, Status.DEGRADED),
        (Phase.STARTING, Status.UNKNOWN),
        (Phase.STOPPED, Status.UNKNOWN),
    ],
)
def test_a_starting_or_stopped_pod_is_unknown_whatever_its_checks_say(phase: Phase, status: Status) -> None:
    assert status_in(phase, Status.DEGRADED) == status


@pytest.mark.parametrize(
    ("wanted", "got"), [(None, 120), (10, 10), (1_800, 1_800), (300.5, 300.5), (9, 10), (0, 10), (1_801, 1_800)]
)
def test_the_start_deadline_lies_within_its_bounds(wanted: float | None, got: float) -> None:
    assert start_deadline_s(wanted) == got


def test_a_first_start_has_grace_until_its_deadline() -> None:
    begun = begin_starting(Phases(**MAINTENANCE), (), NOW, 90, "new boot id", own_heal=False)  # type: ignore[arg-type]

    assert begun == Begun(
        Phases(  # type: ignore[arg-type]
            **MAINTENANCE, starting_since=NOW, starting_until=NOW + 90 * S, starting_reason="new boot id"
        ),
        (NOW_US,),
    )


def test_a_start_by_stored_integers_counts_in_the_same_unit() -> None:
    begun = begin_starting(Phases(), (), NOW_US, None, "created", own_heal=False)

    assert isinstance(begun, Begun)
    assert (begun.phases.starting_until, begun.recent_starts) == (NOW_US + 2 * MIN_US, (NOW_US,))


@pytest.mark.parametrize(
    ("minutes_ago", "own_heal", "kept"),
    [
        pytest.param((), False, 1, id="none before"),
        pytest.param((14,), False, 2, id="one before"),
        pytest.param((16, 14), False, 2, id="an older one is forgotten"),
        pytest.param((15, 1), False, 2, id="just old enough to be forgotten"),
        pytest.param((14, 1), True, 2, id="our own heal is not counted"),
        pytest.param((14, 5, 1), True, 3, id="nor stopped by others"),
    ],
)
def test_a_start_with_grace(minutes_ago: tuple[int, ...], own_heal: bool, kept: int) -> None:
    recent = [NOW_US - m * MIN_US for m in minutes_ago]

    begun = begin_starting(Phases(), recent, NOW_US, 60, "restart", own_heal=own_heal)

    assert isinstance(begun, Begun)
    assert len(begun.recent_starts) == kept


def test_the_third_start_in_fifteen_minutes_is_a_restart_loop() -> None:
    recent = (NOW_US - 16 * MIN_US, NOW_US - 14 * MIN_US, NOW_US - MIN_US)

    answer = begin_starting(Phases(), recent, NOW, 60, "new boot id", own_heal=False)

    assert answer == RestartLoop(recent[1:], "restart loop")


def test_a_start_within_a_start_begins_anew() -> None:
    begun = begin_starting(Phases(**STARTING), (), NOW, 60, "again", own_heal=True)  # type: ignore[arg-type]

    assert isinstance(begun, Begun)
    assert (begun.phases.starting_since, begun.phases.starting_until) == (NOW, NOW + 60 * S)


def check(successes: int, **facts: object) -> CheckView:
    plain = CheckView(1, "http", Kind.HTTP, Status.UNKNOWN, Severity.CRITICAL, True, False, 0, successes)
    return plain._replace(**facts)


@pytest.mark.parametrize(
    ("checks", "over"),
    [
        pytest.param([check(1)], True, id="its one check had a success"),
        pytest.param([check(1), check(0)], False, id="one of two had"),
        pytest.param([check(3), check(1, kind=Kind.RUNNING)], True, id="both had"),
        pytest.param([check(1), check(0, is_enabled=False)], True, id="a disabled one is passed over"),
        pytest.param([check(1), check(0, severity=Severity.WARNING)], True, id="a warning one is passed over"),
        pytest.param([check(0, failures=5)], False, id="failures do not end it"),
        pytest.param([check(1, severity=Severity.WARNING)], False, id="no critical check: only the deadline"),
        pytest.param([], False, id="no check: only the deadline"),
    ],
)
def test_starting_ends_with_the_first_success_of_every_critical_check(checks: list[CheckView], over: bool) -> None:
    assert starting_is_over(Phases(**STARTING), checks, NOW) is over  # type: ignore[arg-type]


@pytest.mark.parametrize(("after_s", "over"), [(59, False), (60, True), (61, True)])
def test_starting_ends_at_its_deadline(after_s: int, over: bool) -> None:
    assert starting_is_over(Phases(**STARTING), [check(0)], NOW + after_s * S) is over  # type: ignore[arg-type]


def test_what_never_began_does_not_end() -> None:
    assert starting_is_over(Phases(), [check(1)], NOW) is False
