"""What ``podhealth bench probe`` fills its database with: tenants, pods and checks in the state they will be in.

Works out how many checks make the wanted rate, and stores them; starts nothing.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from podhealth.cli.bench_place import count_rows
from podhealth.core.errors import InputError
from podhealth.core.expiry import fresh_span_us
from podhealth.core.schedule import SECOND_US, next_slot_us
from podhealth.core.words import Action, Actor, FailClass, Kind, Mode, Outcome, Role, Status
from podhealth.models import Check, CheckState, Pod, PodStatus, Tenant
from podhealth.models.base import from_us
from podhealth.probing.engine import STARTS_PER_ADDRESS
from podhealth.store.db import db_now_us, write
from podhealth.store.policies import save_policy
from podhealth.store.tenancy import Scope

TENANTS = 10
SHORTEST_S, LONGEST_S = 5, 86_400
FAILURE_THRESHOLD = 3
_LEAD_US = 2 * SECOND_US
_PODS_AT_ONCE = 250
# The pods have no provider: what is left of the ladder is to tell people.
_POLICY = {"name": "restart twice", "isDefault": True, "mode": Mode.AUTO.value, "action": Action.RESTART.value}
_WINDOW, _ALL_BAD = 20, (1 << 20) - 1


class Load(NamedTuple):
    """What is to be probed: pods, each with as many checks as the rate needs, ``frequent`` of them a second sooner.

    ``interval_s`` is the longer of the two intervals; ``silent_percent`` of the pods take requests and never answer,
    ``refusing_percent`` take none. ``is_healing``: policies govern all pods, and those that refuse were well until now.
    ``small``: the last so many pods are one tenant's and all others another's; 0 spreads them over ten tenants.
    """

    pods: int
    checks_per_pod: int
    interval_s: int
    frequent: int
    silent_percent: int
    timeout_s: float
    refusing_percent: int = 0
    is_healing: bool = False
    small: int = 0

    @property
    def checks(self) -> int:
        """How many checks there are in all."""
        return self.pods * self.checks_per_pod

    @property
    def rate(self) -> float:
        """How many checks are due in a second."""
        return (self.checks - self.frequent) / self.interval_s + self.frequent / max(self.interval_s - 1, 1)

    def interval_of(self, check_id: int) -> int:
        """The interval of one check; ids begin at 1."""
        return self.interval_s - 1 if _is_share(check_id, self.frequent, self.checks) else self.interval_s

    def is_silent(self, pod_id: int) -> bool:
        """Whether the pod lets its requests time out; they lie evenly among the others."""
        return _is_share(pod_id, self.silent_percent, 100)

    def is_refusing(self, pod_id: int) -> bool:
        """Whether nothing listens at the pod's port; they lie evenly among the others."""
        return _is_share(pod_id, self.refusing_percent, 100)

    def is_small(self, pod_id: int) -> bool:
        """Whether the pod is one of the small tenant's."""
        return pod_id > self.pods - self.small

    def pod_of(self, check_id: int) -> int:
        """The pod of a check."""
        return (check_id - 1) // self.checks_per_pod + 1


def _is_share(number: int, part: int, whole: int) -> bool:
    """Whether this one is among the ``part`` of each ``whole`` numbers, spread as evenly as can be."""
    return number * part // whole != (number - 1) * part // whole


