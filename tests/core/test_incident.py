"""When people are told about a pod, and in which incident it stands: a row of each table is one rule (behaviour §7)."""

from dataclasses import replace

import pytest

from podhealth.core import incident
from podhealth.core.incident import (
    DEGRADED_US,
    FLAPPING_AGAIN_US,
    LOST_US,
    NEAR_US,
    RECOVERED_US,
    SECOND_US,
    Cause,
    Member,
    Place,
    PodNow,
    Told,
    cause_of,
    is_over,
    is_part_of_tenants,
    is_wider,
    judge,
    keys_of,
)
from podhealth.core.words import BreakerScope, IncidentCause, NoticeKind, Phase, Severity, Status

T = 1_800_000_000 * SECOND_US
MINUTE = 60 * SECOND_US
UNHEALTHY, DEGRADED = NoticeKind.UNHEALTHY, NoticeKind.DEGRADED
TOLD_UNHEALTHY = Member(UNHEALTHY)
TOLD_DEGRADED = Member(DEGRADED)


def a_pod(status: Status, for_us: int = 0, **more: object) -> PodNow:
    return replace(PodNow(status, T - for_us), **more)


@pytest.mark.parametrize(
    ("pod", "told"),
    [
        pytest.param(a_pod(Status.UNHEALTHY), Told((UNHEALTHY,), joins=True), id="unhealthy: told at once"),
        pytest.param(a_pod(Status.DEGRADED), Told(look_at=T + DEGRADED_US), id="degraded: after ten minutes"),
        pytest.param(
            a_pod(Status.DEGRADED, DEGRADED_US - 1), Told(look_at=T + 1), id="degraded for a little less: not yet"
        ),
        pytest.param(a_pod(Status.DEGRADED, DEGRADED_US), Told((DEGRADED,), joins=True), id="degraded: ten minutes"),
        pytest.param(a_pod(Status.UNKNOWN), Told(), id="unknown by itself: not told"),
        pytest.param(a_pod(Status.UNKNOWN, LOST_US), Told(), id="unknown for a day: not told"),
        pytest.param(a_pod(Status.HEALTHY), Told(), id="healthy: nothing"),
    ],
)
def test_a_pod_in_no_incident(pod: PodNow, told: Told) -> None:
    assert judge(pod, T) == told


@pytest.mark.parametrize(
    ("pod", "told"),
    [
        pytest.param(a_pod(Status.UNHEALTHY, member=TOLD_UNHEALTHY), Told(), id="still unhealthy: told already"),
        pytest.param(
            a_pod(Status.UNHEALTHY, member=TOLD_DEGRADED), Told((UNHEALTHY,)), id="worse than told: told in it"
        ),
        pytest.param(
            a_pod(Status.DEGRADED, DEGRADED_US, member=TOLD_UNHEALTHY), Told(), id="better than told, but not well"
        ),
        pytest.param(
            a_pod(Status.HEALTHY, member=TOLD_UNHEALTHY), Told(look_at=T + RECOVERED_US), id="healthy: wait a minute"
        ),
        pytest.param(
            a_pod(Status.HEALTHY, RECOVERED_US, member=TOLD_UNHEALTHY), Told(is_settled=True), id="healthy for a minute"
        ),
        pytest.param(
            a_pod(Status.UNKNOWN, member=TOLD_UNHEALTHY), Told(look_at=T + LOST_US), id="unknown: stays in it"
        ),
        pytest.param(
            a_pod(Status.UNKNOWN, LOST_US, member=TOLD_UNHEALTHY), Told(leaves=incident.LOST), id="lost after a day"
        ),
        pytest.param(
            a_pod(Status.UNHEALTHY, member=Member(None, is_alone=False)),
            Told((UNHEALTHY,)),
            id="nothing told of it yet",
        ),
    ],
)
def test_a_pod_in_an_incident(pod: PodNow, told: Told) -> None:
    assert judge(pod, T) == told


