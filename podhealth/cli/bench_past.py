"""What ``podhealth bench pages`` fills its database with next: outages of the last days, and what followed from them.

Transitions, episodes, heals, decisions and incidents, as the product would have left them. One pod flaps all the time,
every fifth has two outages a day, the others one in ten days.
"""

import random
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa

from podhealth.cli.bench_fleet import TENANT, Size, check_ids_of, node_of, state_of
from podhealth.core.words import Action, Answer, Gate, HealState, IncidentCause, Phase, Severity, Status
from podhealth.models import Decision, Episode, Heal, Incident, IncidentMember, PhaseChange, Transition
from podhealth.store.db import write

FLAPPER = 1
_FLAPS_EVERY = timedelta(minutes=20)
_AT_ONCE = 2_000
_REASON = "http: HTTP 502, wanted 200-399"
_STATES = (HealState.SUCCEEDED,) * 7 + (HealState.FAILED, HealState.TIMED_OUT, HealState.CANCELLED)
_HOLDS = (Gate.COOLDOWN, Gate.SETTLING, Gate.BREAKER, Gate.BUDGET)
_LADDER = [{"action": "restart", "attempts": 2}, {"action": "migrate", "attempts": 1}]


class Outage(NamedTuple):
    """A time of being unhealthy; ``end`` null: it goes on."""

    pod_id: int
    begin: datetime
    end: datetime | None


def outages(size: Size, now: datetime) -> list[Outage]:
    """Return the outages of all pods in the order of time, none of a pod over another."""
    found = [outage for pod_id in size.pod_ids for outage in _outages_of(pod_id, size.days, now)]
    return sorted(found, key=lambda outage: outage.begin)


def _outages_of(pod_id: int, days: int, now: datetime) -> Iterator[Outage]:
    chance = random.Random(pod_id)  # noqa: S311 - the same past for the same pod
    begun = now - timedelta(days=days)
    minutes = _FLAPS_EVERY.total_seconds() / 60 if pod_id == FLAPPER else 720 if pod_id % 5 == 0 else 14_400
    free_from = now - timedelta(minutes=700)  # what it is now began after that
    at = begun + timedelta(minutes=chance.uniform(0, minutes))
    while at < free_from:
        yield Outage(pod_id, at, at + timedelta(minutes=chance.uniform(2, min(40, minutes / 2))))
        at += timedelta(minutes=chance.uniform(0.8, 1.2) * minutes)
    if state_of(pod_id).status is Status.UNHEALTHY:
        yield Outage(pod_id, now - timedelta(minutes=1 + pod_id % 600), None)


def fill_past(engine: sa.Engine, size: Size, now: datetime) -> dict[str, int]:
    """Store the past, and return how many rows of what it is."""
    found = outages(size, now)
    rows: dict[Any, list[dict[str, Any]]] = {
        Transition: [row for outage in found for row in _transitions(outage)],
        PhaseChange: [row for pod_id in size.pod_ids for row in _phase_changes(pod_id, size.days, now)],
    }
    healed = [outage for outage in found if outage.pod_id % 3 and outage.pod_id != FLAPPER]
    rows[Episode] = [_episode(number, outage) for number, outage in enumerate(healed, 1)]
    rows[Heal] = [_heal(number, outage) for number, outage in enumerate(healed, 1) if outage.end or number % 4 == 0]
    rows[Decision] = [row for number, outage in enumerate(healed, 1) for row in _decisions(number, outage)]
    told = [outage for outage in found if outage.end is None or outage.pod_id % 10 == 0]
    rows[Incident] = [_incident(number, outage) for number, outage in enumerate(told, 1)]
    rows[IncidentMember] = [_member(number, outage) for number, outage in enumerate(told, 1)]
    for model, some in rows.items():
        _insert(engine, model, some)
    return {model.__tablename__: len(some) for model, some in rows.items()}


def _insert(engine: sa.Engine, model: Any, rows: Sequence[dict[str, Any]]) -> None:
    for first in range(0, len(rows), _AT_ONCE):
        with write(engine) as conn:
            conn.execute(sa.insert(model), rows[first : first + _AT_ONCE])


def _transitions(outage: Outage) -> Iterator[dict[str, Any]]:
    check_id = check_ids_of(outage.pod_id)[0]
    own = {"tenant_id": TENANT, "pod_id": outage.pod_id}
    for of in ({"check_id": check_id, "cause_check_id": None}, {"check_id": None, "cause_check_id": check_id}):
        fell = {"from_status": Status.HEALTHY, "to_status": Status.UNHEALTHY, "reason": _REASON, "at": outage.begin}
        yield own | of | fell | {"bad_since": outage.begin - timedelta(minutes=2)}
        if outage.end is not None:
            rose = {"from_status": Status.UNHEALTHY, "to_status": Status.HEALTHY, "reason": None, "at": outage.end}
            yield own | of | rose | {"bad_since": None, "cause_check_id": None}


