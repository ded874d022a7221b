"""The gates that look beyond the one pod: its node, its vantage, and the brakes of the fleet (behaviour §6).

Same rules as in ``gates``: each sees only the facts, none acts.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from podhealth.core.answers import Closed, Open, clock_text
from podhealth.core.facts import BreakerFacts, Facts
from podhealth.core.ladder import next_rung
from podhealth.core.words import Action, BreakerScope, BreakerState

CHRONIC_OVER = 5
CHRONIC_WITHIN = timedelta(hours=24)
BUDGET_WITHIN = timedelta(hours=1)


def node(facts: Facts) -> Open | Closed:
    """Ask whether the pod's node is reachable: nothing done to a guest brings its host back."""
    if facts.node is None:
        return Open()
    name, since = facts.node.name, clock_text(facts.node.since)
    reason = f"Node {name} has been unreachable since {since} UTC: {facts.node.reason}"[:300]
    inputs = {"node": name, "since": facts.node.since}
    return Closed(reason, f"Node {name} unreachable", None, inputs)


def blind(facts: Facts) -> Open | Closed:
    """Ask whether the vantage that sees the trouble can trust its own network."""
    if facts.blind is None:
        return Open()
    since = clock_text(facts.blind.since)
    reason = f"Vantage {facts.blind.vantage} has been blind since {since} UTC: {facts.blind.reason}"[:300]
    inputs = {"vantage": facts.blind.vantage, "since": facts.blind.since}
    return Closed(reason, f"Vantage {facts.blind.vantage} is blind", None, inputs)


def chronic(facts: Facts) -> Open | Closed:
    """Ask whether the pod is healed again and again: what comes back so often wants a person."""
    counted = counted_heals(facts.recent_heals, facts.chronic_acknowledged_at, facts.now)
    inputs = {"heals": len(counted)}
    if len(counted) <= CHRONIC_OVER or _only_tells(facts):
        return Open(inputs)
    until = counted[-(CHRONIC_OVER + 1)] + CHRONIC_WITHIN
    reason = (
        f"Healed more than {CHRONIC_OVER} times in 24 h: something else is wrong. "
        f"Nothing more until somebody acknowledges it, or until {clock_text(until)} UTC."
    )
    return Closed(reason, "Chronic", until, inputs)


def counted_heals(heals: Iterable[datetime], acknowledged_at: datetime | None, now: datetime) -> list[datetime]:
    """Return those of a pod's heals that count towards chronic: of the last 24 h, and after an acknowledgement."""
    return [at for at in heals if now - at < CHRONIC_WITHIN and (acknowledged_at is None or at > acknowledged_at)]


def breaker(facts: Facts) -> Open | Closed:
    """Ask whether so many pods are ill at once that healing them one by one would do harm."""
    inputs: dict[str, Any] = {"breakers": [_as_json(one) for one in facts.breakers]}
    if _only_tells(facts):
        return Open(inputs)
    closed = holding_breakers(facts)
    if not closed:
        return Open(inputs)
    first = closed[0]
    where = {BreakerScope.TENANT: "of", BreakerScope.NODE: "on node", BreakerScope.VANTAGE: "seen from vantage"}
    many = f"Too many pods {where[first.scope]} {first.scope_name} fell ill at once"
    same = f"breaker {first.scope} {first.scope_name} {first.state}"
    if first.state == BreakerState.HALF_OPEN:
        reason = f"{many}. One heal at a time is tried, the oldest trouble first; this pod waits for its turn."
        return Closed(reason[:300], "Breaker half-open", first.trial_at, inputs, same)
    reason = f"{many} (more than {first.limit}): all heals wait since {clock_text(first.opened_at)} UTC."
    return Closed(reason[:300], "Breaker open", None, inputs, same)


def holding_breakers(facts: Facts) -> list[BreakerFacts]:
    """Return the breakers that hold the pod, the first of them being the one that is told."""
    return [one for one in facts.breakers if _holds(one, facts)]


def _holds(one: BreakerFacts, facts: Facts) -> bool:
    if one.state == BreakerState.CLOSED or one.is_next:
        return False
    return one.override_until is None or one.override_until <= facts.now


def _as_json(one: BreakerFacts) -> dict[str, Any]:
    return {"scope": one.scope.value, "name": one.scope_name, "state": one.state.value, "limit": one.limit}


def budget(facts: Facts) -> Open | Closed:
    """Ask whether the tenant has heals left in this sliding hour."""
    spent = [one for one in facts.spent_by_tenant if facts.now - one.at < BUDGET_WITHIN]
    used = sum(one.cost for one in spent)
    inputs = {"used": used, "cost": facts.heal_cost, "limit": facts.limits.heals_an_hour}
    if _only_tells(facts):
        return Open(inputs)
    over = used + facts.heal_cost - facts.limits.heals_an_hour
    if over > 0:
        until = _free_at([(one.at, one.cost) for one in spent], over)
        most = facts.limits.heals_an_hour
        reason = f"The tenant's budget of {most} heals an hour is used up until {clock_text(until)} UTC."
        return Closed(reason, f"Budget used until {clock_text(until)}", until, inputs)
    moved = [(one.at, 1) for one in spent if one.is_migration]
    over = len(moved) + 1 - facts.limits.migrations_an_hour
    if _next_action(facts) == Action.MIGRATE and over > 0:
        until = _free_at(moved, over)
        most = facts.limits.migrations_an_hour
        times = "One migration" if most == 1 else f"{most} migrations"
        reason = f"{times} an hour for each tenant: the next one not before {clock_text(until)} UTC."
        return Closed(reason, f"Migration not before {clock_text(until)}", until, inputs | {"migrations": len(moved)})
    return Open(inputs)


def _free_at(spent: list[tuple[Any, int]], over: int) -> Any:
    for at, cost in sorted(spent):
        over -= cost
        if over <= 0:
            return at + BUDGET_WITHIN
    return max(at for at, _ in spent) + BUDGET_WITHIN


def concurrency(facts: Facts) -> Open | Closed:
    """Ask whether it is the pod's turn: one heal at a time on a node, few at a time in a tenant, the fair order."""
    turn = facts.turn
    if turn is None or _only_tells(facts):
        return Open()
    inputs = {"open": turn.open_in_tenant, "most": turn.most_in_tenant, "before": turn.before}
    if turn.node_taken_by is not None:
        reason = f"{turn.node_taken_by} on the same node is being healed; one at a time."
        return Closed(reason, "Waits for its node", None, inputs, "concurrency node")
    if turn.open_in_tenant >= turn.most_in_tenant:
        times = "1 heal" if turn.most_in_tenant == 1 else f"{turn.most_in_tenant} heals"
        reason = f"The tenant has {times} under way, as many as its number of pods allows at a time."
        return Closed(reason, "Waits for its turn", None, inputs, "concurrency tenant")
    if turn.before is not None:
        reason = f"{turn.before} comes first: it was healed less often, or has waited longer."
        return Closed(reason, "Waits for its turn", None, inputs, "concurrency turn")
    return Open(inputs)


def _next_action(facts: Facts) -> Action | None:
    rung = next_rung(facts.ladder, facts.spent)
    return None if rung is None else rung.step.action


def _only_tells(facts: Facts) -> bool:
    return _next_action(facts) == Action.NOTIFY_ONLY
