"""What the brakes of the fleet know of one pod, and what a judgement leaves behind for them (behaviour §6).

Asked only where nothing else holds: most judgements end before. Breakers are counted in ``breakers``, turns in
``turns``.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from podhealth.core.decide import Decision, decide
from podhealth.core.errors import Conflict
from podhealth.core.facts import Facts, Spent
from podhealth.core.fields import line
from podhealth.core.fleet_gates import BUDGET_WITHIN, CHRONIC_OVER, CHRONIC_WITHIN, counted_heals
from podhealth.core.judging import comes_to, must_ask
from podhealth.core.mode_gate import is_shadow
from podhealth.core.words import Action, FeedKind, Gate, HealState, NoticeKind, Severity
from podhealth.models import Heal, PodStatus
from podhealth.models.base import to_us
from podhealth.store import audit, breakers, notices, podstate, tenancy, turns
from podhealth.store.db import db_now
from podhealth.store.feed import FeedNote, append
from podhealth.store.limits import limits
from podhealth.store.tenancy import Scope

if TYPE_CHECKING:
    from podhealth.store.healfacts import Gathered

Row = sa.Row[Any]

_LONGEST_CALL = CHRONIC_WITHIN  # no heal is called later than that after it was planned
_FLAPPING_COST = 2


def own_facts(conn: sa.Connection, facts: Facts, pod: Row, checks: Sequence[Row], heal: Row | None) -> Facts:
    """Return the facts with what the brakes ask about, where the gates before them would let the pod come so far.

    ``pod``, ``checks`` and ``heal`` (the open one) are the rows as healfacts reads them.
    """
    if heal is not None:
        is_to_begin = heal.state == HealState.PLANNED or (heal.state == HealState.RUNNING and not heal.provider_task)
        return _facts(conn, facts, pod, checks, heal) if is_to_begin else facts
    if not _comes_to(facts, Gate.CHRONIC):
        return facts
    seen = replace(
        _facts(conn, facts, pod, checks, None),
        recent_heals=_recent_heals(conn, pod.pod_id, facts.now),
        chronic_acknowledged_at=pod.chronic_acknowledged_at,
    )
    if is_shadow(facts):  # what shadow would have spent is counted apart (store/shadow)
        seen = replace(seen, recent_heals=facts.recent_heals, spent_by_tenant=facts.spent_by_tenant)
    facts = seen
    return replace(facts, turn=turns.turn_of(conn, facts, pod)) if _comes_to(facts, Gate.CONCURRENCY) else facts


def _comes_to(facts: Facts, gate: Gate) -> bool:
    decided = decide(facts)
    return comes_to(decided, gate) and not must_ask(decided, facts)


def with_brakes(conn: sa.Connection, g: "Gathered", planning: bool = False) -> "Gathered":
    """Return ``g`` with all that the brakes know; who is ``planning`` a heal keeps other planners out until the commit.

    What was free when the facts were gathered may be taken since: under the locks it is asked again. The pod's own
    heals are not: its lock is held since before.
    """
    if planning:
        turns.lock(conn, g.pod.tenant_id, g.pod.node_id)
        breakers.lock(conn, g.pod)
    facts = _facts(conn, g.facts, g.pod, g.checks, g.heal)
    facts = replace(facts, turn=turns.turn_of(conn, facts, g.pod))
    return replace(g, facts=facts, real=facts)


def as_asked_for(conn: sa.Connection, g: "Gathered", planning: bool = False) -> "Gathered":
    """Return ``g`` as a heal is judged that a person asks for: it is really done, in whatever mode (core/heal_now)."""
    g = with_brakes(conn, replace(g, facts=g.real), planning)
    recent = _recent_heals(conn, g.pod.pod_id, g.facts.now)
    seen = replace(g.facts, recent_heals=recent, chronic_acknowledged_at=g.pod.chronic_acknowledged_at)
    return replace(g, facts=seen, real=seen)


def _facts(conn: sa.Connection, facts: Facts, pod: Row, checks: Sequence[Row], heal: Row | None) -> Facts:
    is_flapping = any(check.enabled and check.is_flapping for check in checks)
    return replace(
        facts,
        breakers=breakers.breakers_of(conn, facts, pod, heal),
        limits=limits(),
        heal_cost=heal.cost if heal is not None else _FLAPPING_COST if is_flapping else 1,
        spent_by_tenant=_spent(conn, pod.tenant_id, facts.now, heal),
    )


def _recent_heals(conn: sa.Connection, pod_id: int, now: datetime) -> tuple[datetime, ...]:
    query = sa.select(Heal.triggered_at).where(
        Heal.pod_id == pod_id,
        Heal.triggered_at > now - CHRONIC_WITHIN,
        *turns.counts(),
    )
    return tuple(conn.execute(query.order_by(Heal.triggered_at)).scalars())


def _spent(conn: sa.Connection, tenant_id: int, now: datetime, own: Row | None) -> tuple[Spent, ...]:
    # A planned heal has its place in the budget before it is called; the pod's own is the one that is asked about.
    query = sa.select(Heal.called_at, Heal.triggered_at, Heal.cost, Heal.action).where(
        Heal.tenant_id == tenant_id,
        Heal.triggered_at > now - _LONGEST_CALL,
        turns.is_spent(now),
        Heal.id != (0 if own is None else own.id),
    )
    return tuple(
        Spent(row.called_at or max(row.triggered_at, now - BUDGET_WITHIN / 2), row.cost, row.action == Action.MIGRATE)
        for row in conn.execute(query.order_by(Heal.triggered_at))
    )


def spent_of(conn: sa.Connection, tenant_id: int, now: datetime) -> tuple[Spent, ...]:
    """Return the heals that count against the tenant's budget now, those that are planned too."""
    return _spent(conn, tenant_id, now, None)