@pytest.mark.parametrize("phase", [Phase.STARTING, Phase.MAINTENANCE, Phase.UNREACHABLE])
@pytest.mark.parametrize("status", list(Status))
@pytest.mark.parametrize("member", [None, TOLD_UNHEALTHY], ids=["in none", "in one"])
def test_alerts_wait_in_all_phases_but_monitored(phase: Phase, status: Status, member: Member | None) -> None:
    assert judge(a_pod(status, LOST_US, phase=phase, member=member), T) == Told()


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"is_deleted": True}, incident.DELETED),
        ({"phase": Phase.STOPPED}, "stopped"),
        ({"phase": Phase.STOPPED, "stopped_reason": "stopped by policy"}, "stopped by policy"),
        ({"phase": Phase.STOPPED, "stopped_reason": "wanted stopped"}, "stopped: wanted stopped"),
    ],
    ids=["deleted", "stopped", "by policy", "by a person"],
)
def test_a_pod_that_is_gone_leaves_with_the_reason(more: dict[str, object], why: str) -> None:
    assert judge(a_pod(Status.UNHEALTHY, member=TOLD_UNHEALTHY, **more), T) == Told(leaves=why)


@pytest.mark.parametrize(
    ("pod", "told"),
    [
        pytest.param(a_pod(Status.UNHEALTHY), Told(look_at=T + MINUTE), id="unhealthy waits for the end"),
        pytest.param(a_pod(Status.DEGRADED), Told(look_at=T + DEGRADED_US), id="nothing to tell: nothing to hold"),
        pytest.param(
            a_pod(Status.HEALTHY, RECOVERED_US, member=TOLD_UNHEALTHY),
            Told(look_at=T + MINUTE),
            id="a recovery waits too",
        ),
        pytest.param(
            a_pod(Status.HEALTHY, RECOVERED_US, member=Member(UNHEALTHY, is_alone=False)),
            Told(is_settled=True),
            id="but the others of its incident do not wait for it",
        ),
        pytest.param(a_pod(Status.DEGRADED, is_flapping=True), Told(look_at=T + MINUTE), id="flapping waits"),
    ],
)
def test_a_hold_of_alerts_holds_what_would_be_told(pod: PodNow, told: Told) -> None:
    assert judge(replace(pod, held_until=T + MINUTE), T) == told


def test_a_hold_that_is_over_holds_nothing() -> None:
    assert judge(a_pod(Status.UNHEALTHY, MINUTE, held_until=T), T) == Told((UNHEALTHY,), joins=True)


FLAPS = {"is_flapping": True}


@pytest.mark.parametrize(
    ("pod", "told"),
    [
        pytest.param(
            a_pod(Status.DEGRADED, **FLAPS),
            Told((NoticeKind.FLAPPING,), joins=True, look_at=T + FLAPPING_AGAIN_US, flapping_told_at=T),
            id="told once at its start",
        ),
        pytest.param(
            a_pod(Status.UNHEALTHY, **FLAPS, flapping_told_at=T - MINUTE, member=Member()),
            Told(look_at=T - MINUTE + FLAPPING_AGAIN_US, flapping_told_at=T - MINUTE),
            id="no unhealthy in between",
        ),
        pytest.param(
            a_pod(Status.HEALTHY, LOST_US, **FLAPS, flapping_told_at=T - MINUTE, member=Member()),
            Told(look_at=T - MINUTE + FLAPPING_AGAIN_US, flapping_told_at=T - MINUTE),
            id="no recovery in between",
        ),
        pytest.param(
            a_pod(Status.DEGRADED, **FLAPS, flapping_told_at=T - FLAPPING_AGAIN_US, member=Member()),
            Told((NoticeKind.FLAPPING,), look_at=T + FLAPPING_AGAIN_US, flapping_told_at=T),
            id="again after twelve hours",
        ),
        pytest.param(
            a_pod(Status.HEALTHY, flapping_told_at=T - MINUTE, member=Member()),
            Told((NoticeKind.FLAPPING_ENDED,), look_at=T + RECOVERED_US),
            id="its end is told, and a recovery follows",
        ),
        pytest.param(
            a_pod(Status.UNHEALTHY, flapping_told_at=T - MINUTE, member=Member()),
            Told((NoticeKind.FLAPPING_ENDED, UNHEALTHY)),
            id="what it is now is told with its end",
        ),
    ],
)
def test_flapping_is_told_at_its_start_and_its_end(pod: PodNow, told: Told) -> None:
    assert judge(pod, T) == told


def test_only_unhealthy_is_critical() -> None:
    severe = {status for status in Status if incident.severity_of(status) == Severity.CRITICAL}

    assert severe == {Status.UNHEALTHY}


