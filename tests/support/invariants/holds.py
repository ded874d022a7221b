"""I3, I13: no action while something held it, and never more in an hour, on a node or in a tenant than is allowed.

The moments are those of the heals' calls, which are stored in the transaction that judged them for the last time.
What a breaker was at a moment long past is not stored; the machine that moves breakers looks itself.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from podhealth.core.words import Action, KillScope, Phase, SnoozeHolds
from podhealth.models import Heal, KillSwitch, PhaseChange, Pod, PolicyVersion, Snooze
from tests.support.invariants.ledgers import Ledgers

_AN_HOUR = timedelta(hours=1)
_HEALS_AN_HOUR, _MIGRATIONS_AN_HOUR = 6, 1
_SHARE_OF_A_TENANT = 0.05
_MAY_ACT = (Phase.MONITORED, Phase.STARTING)  # its own start, or that of a heal before whose deadline is over


def _called(conn: sa.Connection) -> list[Any]:
    acted = (Heal.called_at.is_not(None), Heal.action != Action.NOTIFY_ONLY)
    return list(conn.execute(sa.select(Heal.__table__).where(*acted).order_by(Heal.called_at, Heal.id)))


def nothing_acts_while_held(conn: sa.Connection, _ledgers: Ledgers) -> Iterator[str]:
    """I3: when a provider was called, no kill switch, snooze, phase or mode in force forbade it."""
    heals = _called(conn)
    switches = list(conn.execute(sa.select(KillSwitch.__table__)))
    snoozes = list(conn.execute(sa.select(Snooze.__table__).where(Snooze.holds == SnoozeHolds.HEALS_AND_ALERTS)))
    phases = _phases(conn)
    modes = _modes(conn)
    for heal in heals:
        for switch in switches:
            if _concerns(switch, heal) and _is_in_force(switch, heal.called_at):
                yield f"I3: heal {heal.id} acted at {heal.called_at} under kill switch {switch.id}"
        for snooze in snoozes:
            if snooze.pod_id == heal.pod_id and _is_in_force(snooze, heal.called_at):
                yield f"I3: heal {heal.id} acted at {heal.called_at} under snooze {snooze.id}"
        phase = next((to for at, to in reversed(phases[heal.pod_id]) if at <= heal.called_at), Phase.MONITORED)
        if phase not in (_MAY_ACT if heal.requested_by else _MAY_ACT[:1]):
            yield f"I3: heal {heal.id} acted at {heal.called_at} while its pod was {phase}"
        mode = next((to for at, to in reversed(modes[heal.policy_id]) if at <= heal.called_at), "auto")
        if mode in ("off", "shadow") and not heal.requested_by:
            yield f"I3: heal {heal.id} acted at {heal.called_at} while its policy was in mode {mode}"


def _is_in_force(hold: Any, moment: datetime) -> bool:
    return bool(hold.at < moment < min(hold.until, hold.ended_at or hold.until))


def _concerns(switch: Any, heal: Any) -> bool:
    if switch.scope == KillScope.SYSTEM:
        return True
    return bool(switch.tenant_id == heal.tenant_id and switch.pod_id in (None, heal.pod_id))


def _phases(conn: sa.Connection) -> dict[int, list[tuple[datetime, Phase]]]:
    found: dict[int, list[tuple[datetime, Phase]]] = defaultdict(list)
    query = sa.select(PhaseChange.pod_id, PhaseChange.at, PhaseChange.to_phase).order_by(PhaseChange.at, PhaseChange.id)
    for pod_id, at, phase in conn.execute(query):
        found[pod_id].append((at, phase))
    return found


def _modes(conn: sa.Connection) -> dict[int | None, list[tuple[datetime, str]]]:
    found: dict[int | None, list[tuple[datetime, str]]] = defaultdict(list)
    query = sa.select(PolicyVersion.policy_id, PolicyVersion.at, PolicyVersion.body).order_by(PolicyVersion.version)
    for policy_id, at, body in conn.execute(query):
        found[policy_id].append((at, body.get("mode", "auto") if body.get("enabled", True) else "off"))
    return found


def budgets_hold(conn: sa.Connection, _ledgers: Ledgers) -> Iterator[str]:
    """I13: in every sliding hour a tenant spends no more than its budget; one heal at a time on a node."""
    by_tenant: dict[int, list[Any]] = defaultdict(list)
    for heal in _called(conn):
        by_tenant[heal.tenant_id].append(heal)
    for tenant_id, heals in by_tenant.items():
        spent = [(heal.called_at, heal.cost) for heal in heals]
        moved = [(heal.called_at, 1) for heal in heals if heal.action == Action.MIGRATE]
        for what, calls, most in (("heals", spent, _HEALS_AN_HOUR), ("migrations", moved, _MIGRATIONS_AN_HOUR)):
            if (used := most_in_an_hour(calls)) > most:
                yield f"I13: tenant {tenant_id} spent {used} {what} within an hour; {most} are allowed"
    yield from _at_a_time(conn)


def most_in_an_hour(calls: Iterable[tuple[datetime, int]]) -> int:
    """Return the most that was spent in any sliding hour; what is spent an hour after another is in no hour with it."""
    calls = sorted(calls)
    return max((sum(cost for at, cost in calls if end - _AN_HOUR < at <= end) for end, _ in calls), default=0)


def _at_a_time(conn: sa.Connection) -> Iterator[str]:
    heals = list(conn.execute(sa.select(Heal.__table__).where(Heal.action != Action.NOTIFY_ONLY)))
    pods: dict[int, int] = dict(conn.execute(sa.select(Pod.tenant_id, sa.func.count()).group_by(Pod.tenant_id)).all())
    for heal in heals:
        beside = [
            other
            for other in heals
            if other.triggered_at <= heal.triggered_at and (other.completed_at or heal.triggered_at) > heal.triggered_at
        ]
        beside += [] if heal in beside else [heal]
        in_tenant = sum(other.tenant_id == heal.tenant_id for other in beside)
        most = max(1, int(pods[heal.tenant_id] * _SHARE_OF_A_TENANT))
        if in_tenant > most:
            yield f"I13: heal {heal.id} was one of {in_tenant} at a time in its tenant; {most} are allowed"
        on_node = [
            o.id for o in beside if heal.node_id is not None and o.node_id == heal.node_id and _is_in_hand(o, heal)
        ]
        if len(on_node) > 1:
            yield f"I13: heals {on_node} were under way on node {heal.node_id} at once"


def _is_in_hand(other: Any, heal: Any) -> bool:
    # A node's place is given back when the pod is up again, which may be long before its heal is proven.
    return other.id == heal.id or other.action_ended_at is None or other.action_ended_at > heal.triggered_at