def _phase_changes(pod_id: int, days: int, now: datetime) -> Iterator[dict[str, Any]]:
    """Yield an hour of maintenance each week for each fourth pod, and what phase the others came to."""
    own = {"tenant_id": TENANT, "pod_id": pod_id}
    weekly = range(days // 7) if pod_id % 4 == 0 else ()
    for week in weekly:
        begin = now - timedelta(days=7 * (week + 1), minutes=pod_id % 600)
        for moment, turn in (
            (begin, (Phase.MONITORED, Phase.MAINTENANCE)),
            (None, (Phase.MAINTENANCE, Phase.MONITORED)),
        ):
            at = moment or begin + timedelta(hours=1)
            yield own | {"from_phase": turn[0], "to_phase": turn[1], "reason": "window 1", "until": None, "at": at}
    phase = state_of(pod_id).phase
    if phase is not Phase.MONITORED:
        at = now - timedelta(minutes=1 + pod_id % 600)
        yield own | {"from_phase": Phase.MONITORED, "to_phase": phase, "reason": None, "until": None, "at": at}


def _episode(number: int, outage: Outage) -> dict[str, Any]:
    return {
        "id": number,
        "tenant_id": TENANT,
        "pod_id": outage.pod_id,
        "policy_id": 1,
        "policy_version": 1,
        "ladder": _LADDER,
        "triggers": [{"check_id": check_ids_of(outage.pod_id)[0], "generation": 1}],
        "attempts": 1 if outage.end else 0,
        "opened_at": outage.begin,
        "closed_at": outage.end,
        "close_reason": "recovered" if outage.end else None,
    }


def _heal(number: int, outage: Outage) -> dict[str, Any]:
    state = _STATES[number % len(_STATES)] if outage.end else HealState.VERIFYING
    return {
        "tenant_id": TENANT,
        "pod_id": outage.pod_id,
        "node_id": node_of(outage.pod_id),
        "policy_id": 1,
        "policy_version": 1,
        "episode_id": number,
        "action": Action.RESTART,
        "attempt": 1,
        "of_attempts": 2,
        "nth_of_action": 1,
        "state": state,
        "reason": _REASON,
        "error_message": "the provider said no" if state is HealState.FAILED else None,
        "previous_status": Status.UNHEALTHY.value,
        "new_status": Status.HEALTHY.value if outage.end else None,
        "verify_until": None if outage.end else outage.begin + timedelta(days=1),
        "triggered_at": outage.begin,
        "started_at": outage.begin,
        "called_at": outage.begin,
        "completed_at": outage.end,
        "idempotency_key": f"bench-{number}",
        "evidence": {"gates": _gates(None), "graceful": True},
    }


def _decisions(number: int, outage: Outage) -> Iterator[dict[str, Any]]:
    gate = _HOLDS[number % len(_HOLDS)]
    of = {"tenant_id": TENANT, "pod_id": outage.pod_id, "episode_id": number, "action": Action.RESTART}
    until = outage.begin + timedelta(minutes=10)
    held = {"answer": Answer.HOLD, "gate": gate, "reason": f"held by {gate.value}", "until": until}
    yield of | held | {"at": outage.begin, "inputs": {"gates": _gates(gate), "card": f"held by {gate.value}"}}
    if outage.end is not None:
        done = {"answer": Answer.ACT, "gate": None, "reason": "all gates are open", "until": None}
        yield of | done | {"at": outage.begin, "inputs": {"gates": _gates(None)}}


def _gates(closed: Gate | None) -> list[dict[str, Any]]:
    found = []
    for gate in Gate:
        found.append(
            {"gate": gate.value, "open": gate is not closed, "reason": None, "inputs": {"limit": 3, "found": 1}}
        )
        if gate is closed:
            break
    return found


def _incident(number: int, outage: Outage) -> dict[str, Any]:
    return {
        "id": number,
        "tenant_id": TENANT,
        "cause": IncidentCause.POD,
        "cause_key": f"pod:{outage.pod_id}",
        "severity": Severity.CRITICAL if number % 3 else Severity.WARNING,
        "title": f"pod {outage.pod_id} is unhealthy",
        "opened_at": outage.begin,
        "bad_since": outage.begin - timedelta(minutes=2),
        "updated_at": outage.end or outage.begin,
        "recovered_at": outage.end,
        "close_reason": "recovered" if outage.end else None,
    }


def _member(number: int, outage: Outage) -> dict[str, Any]:
    return {
        "tenant_id": TENANT,
        "incident_id": number,
        "pod_id": outage.pod_id,
        "joined_at": outage.begin,
        "bad_since": outage.begin - timedelta(minutes=2),
        "healthy_since": outage.end,
        "left_at": outage.end,
        "left_reason": "recovered" if outage.end else None,
    }