def plan_load(
    targets: int, rate: float, silent_percent: int, timeout_s: float | None, refusing: int = 0, is_healing: bool = False
) -> Load:
    """Return the load of ``rate`` checks a second on that many pods.

    No check may be due more often than every 5 s, or while its last probe may still be under way: where there are
    few pods for the rate, each has several checks. Raises InputError where the rate cannot be had.
    """
    shortest_s = max(SHORTEST_S, int(timeout_s or 0) + 1)
    per_pod = max(1, -int(-rate * shortest_s // targets))
    checks = targets * per_pod
    interval_s = -int(-checks // rate)
    if refusing and silent_percent:
        raise InputError("--refusing", "either --timing-out or --refusing: a pod cannot do both")
    if rate > targets * STARTS_PER_ADDRESS:
        raise InputError(
            "--rate", f"one address is probed at most {STARTS_PER_ADDRESS:g} times a second: needs more targets"
        )
    if interval_s > LONGEST_S:
        raise InputError("--rate", "a check is due at least once a day: needs fewer targets, or a higher rate")
    frequent = 0
    if interval_s > shortest_s:  # some a second sooner, so that the rate is met exactly
        frequent = round((rate - checks / interval_s) / (1 / (interval_s - 1) - 1 / interval_s))
    wait_s = timeout_s if timeout_s is not None else min(10.0, (interval_s - 1) / 2, interval_s / 2)
    return Load(targets, per_pod, interval_s, frequent, silent_percent, wait_s, refusing, is_healing)


class Ports(NamedTuple):
    """Where the targets listen, one server after the other, and ports at which nobody does."""

    answering: Sequence[int]
    silent: Sequence[int]
    refusing: Sequence[int] = ()


def fill(engine: sa.Engine, load: Load, ports: Ports) -> None:
    """Store the load; its checks are due from about two seconds after this returns, each at its regular slot."""
    with write(engine) as conn:
        now = from_us(db_now_us(conn))
        ids = range(1, TENANTS + 1)
        conn.execute(sa.insert(Tenant), [{"id": n, "name": f"tenant-{n}", "created_at": now} for n in ids])
        for tenant_id in ids if load.is_healing else ():
            save_policy(conn, Scope(tenant_id, Role.ADMIN, Actor.USER, "bench"), _POLICY)
    for first in range(1, load.pods + 1, _PODS_AT_ONCE):
        pods = range(first, min(first + _PODS_AT_ONCE, load.pods + 1))
        with write(engine) as conn:
            _store_pods(conn, load, pods)
            _store_checks(conn, load, pods, ports)
    _make_due(engine, load)
    count_rows(engine)


def tenant_of(load: Load, pod_id: int) -> int:
    """Return the tenant of a pod: neighbours have the same."""
    if load.small:
        return 1 + load.is_small(pod_id)
    return (pod_id - 1) * TENANTS // load.pods + 1


def address_of(pod_id: int) -> str:
    """Return the pod's own address: 127.1.0.1 and upwards."""
    return f"127.{1 + (pod_id >> 16)}.{pod_id >> 8 & 255}.{pod_id & 255}"


def _store_pods(conn: sa.Connection, load: Load, pod_ids: Sequence[int]) -> None:
    now = from_us(db_now_us(conn))
    owned = [{"tenant_id": tenant_of(load, pod_id), "updated_at": now} for pod_id in pod_ids]
    named = [
        row | {"id": i, "name": f"pod-{i}", "address": address_of(i), "created_at": now}
        for i, row in zip(pod_ids, owned, strict=True)
    ]
    conn.execute(sa.insert(Pod), named)
    known = [
        row | {"pod_id": i, "since": now, "phase_since": now} | _pod_knowledge(load, i)
        for i, row in zip(pod_ids, owned, strict=True)
    ]
    conn.execute(sa.insert(PodStatus), known)


def _is_known_sick(load: Load, pod_id: int) -> bool:
    return load.is_silent(pod_id) or (load.is_refusing(pod_id) and not load.is_healing)


def _knowledge(load: Load, pod_id: int) -> dict[str, Any]:
    if not _is_known_sick(load, pod_id):
        return _ANSWERING
    return _REFUSING if load.is_refusing(pod_id) else _SILENT


def _pod_knowledge(load: Load, pod_id: int) -> dict[str, Any]:
    if not _is_known_sick(load, pod_id):
        return {"status": Status.HEALTHY, "reason": None, "cause_check_id": None}
    cause = (pod_id - 1) * load.checks_per_pod + 1
    return {"status": Status.UNHEALTHY, "reason": "no answer", "cause_check_id": cause}


def _store_checks(conn: sa.Connection, load: Load, pod_ids: Sequence[int], ports: Ports) -> None:
    now = from_us(db_now_us(conn))
    checks, states = [], []
    for pod_id, check_id, number in _checks(load, pod_ids):
        their = ports.silent if load.is_silent(pod_id) else ports.answering
        if load.is_refusing(pod_id):
            their = ports.refusing
        owner = {"tenant_id": tenant_of(load, pod_id), "pod_id": pod_id}
        rules = {
            "id": check_id,
            "name": f"http-{number + 1}" if number else "http",
            "kind": Kind.HTTP,
            "target": "/",
            "config": {"port": their[pod_id % len(their)]},
            "interval_seconds": load.interval_of(check_id),
            "timeout_seconds": load.timeout_s,
            "failure_threshold": FAILURE_THRESHOLD,
            "created_at": now,
            "updated_at": now,
        }
        checks.append(owner | rules)
        state = {"check_id": check_id, "vantage": "local", "since": now, "was_known": True, "recent_count": _WINDOW}
        states.append(owner | state | _knowledge(load, pod_id))
    conn.execute(sa.insert(Check), checks)
    conn.execute(sa.insert(CheckState), states)


def _checks(load: Load, pod_ids: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    for pod_id in pod_ids:
        for number in range(load.checks_per_pod):
            yield pod_id, (pod_id - 1) * load.checks_per_pod + number + 1, number


# As hours of the same answers would have left them.
_ANSWERING = {
    "status": Status.HEALTHY,
    "failures": 0,
    "successes": 1,
    "recent_bits": 0,
    "last_outcome": Outcome.OK,
    "last_class": None,
    "last_code": None,
}
_SILENT = {
    "status": Status.UNHEALTHY,
    "failures": FAILURE_THRESHOLD,
    "successes": 0,
    "recent_bits": _ALL_BAD,
    "last_outcome": Outcome.FAIL,
    "last_class": FailClass.DOWN,
    "last_code": "timeout",
}
_REFUSING = _SILENT | {"last_code": "refused"}


def _make_due(engine: sa.Engine, load: Load) -> None:
    with write(engine) as conn:
        after = db_now_us(conn) + _LEAD_US
        rows = []
        for check_id in range(1, load.checks + 1):
            interval_s = load.interval_of(check_id)
            slot = next_slot_us(check_id, interval_s, after)
            rows.append({"id": check_id, "slot": slot, "fresh": after + fresh_span_us(interval_s, load.timeout_s)})
        update = "UPDATE check_states SET next_at = :slot, slot_at = :slot, fresh_until = :fresh WHERE check_id = :id"
        conn.execute(sa.text(update), rows)