def keep(conn: sa.Connection, g: "Gathered", decided: Decision) -> None:
    """Note what a decision means for the brakes: which breakers hold the pod, and whether it waits for its turn.

    That a pod is chronic is told once, for as long as the same heals make it so.
    """
    breakers.keep_holds(conn, g, decided.gate == Gate.BREAKER)
    if decided.gate == Gate.CHRONIC and not is_shadow(g.facts):
        key = f"pod:{g.pod.pod_id}:chronic:{to_us(decided.until or g.facts.now)}"
        text = f"{g.pod.name}: {decided.reason}"
        told = {"severity": Severity.CRITICAL, "pod_id": g.pod.pod_id, "now": g.facts.now}
        notices.tell(conn, g.pod.tenant_id, NoticeKind.CHRONIC, key, text, **told)
    waits = _waits_for_its_turn(decided) and not is_shadow(g.facts)
    since = (g.facts.episode.opened_at if g.facts.episode else g.facts.now) if waits else None
    if since != g.pod.heal_wanted_since:
        update = sa.update(PodStatus).where(PodStatus.pod_id == g.pod.pod_id)
        conn.execute(update.values(heal_wanted_since=since))


def _waits_for_its_turn(decided: Decision) -> bool:
    if decided.gate == Gate.CONCURRENCY:
        return True
    if decided.gate != Gate.BUDGET:
        return False
    # Who waits for a migration, or for room for a heal that costs two, must keep nobody else waiting.
    asked = decided.asked[-1].answer.inputs
    return bool(asked["used"] >= asked["limit"])


def acknowledge_chronic(conn: sa.Connection, scope: Scope, pod_id: int, note: str) -> None:
    """Let a chronic pod be healed again: only heals from now on count towards the next time. Judged at once, audited.

    Raises Conflict where the pod is not chronic, InputError without a note, NotFound for another tenant's pod.
    """
    tenancy.get_pod(conn, scope, pod_id)
    why = line("note", note, 200)
    podstate.lock_pods(conn, [pod_id])
    now = db_now(conn)
    status = conn.execute(sa.select(PodStatus.chronic_acknowledged_at).where(PodStatus.pod_id == pod_id)).one()
    heals = _recent_heals(conn, pod_id, now)
    if len(counted_heals(heals, status.chronic_acknowledged_at, now)) <= CHRONIC_OVER:
        raise Conflict("the pod is not chronic")
    conn.execute(sa.update(PodStatus).where(PodStatus.pod_id == pod_id).values(chronic_acknowledged_at=now))
    podstate.judge_by(conn, [pod_id], now)
    audit.write(conn, scope, "chronic acknowledged", "pod", pod_id, {"heals": len(heals)}, {"note": why})
    append(conn, [FeedNote(scope.tenant_id, FeedKind.POD, pod_id)])
