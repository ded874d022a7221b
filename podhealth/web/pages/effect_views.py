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
class PolicyEffectView:
    """What a policy came to in 30 days: a line an action, its chronic pods, and how often shadow would have acted."""

    lines: tuple[EffectLine, ...]
    chronic: tuple[str, ...]
    shadow: int


@dataclass(frozen=True, slots=True)
class Figures:
    """The same in a row of a list. ``shadow``: how often it would have acted, in words; empty where never."""

    heals: str
    success: str
    relapse: str
    chronic: str
    shadow: str = ""

    @property
    def is_none(self) -> bool:
        """Whether nothing happened."""
        return self.heals == _DASH and not self.shadow


@dataclass(frozen=True, slots=True)
class PolicyFigures:
    """The same in one line above a policy's pages, with how many pods it governs."""

    policy_id: int
    pods: str
    figures: Figures


def effect_view(found: PolicyEffect) -> PolicyEffectView:
    """Return the view of a policy's effect."""
    return PolicyEffectView(tuple(_line(one) for one in found.effect.actions), found.chronic, found.shadow)


def figures_view(policy_id: int, pods: int, found: PolicyEffect) -> PolicyFigures:
    """Return the line above a policy's pages."""
    return PolicyFigures(policy_id, f"{pods:,} pod{'' if pods == 1 else 's'}", figures(found))


def figures(found: PolicyEffect) -> Figures:
    """Return the effect in a row: heals of 30 days, how many helped and did not last, and its chronic pods."""
    total = found.effect.total
    chronic = ", ".join(found.chronic) or _DASH
    shadow = f"{found.shadow:,} in shadow" if found.shadow else ""
    if total is None:
        return Figures(_DASH, _DASH, _DASH, chronic, shadow)
    success = _DASH if total.success_rate is None else _percent(total.success_rate)
    relapse = _DASH if total.relapse_rate is None else _percent(total.relapse_rate)
    return Figures(f"{total.heals:,}", success, relapse, chronic, shadow)


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
