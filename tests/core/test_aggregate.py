"""A pod's status from its checks."""

from itertools import permutations, product

import pytest

from podhealth.core.aggregate import CheckView, PodView, aggregate
from podhealth.core.words import Kind, Severity, Status

HEALTHY, DEGRADED, UNHEALTHY, UNKNOWN = Status.HEALTHY, Status.DEGRADED, Status.UNHEALTHY, Status.UNKNOWN


def check(check_id: int, status: Status = HEALTHY, **facts: object) -> CheckView:
    plain = CheckView(check_id, f"c{check_id}", Kind.HTTP, status, Severity.CRITICAL, True, False, 0, 5)
    return plain._replace(**facts)


def warning(check_id: int, status: Status, **facts: object) -> CheckView:
    return check(check_id, status, severity=Severity.WARNING, **facts)


@pytest.mark.parametrize(
    ("checks", "status", "cause"),
    [
        pytest.param([], UNKNOWN, None, id="no check"),
        pytest.param([check(1, is_enabled=False)], UNKNOWN, None, id="none enabled"),
        pytest.param([check(1)], HEALTHY, None, id="all healthy"),
        pytest.param([check(1), check(2, UNHEALTHY)], UNHEALTHY, 2, id="a critical one unhealthy"),
        pytest.param([check(1), check(2, UNHEALTHY, is_enabled=False)], HEALTHY, None, id="a disabled one unhealthy"),
        pytest.param([check(1), check(2, DEGRADED)], DEGRADED, 2, id="one degraded"),
        pytest.param([check(1), warning(2, DEGRADED)], DEGRADED, 2, id="a warning degraded"),
        pytest.param([check(1), warning(2, UNHEALTHY)], DEGRADED, 2, id="a warning unhealthy"),
        pytest.param([check(1), check(2, is_flapping=True)], DEGRADED, 2, id="one flapping"),
        pytest.param([check(1), check(2, UNKNOWN, is_flapping=True)], DEGRADED, 2, id="one flapping and unknown"),
        pytest.param([check(1), check(2, UNKNOWN)], UNKNOWN, 2, id="a critical one unknown"),
        pytest.param([check(1, DEGRADED), check(2, UNKNOWN)], DEGRADED, 1, id="degraded before unknown"),
        pytest.param([check(1, UNKNOWN), check(2, UNHEALTHY)], UNHEALTHY, 2, id="unhealthy before unknown"),
        pytest.param([check(1), warning(2, UNKNOWN)], HEALTHY, None, id="a warning unknown"),
        pytest.param([warning(1, UNKNOWN), warning(2, UNKNOWN)], UNKNOWN, 1, id="only warnings, all unknown"),
        pytest.param([warning(1, HEALTHY), warning(2, UNKNOWN)], HEALTHY, None, id="only warnings, one healthy"),
        pytest.param(
            [check(1, UNHEALTHY), check(9, UNHEALTHY, kind=Kind.RUNNING)], UNHEALTHY, 9, id="not running explains all"
        ),
        pytest.param([check(3, UNHEALTHY), check(2, UNHEALTHY)], UNHEALTHY, 2, id="of equals the oldest"),
        pytest.param([warning(1, DEGRADED), check(2, DEGRADED)], DEGRADED, 2, id="critical before warning"),
        pytest.param([check(1, is_flapping=True), check(2, DEGRADED)], DEGRADED, 2, id="failing before flapping"),
    ],
)
def test_status_and_cause(checks: list[CheckView], status: Status, cause: int | None) -> None:
    view = aggregate(checks)

    assert (view.status, view.cause_check_id) == (status, cause)


def test_run_lengths_are_the_largest_f_and_the_smallest_s_of_enabled_checks() -> None:
    checks = [
        check(1, failures=2, successes=0),
        check(2, failures=7, successes=4),
        check(3, failures=99, successes=0, is_enabled=False),
        check(4, failures=0, successes=9),
    ]

    assert aggregate(checks) == PodView(HEALTHY, None, 7, 0)


def by_the_text(checks: tuple[CheckView, ...]) -> Status:
    """Return what §5 says, in its words."""
    enabled = [c for c in checks if c.is_enabled]
    critical = [c.status for c in enabled if c.severity == "critical"]
    if "unhealthy" in critical:
        return UNHEALTHY
    for c in enabled:
        if c.status == "degraded" or c.is_flapping or (c.severity == "warning" and c.status == "unhealthy"):
            return DEGRADED
    if "unknown" in critical or not any(c.status == "healthy" for c in enabled):
        return UNKNOWN
    return HEALTHY


ONE_CHECK = [
    check(1, status, severity=severity, is_enabled=enabled, is_flapping=flapping)
    for status, severity, enabled, flapping in product(Status, Severity, (True, False), (True, False))
]


def test_every_pair_of_checks_gives_what_the_text_says() -> None:
    pairs = [(a, b._replace(check_id=2)) for a in ONE_CHECK for b in ONE_CHECK]

    assert [aggregate(p).status for p in pairs] == [by_the_text(p) for p in pairs]


def test_the_order_of_checks_never_matters() -> None:
    trios = [tuple(c._replace(check_id=i) for i, c in enumerate(t)) for t in product(ONE_CHECK[::3], repeat=3)]

    assert all(len({aggregate(p) for p in permutations(trio)}) == 1 for trio in trios)
