"""The gate of the trigger: has a check that heals failed often enough, and if not, what is missing?

Told in the words of the pod's page; what starts an episode is ``episode.triggering``.
"""

from typing import Any

from podhealth.core.answers import Closed, Open, clock_text
from podhealth.core.episode import makes_unhealthy, trigger_level, triggering
from podhealth.core.facts import CheckFacts, Facts
from podhealth.core.words import Outcome, Status


def trigger(facts: Facts) -> Open | Closed:
    """Ask whether a check that heals has failed often enough to start, or go on with, healing."""
    after = facts.policy.trigger_after_failures if facts.policy else 1
    known = facts.episode.trigger_ids if facts.episode else frozenset()
    found = triggering(facts.checks, after, known)
    if facts.status == Status.UNHEALTHY and found:
        first = found[0]
        return Open({"check": first.name, "failures": first.failures, "needed": trigger_level(first, after)})
    sick = [c for c in facts.checks if makes_unhealthy(c)]
    if sick:
        return _not_triggering(sick, after, known)
    failing = [c for c in facts.checks if c.is_enabled and c.failures > 0]
    if failing:
        return _too_few(max(failing, key=lambda c: (c.failures, -c.check_id)), after)
    return _calm(facts)


def _calm(facts: Facts) -> Closed:
    if facts.status == Status.UNKNOWN:
        return Closed("There is no fresh result to judge by.", "No fresh result", None, {}, "unknown")
    closes_at = facts.episode.closes_at if facts.episode else None
    end = f" The episode ends at {clock_text(closes_at)} UTC if it stays so." if closes_at else ""
    card = f"Watching until {clock_text(closes_at)}" if closes_at else "Watching"
    return Closed(f"Nothing fails just now.{end}", card, closes_at, {"status": facts.status.value}, "calm")


def _not_triggering(sick: list[CheckFacts], after: int, known: frozenset[int]) -> Closed:
    healing = [c for c in sick if c.heal]
    inputs: dict[str, Any] = {"checks": [c.name for c in sick]}
    if not healing:
        names = ", ".join(c.name for c in sick)
        return Closed(f"Unhealthy because of {names}, which is set not to heal.", "Set not to heal", None, inputs)
    few = [c for c in healing if c.failures < trigger_level(c, after)]
    if few:
        return _too_few(max(few, key=lambda c: (c.failures, -c.check_id)), after)
    check = healing[0]
    if check.last_outcome != Outcome.FAIL:
        reason = f"The newest result of {check.name} is no failure; the next one decides."
        return Closed(reason, "Waits for the next probe", None, inputs)
    kind = check.last_class.value if check.last_class else "unknown"
    reason = f"{check.name} fails by its {kind}, which a heal of the pod cannot mend."
    return Closed(reason, f"Not healed: {kind}", None, inputs | {"class": kind})


def _too_few(check: CheckFacts, after: int) -> Closed:
    # No count in the texts: one decision stands for all failures up to the level, and must stay true meanwhile.
    needed = trigger_level(check, after)
    level = f"{needed} failures in a row" if needed > 1 else "1 failure"
    reason = f"{check.name} fails; healing starts at {level}."
    inputs = {"check": check.name, "failures": check.failures, "needed": needed}
    return Closed(reason, f"Heals at {level}", None, inputs, same_as=f"too few failures of {check.check_id}")
