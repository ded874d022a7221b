"""What ``podhealth bench pages`` fills its database with first: a tenant's nodes, policies, windows, pods and checks.

As they are now; what they were stands in bench_past.py. The same for the same size, whatever the day.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa

from podhealth.core.words import (
    Action,
    Actor,
    ActualState,
    DesiredState,
    Kind,
    Mode,
    Outcome,
    Phase,
    ProviderKind,
    Role,
    Status,
)
from podhealth.models import Check, CheckState, Node, Pod, PodStatus, Tenant
from podhealth.store.db import db_now, write
from podhealth.store.policies import save_policy
from podhealth.store.tenancy import Scope
from podhealth.store.windows import save_window

TENANT = 1
CHECKS_A_POD = 2
INTERVAL_S = 60
PODS_A_NODE = 100
WINDOWS = 20
_AT_ONCE = 500
_FRESH = timedelta(hours=12)


class Size(NamedTuple):
    """How many pods, with how many days of past."""

    pods: int
    days: int

    @property
    def pod_ids(self) -> range:
        """The pods, of which the first are as others of the same number are in a fleet of another size."""
        return range(1, self.pods + 1)


class State(NamedTuple):
    """How a pod is now."""

    status: Status = Status.HEALTHY
    phase: Phase = Phase.MONITORED
    reason: str | None = None


_HEALTHY = State()
# Two pods of a hundred are ill, one is slow, and so on: as many as somebody has to look after each day.
_BY_NUMBER = {
    7: State(Status.UNHEALTHY, reason="http: HTTP 502, wanted 200-399"),
    57: State(Status.UNHEALTHY, reason="tcp: refused"),
    23: State(Status.DEGRADED, reason="http: slow"),
    11: State(Status.UNKNOWN, reason="no fresh result"),
    13: State(Status.UNKNOWN, Phase.STOPPED, "stopped by ann"),
    17: State(Status.HEALTHY, Phase.MAINTENANCE, "kernel update"),
}


def state_of(pod_id: int) -> State:
    """Return how a pod is now."""
    return _BY_NUMBER.get(pod_id % 100, _HEALTHY)


def check_ids_of(pod_id: int) -> tuple[int, ...]:
    """Return the checks of a pod."""
    return tuple(range(CHECKS_A_POD * (pod_id - 1) + 1, CHECKS_A_POD * pod_id + 1))


def node_of(pod_id: int) -> int:
    """Return the node of a pod: neighbours are on the same."""
    return (pod_id - 1) // PODS_A_NODE + 1


def tags_of(pod_id: int) -> list[str]:
    """Return the tags of a pod: where it is used, what it belongs to, whose it is."""
    return ["prod" if pod_id % 5 else "staging", f"app-{pod_id % 40}", f"team-{pod_id % 8}"]


def fill_fleet(engine: sa.Engine, size: Size) -> datetime:
    """Store the fleet as it is now, and return that moment."""
    with write(engine) as conn:
        now = db_now(conn)
        born = now - timedelta(days=size.days + 1)
        conn.execute(sa.insert(Tenant).values(id=TENANT, name="bench", zone="Europe/Berlin", created_at=born))
        nodes = range(1, node_of(size.pods) + 1)
        conn.execute(
            sa.insert(Node), [{"id": n, "tenant_id": TENANT, "name": f"node-{n}", "created_at": born} for n in nodes]
        )
        scope = Scope(TENANT, Role.ADMIN, Actor.USER, "ann@bench.example")
        for fields in _policies():
            save_policy(conn, scope, fields)
        for number in range(WINDOWS):
            save_window(conn, scope, _window(number))
    for first in range(1, size.pods + 1, _AT_ONCE):
        with write(engine) as conn:
            _store(conn, range(first, min(first + _AT_ONCE, size.pods + 1)), born, now)
    return now


def _policies() -> Iterator[dict[str, Any]]:
    steps = [{"action": Action.RESTART.value, "attempts": 2}, {"action": Action.MIGRATE.value, "attempts": 1}]
    first = {"action": Action.RESTART.value}
    yield first | {"name": "restart, then migrate", "isDefault": True, "mode": Mode.AUTO.value, "steps": steps}
    for team in range(4):
        yield first | {"name": f"team {team}", "mode": Mode.SHADOW.value, "selector": [f"team-{team}"], "priority": 10}


def _window(number: int) -> dict[str, Any]:
    at = f"2026-01-{1 + number:02}T{number:02}:00"
    fields = {"name": f"window {number}", "reason": "backup", "zone": "Europe/Berlin", "starts": at, "minutes": 60}
    return fields | {"tags": [f"app-{number}"], "recurrence": "FREQ=WEEKLY"}


def _store(conn: sa.Connection, pod_ids: range, born: datetime, now: datetime) -> None:
    owned = {"tenant_id": TENANT, "updated_at": now}
    made = owned | {"created_at": born}
    conn.execute(sa.insert(Pod), [made | _pod(pod_id) for pod_id in pod_ids])
    conn.execute(sa.insert(PodStatus), [owned | _status(pod_id, now) for pod_id in pod_ids])
    pairs = [(pod_id, check_id) for pod_id in pod_ids for check_id in check_ids_of(pod_id)]
    conn.execute(sa.insert(Check), [made | _check(*pair) for pair in pairs])
    conn.execute(sa.insert(CheckState), [{"tenant_id": TENANT} | _check_state(*pair, now) for pair in pairs])


def _pod(pod_id: int) -> dict[str, Any]:
    is_stopped = state_of(pod_id).phase is Phase.STOPPED
    return {
        "id": pod_id,
        "name": f"app-{pod_id % 40}-{pod_id}",
        "address": f"10.{pod_id >> 16}.{pod_id >> 8 & 255}.{pod_id & 255}",
        "node_id": node_of(pod_id),
        "tags": tags_of(pod_id),
        "provider": ProviderKind.PROCESS if pod_id % 3 else ProviderKind.NONE,
        "provider_config": {"run_dir": f"/nowhere/pods/{pod_id}"} if pod_id % 3 else None,
        "desired_state": DesiredState.STOPPED if is_stopped else DesiredState.RUNNING,
        "actual_state": ActualState.STOPPED if is_stopped else ActualState.RUNNING,
    }


def _status(pod_id: int, now: datetime) -> dict[str, Any]:
    state = state_of(pod_id)
    since = now - timedelta(minutes=1 + pod_id % 600)
    is_in_maintenance, is_stopped = state.phase is Phase.MAINTENANCE, state.phase is Phase.STOPPED
    return {
        "pod_id": pod_id,
        "status": state.status,
        "since": since,
        "reason": state.reason if state.status is not Status.HEALTHY else None,
        "cause_check_id": check_ids_of(pod_id)[0] if state.status is Status.UNHEALTHY else None,
        "bad_since": since - timedelta(minutes=2) if state.status is Status.UNHEALTHY else None,
        "phase": state.phase,
        "phase_since": since,
        "phase_until": now + _FRESH if is_in_maintenance else None,
        "maintenance_since": since if is_in_maintenance else None,
        "maintenance_until": now + _FRESH if is_in_maintenance else None,
        "stopped_since": since if is_stopped else None,
        "last_healthy_at": since,
    }


def _check(pod_id: int, check_id: int) -> dict[str, Any]:
    is_http = check_id % CHECKS_A_POD == 1
    kind = Kind.HTTP if is_http else Kind.TCP
    rules = {"id": check_id, "pod_id": pod_id, "name": kind.value, "kind": kind, "target": "/" if is_http else "443"}
    return rules | {"interval_seconds": INTERVAL_S, "latency_limit_ms": 500.0 if is_http else None}


def _check_state(pod_id: int, check_id: int, now: datetime) -> dict[str, Any]:
    state = state_of(pod_id)
    is_cause = check_id == check_ids_of(pod_id)[0]
    status = state.status if is_cause or state.status is not Status.UNHEALTHY else Status.HEALTHY
    is_bad = status is Status.UNHEALTHY
    return {
        "check_id": check_id,
        "pod_id": pod_id,
        "vantage": "local",
        "status": status,
        "since": now - timedelta(minutes=1 + pod_id % 600),
        "bad_since": now - timedelta(minutes=3 + pod_id % 600) if is_bad else None,
        "failures": 5 if is_bad else 0,
        "successes": 0 if is_bad else 5,
        "was_known": True,
        "recent_count": 20,
        "recent_bits": 0b11111 if is_bad else 0,
        "fresh_until": None if status is Status.UNKNOWN else now + _FRESH,
        "last_at": now,
        "last_outcome": Outcome.FAIL if is_bad else Outcome.OK,
        "last_error": "HTTP 502, wanted 200-399" if is_bad else None,
        "last_latency_ms": None if is_bad else 12.0,
    }