HERE = Place(1, 5, {"local"})
NODE = Cause(1, IncidentCause.NODE, "node:5", T - MINUTE)
VANTAGE = Cause(1, IncidentCause.VANTAGE, "vantage:local", T - MINUTE)
OF_TENANT = Cause(1, IncidentCause.BREAKER, incident.breaker_key(BreakerScope.TENANT, "1"), T - MINUTE)
OF_NODE = Cause(1, IncidentCause.BREAKER, incident.breaker_key(BreakerScope.NODE, "5"), T - MINUTE)


@pytest.mark.parametrize(
    ("causes", "fits"),
    [
        ((OF_NODE, OF_TENANT, VANTAGE, NODE), NODE),
        ((OF_NODE, OF_TENANT, VANTAGE), VANTAGE),
        ((OF_NODE, OF_TENANT), OF_TENANT),
        ((OF_NODE,), OF_NODE),
        ((), None),
        ((NODE._replace(key="node:6"),), None),
        ((NODE._replace(tenant_id=2),), None),
        ((NODE._replace(ended=T - NEAR_US),), NODE._replace(ended=T - NEAR_US)),
        ((NODE._replace(ended=T - NEAR_US - 1),), None),
    ],
    ids=[
        "node first",
        "then the vantage",
        "then the widest breaker",
        "then its node's breaker",
        "else the pod itself",
        "another node",
        "another tenant",
        "over for five minutes",
        "over for longer",
    ],
)
def test_a_pod_belongs_to_the_first_cause_that_fits(causes: tuple[Cause, ...], fits: Cause | None) -> None:
    assert cause_of(HERE, causes, T) == fits


def test_a_pod_on_no_node_has_no_cause_of_a_node() -> None:
    assert keys_of(Place(1, None, ())) == ("breaker:tenant:1",)


@pytest.mark.parametrize(
    ("scope", "held", "is_part"),
    [
        pytest.param(BreakerScope.NODE, {1, 2}, True, id="a node, in a tenant that is held as a whole"),
        pytest.param(BreakerScope.VANTAGE, {1}, True, id="a vantage, in such a tenant"),
        pytest.param(BreakerScope.NODE, {2}, False, id="a node, where another tenant is held as a whole"),
        pytest.param(BreakerScope.NODE, set(), False, id="a node, where no tenant is"),
        pytest.param(BreakerScope.TENANT, {1}, False, id="the tenant's breaker itself"),
    ],
)
def test_what_a_breaker_tells_a_tenant_is_part_of_the_tenants_own(scope, held, is_part) -> None:
    assert is_part_of_tenants(scope, 1, held) is is_part


def test_each_cause_takes_in_what_comes_after_it_and_nothing_else() -> None:
    keys = [*keys_of(HERE), incident.pod_key(7)]

    assert [[is_wider(key, other) for other in keys] for key in keys] == [
        [number < other for other in range(len(keys))] for number in range(len(keys))
    ]


@pytest.mark.parametrize(
    ("kind", "cause_is_over", "settled", "ill", "waiting", "over"),
    [
        (IncidentCause.POD, False, 1, 0, 0, True),
        (IncidentCause.POD, False, 0, 1, 0, False),
        (IncidentCause.POD, False, 0, 0, 0, True),
        (IncidentCause.POD, False, 0, 0, 1, False),
        (IncidentCause.NODE, False, 3, 0, 0, False),
        (IncidentCause.NODE, True, 3, 0, 0, True),
        (IncidentCause.NODE, True, 3, 1, 0, False),
        (IncidentCause.NODE, True, 3, 0, 1, True),
        (IncidentCause.NODE, True, 0, 0, 0, True),
    ],
    ids=[
        "recovered",
        "ill",
        "everybody left",
        "in maintenance",
        "the node is still down",
        "node and pods are back",
        "one pod is not",
        "one is in maintenance",
        "no pod was ever ill",
    ],
)
def test_an_incident_is_over_when_nobody_is_ill_and_its_cause_has_ended(
    kind: IncidentCause, cause_is_over: bool, settled: int, ill: int, waiting: int, over: bool
) -> None:
    assert is_over(kind, cause_is_over, settled, ill, waiting) is over
