"""What the policy pages say of what a policy came to: numbers in words. Nothing is counted here."""

import math
from dataclasses import dataclass

from podhealth.core.effect import ActionEffect
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
class EffectView:
    """What a policy came to in 30 days: a line an action, its chronic pods, and how often shadow would have acted."""

    lines: tuple[EffectLine, ...]
    chronic: tuple[str, ...]
    shadow: int


def effect_view(found: PolicyEffect) -> EffectView:
    """Return the view of a policy's effect."""
    return EffectView(tuple(_line(one) for one in found.effect.actions), found.chronic, found.shadow)


def in_short(found: PolicyEffect) -> str:
    """Return the effect in a few words, such as ``41, 91 % helped``; a dash where nothing was done."""
    total = found.effect.total
    if total is None:
        return f"{found.shadow:,} in shadow" if found.shadow else _DASH
    helped = "" if total.success_rate is None else f", {_percent(total.success_rate)} helped"
    return f"{total.heals:,}{helped}"


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
    return _DASH if rate is None else f"{_percent(rate)} ({part:,} of {of:,})"


def _percent(rate: float) -> str:
    # Down, so that nothing short of all reads as all.
    return f"{math.floor(100 * rate + 1e-9)} %"
