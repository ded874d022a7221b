"""What the policy pages say of what a policy came to: numbers in words. Nothing is counted here."""

from dataclasses import dataclass

from podhealth.core.effect import ActionEffect, percent_text
from podhealth.core.told import length_in_words
from podhealth.core.words import Action
from podhealth.store.effect import PolicyEffect

_US = 1_000_000
_DASH = "–"


@dataclass(frozen=True, slots=True)
class EffectLine:
    """One action, in words; a dash where nothing can be said."""

    action: Action
    heals: str
    success: str
    relapse: str
    mttr: str


@dataclass(frozen=True, slots=True)
class PolicyEffectView:
    """What a policy came to in 30 days: a line an action, its chronic pods, and how often shadow would have acted."""

    lines: tuple[EffectLine, ...]
    chronic: tuple[str, ...]
    shadow: int


def effect_view(found: PolicyEffect) -> PolicyEffectView:
    """Return the view of a policy's effect."""
    return PolicyEffectView(tuple(_line(one) for one in found.effect.actions), found.chronic, found.shadow)


def _line(one: ActionEffect) -> EffectLine:
    parts = [f"{one.heals:,}"] + ([f"{one.open:,} open"] if one.open else [])
    return EffectLine(
        one.action,
        ", ".join(parts),
        _rate(one.success_rate, one.succeeded, one.succeeded + one.failed),
        _rate(one.relapse_rate, one.relapsed, one.succeeded),
        _DASH if one.mttr is None else length_in_words(int(one.mttr.total_seconds() * _US)),
    )


def _rate(rate: float | None, part: int, of: int) -> str:
    return _DASH if rate is None else f"{percent_text(rate)} ({part:,} of {of:,})"
