"""The past of the pods that a policy governs, as a replay of the policy takes it (behaviour §6, Replay).

Read in a few plain queries however many pods there are; what the policy would have done is unknown here.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from statistics import median
from typing import Any, NamedTuple

import sqlalchemy as sa

from podhealth.core.ladder import PolicyRules
from podhealth.core.recorded import KeptOut, PodPast, RecordedHeal, Trouble, Turned, Watcher, shortened, troubles_of
from podhealth.core.words import Action, HealOn, Phase, ProviderKind, Severity, Status
from podhealth.models import Check, Pod, PodStatus
from podhealth.models.base import to_us
from podhealth.store.reach import governed_by
from podhealth.store.tenancy import Scope, own

DAYS = 30
MOST_PODS = 5_000
MOST_TROUBLES = 10_000
_BOOT_US = 60_000_000  # of a pod that was never seen to start
_LONGEST_BOOT_US = 1_800_000_000
_KEPT_OUT = (Phase.MAINTENANCE.value, Phase.UNREACHABLE.value, Phase.STOPPED.value)
_PHASES = {phase.value: phase for phase in Phase}
_STATUSES = {status.value: status for status in Status}
_ACTIONS = {action.value: action for action in Action}

# By the pods' ids, not by a join: without fresh statistics PostgreSQL would read all transitions once for each pod.
_AMONG = {"sqlite": "IN (SELECT value FROM json_each(:ids))", "postgresql": "= ANY(CAST(:ids AS bigint[]))"}
_TURNS = (
    "SELECT pod_id, at, from_status, to_status, bad_since, cause_check_id FROM transitions"
    " WHERE pod_id {among} AND at > :since AND check_id IS NULL ORDER BY pod_id, at, id"
)
_PHASE_TURNS = (
    "SELECT pod_id, at, from_phase, to_phase FROM phase_changes"
    " WHERE pod_id {among} AND at > :since ORDER BY pod_id, at, id"
)
_HEALS = sa.text(
    "SELECT pod_id, triggered_at, action FROM cloud_pod_auto_heal_events WHERE tenant_id = :tenant"
    " AND triggered_at > :since AND state NOT IN ('cancelled', 'skipped') ORDER BY triggered_at, id"
)


class Pasts(NamedTuple):
    """The pasts of the pods that a policy governs. ``governed``: how many there are, of which some may be left out."""

    pods: list[PodPast]
    checks: dict[int, Watcher]
    begin: int
    end: int
    governed: int
    transitions: int


def pasts_of(
    conn: sa.Connection,
    scope: Scope,
    draft: PolicyRules,
    policy_id: int | None,
    now: datetime,
    most: int = MOST_PODS,
    troubles: int = MOST_TROUBLES,
    look: Callable[[], None] = lambda: None,
) -> Pasts:
    """Return the last 30 days of the pods that ``draft`` would govern as ``policy_id``; the oldest ``most`` pods.

    Fewer days where there are more than ``troubles`` troubles in them: ``begin`` says since when. ``look`` is called
    between the reads and the pods, and may end it all by what it raises.
    """
    since, end = to_us(now - timedelta(days=DAYS)), to_us(now)
    heads = _heads(conn, scope)
    governs = governed_by(conn, scope, draft, policy_id)
    mine = [head for head in heads if governs(head.policy_id, head.tags)]
    kept = {head.id: head for head in mine[:most]}
    look()
    turns = _turns(conn, since, kept)
    look()
    phases = _phase_turns(conn, since, kept)
    look()
    heals: dict[int, list[RecordedHeal]] = defaultdict(list)
    for pod_id, at, action in conn.execute(_HEALS, {"tenant": scope.tenant_id, "since": since}).all():
        heals[pod_id].append(RecordedHeal(at, _ACTIONS[action]))
    pods = []
    for pod_id, head in kept.items():
        look()
        pods.append(_past(head, turns.get(pod_id, ()), phases.get(pod_id, ()), heals.get(pod_id, ()), (since, end)))
    pods, begin = shortened(pods, since, troubles)
    wanted = {trouble.check_id for pod in pods for trouble in pod.troubles if trouble.check_id is not None}
    return Pasts(pods, _checks(conn, scope, wanted), begin, end, len(mine), sum(map(len, turns.values())))


def _heads(conn: sa.Connection, scope: Scope) -> Sequence[Any]:
    query = (
        sa.select(
            Pod.id,
            Pod.name,
            Pod.node_id,
            Pod.provider,
            Pod.policy_id,
            Pod.tags,
            Pod.start_deadline_s,
            Pod.created_at,
            PodStatus.status,
            PodStatus.bad_since,
            PodStatus.since,
            PodStatus.cause_check_id,
            PodStatus.phase,
        )
        .join(PodStatus, PodStatus.pod_id == Pod.id)
        .where(own(scope, Pod), Pod.deleted_at.is_(None))
    )
    return conn.execute(query.order_by(Pod.id)).all()


def _of_pods(conn: sa.Connection, query: str, since: int, pod_ids: Iterable[int]) -> Iterable[Any]:
    name, ids = conn.dialect.name, list(pod_ids)
    values = {"since": since, "ids": json.dumps(ids) if name == "sqlite" else ids}
    return conn.execute(sa.text(query.format(among=_AMONG[name])), values).all()


def _turns(conn: sa.Connection, since: int, pod_ids: Iterable[int]) -> dict[int, list[Turned]]:
    found: dict[int, list[Turned]] = defaultdict(list)
    for pod_id, at, was, becomes, bad_since, check_id in _of_pods(conn, _TURNS, since, pod_ids):
        found[pod_id].append(Turned(at, _STATUSES[was], _STATUSES[becomes], bad_since, check_id))
    return found


def _phase_turns(conn: sa.Connection, since: int, pod_ids: Iterable[int]) -> dict[int, list[tuple[int, str, str]]]:
    found: dict[int, list[tuple[int, str, str]]] = defaultdict(list)
    for pod_id, *turn in _of_pods(conn, _PHASE_TURNS, since, pod_ids):
        found[pod_id].append((turn[0], turn[1], turn[2]))
    return found


def _past(
    head: Any,
    turns: Sequence[Turned],
    phases: Sequence[tuple[int, str, str]],
    heals: Sequence[RecordedHeal],
    period: tuple[int, int],
) -> PodPast:
    begin, end = period
    troubles = troubles_of(turns, heals, begin)
    if not turns and head.status == Status.UNHEALTHY:  # it has been ill all the time
        troubles = [Trouble(begin, begin, None, head.cause_check_id, tuple(heal.at for heal in heals))]
    return PodPast(
        pod_id=head.id,
        name=head.name,
        node_id=head.node_id,
        provider=ProviderKind(head.provider),
        start_deadline_s=head.start_deadline_s,
        boot_us=_boot(phases),
        troubles=troubles,
        kept_out=_kept_out(head, phases, begin, end) if phases or head.phase in _KEPT_OUT else (),
        heals=heals,
    )


def _kept_out(head: Any, phases: Sequence[tuple[int, str, str]], begin: int, end: int) -> tuple[KeptOut, ...]:
    first = phases[0][1] if phases else head.phase.value
    moments = [begin, *(at for at, _, _ in phases), end]
    shown = [first, *(becomes for _, _, becomes in phases)]
    return tuple(
        KeptOut(since, until, _PHASES[phase])
        for since, until, phase in zip(moments, moments[1:], shown, strict=False)
        if phase in _KEPT_OUT
    )


def _boot(phases: Iterable[tuple[int, str, str]]) -> int:
    """Return how long the pod typically was starting until it was up."""
    since: int | None = None
    found = []
    for at, was, becomes in phases:
        if since is not None and was == Phase.STARTING.value and becomes == Phase.MONITORED.value:
            found.append(at - since)
        since = at if becomes == Phase.STARTING.value else None
    return min(round(median(found)), _LONGEST_BOOT_US) if found else _BOOT_US


def _checks(conn: sa.Connection, scope: Scope, ids: Iterable[int]) -> dict[int, Watcher]:
    query = sa.select(
        Check.id, Check.name, Check.interval_seconds, Check.failure_threshold, Check.severity, Check.heal, Check.heal_on
    ).where(own(scope, Check))
    wanted = set(ids)
    return {
        row[0]: Watcher(*row[:4], Severity(row[4]), row[5], HealOn(row[6]))
        for row in conn.execute(query)
        if row[0] in wanted
    }
