"""The last gate: may the policy act by itself, has a person said yes, or would it only act (behaviour §6, modes).

Same rules as in ``gates``: it sees only the facts. That a question is asked, lapses or is answered is stored elsewhere.
"""

from datetime import timedelta

from podhealth.core.answers import Closed, Open, clock_text
from podhealth.core.facts import Approved, Facts
from podhealth.core.ladder import Rung, next_rung
from podhealth.core.words import Action, Gate, Mode

APPROVE_WITHIN = timedelta(minutes=60)
# Closed for a while, these leave a question open: it is still about the same attempt of the same trouble.
LEAVE_APPROVAL_OPEN = frozenset(
    {
        Gate.NODE,
        Gate.BLIND,
        Gate.EVIDENCE,
        Gate.SETTLING,
        Gate.OPEN_HEAL,
        Gate.PROVIDER,
        Gate.CHRONIC,
        Gate.COOLDOWN,
        Gate.BREAKER,
        Gate.BUDGET,
        Gate.CONCURRENCY,
        Gate.MODE,
    }
)


def is_shadow(facts: Facts) -> bool:
    """Return whether the policy only shows what it would do."""
    return facts.policy is not None and facts.policy.effective_mode == Mode.SHADOW


def mode(facts: Facts) -> Open | Closed:
    """Ask, last of all, whether the policy may act by itself."""
    if facts.policy is None or facts.policy.effective_mode == Mode.AUTO:
        return Open({"mode": facts.policy.effective_mode.value if facts.policy else None})
    rung = next_rung(facts.ladder, facts.spent)
    if is_shadow(facts):
        what = plainly(rung)
        nth = f" ({rung.nth} of {rung.of})" if rung and rung.of > 1 else ""
        reason = f"Shadow: would {what} now{nth}. Nothing is done."
        return Closed(reason, f"Would {what}", None, {"mode": Mode.SHADOW.value})
    return _approval(facts, rung)


def _approval(facts: Facts, rung: Rung | None) -> Open | Closed:
    what, inputs = plainly(rung), {"mode": Mode.APPROVE.value}
    said = facts.approved or Approved()
    is_of_this = rung is None or said.attempt == rung.attempt
    if is_of_this and said.by is not None:
        return Open(inputs | {"approvedBy": said.by})
    if is_of_this and said.rejected_by is not None and said.asked_again_at is not None:
        again = said.asked_again_at
        reason = (
            f"{said.rejected_by} said no to {rung or what}. Asked again at {clock_text(again)} UTC if it is still down."
        )
        return Closed(reason[:300], "Rejected", again, inputs | {"rejectedBy": said.rejected_by})
    is_open = is_of_this and said.wanted_until is not None and said.wanted_until > facts.now
    until = said.wanted_until if is_open and said.wanted_until else facts.now + APPROVE_WITHIN
    nth = f" ({rung.nth} of {rung.of})" if rung and rung.of > 1 else ""
    reason = f"Wants to {what}{nth}. Approve until {clock_text(until)} UTC, else nothing is done."
    return Closed(reason, f"Wants to {what}", until, inputs)


def plainly(rung: Rung | None) -> str:
    """Return what a rung does, as a verb."""
    if rung is None:
        return "act"
    return "tell people" if rung.step.action == Action.NOTIFY_ONLY else rung.step.action.value
