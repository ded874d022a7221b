"""What a policy's heals came to: how many helped, how many did not last, and how long people were without the pod.

Pure counting over what happened; where it was read from is unknown here. Times are those of the database.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from podhealth.core.episode import RELAPSE_WITHIN
from podhealth.core.fleet_gates import CHRONIC_OVER, CHRONIC_WITHIN
from podhealth.core.words import Action, HealState

_HELPED_NOT = (HealState.FAILED, HealState.TIMED_OUT)
_NOTHING_DONE = (HealState.CANCELLED, HealState.SKIPPED)


class Happened(NamedTuple):
    """One heal, and what came before and after it on its pod.

    ``bad_since``: first fail of the run that triggered it. ``healthy_at``: when the pod was healthy again.
    ``next_trouble_at``: the pod's next episode or heal after this one's end. Each null where there was none.
    """

    pod_id: int
    action: Action
    state: HealState
    triggered_at: datetime
    completed_at: datetime | None
    bad_since: datetime | None = None
    healthy_at: datetime | None = None
    next_trouble_at: datetime | None = None


class ActionEffect(NamedTuple):
    """What one action came to. Rates are 0 to 1; they and ``mttr`` are null where nothing can be said."""

    action: Action
    heals: int
    succeeded: int
    failed: int
    open: int
    relapsed: int
    success_rate: float | None
    relapse_rate: float | None
    mttr: timedelta | None


class Effect(NamedTuple):
    """What a policy came to: each of its actions, all that did something together, and its chronic pods."""

    actions: tuple[ActionEffect, ...]
    total: ActionEffect | None
    chronic_pods: tuple[int, ...]


def effect(heals: Iterable[Happened]) -> Effect:
    """Return what these heals of one policy came to (behaviour §6, Effect).

    Cancelled and skipped heals did nothing and count nowhere. ``notify_only`` is counted, and is in neither rate nor
    MTTR. ``total`` leaves it out, and is null where no other heal was made.
    """
    counted = [heal for heal in heals if heal.state not in _NOTHING_DONE]
    by_action: dict[Action, list[Happened]] = defaultdict(list)
    for heal in counted:
        by_action[heal.action].append(heal)
    doing = [heal for heal in counted if heal.action != Action.NOTIFY_ONLY]
    actions = tuple(_of(action, by_action[action]) for action in Action if by_action[action])
    total = _of(doing[0].action, doing) if doing else None
    return Effect(actions, total, _chronic(doing))


def percent_text(rate: float) -> str:
    """Return a rate of 0 to 1 in whole percent, cut down, so that nothing short of all reads as all."""
    return f"{math.floor(100 * rate + 1e-9)} %"


def _of(action: Action, heals: Sequence[Happened]) -> ActionEffect:
    helped = [heal for heal in heals if heal.state == HealState.SUCCEEDED]
    failed = sum(heal.state in _HELPED_NOT for heal in heals)
    is_open = len(heals) - len(helped) - failed
    if action == Action.NOTIFY_ONLY:
        return ActionEffect(action, len(heals), len(helped), failed, is_open, 0, None, None, None)
    relapsed = sum(_did_not_last(heal) for heal in helped)
    downs = [down for down in map(_down_for, helped) if down is not None]
    return ActionEffect(
        action,
        len(heals),
        len(helped),
        failed,
        is_open,
        relapsed,
        len(helped) / (len(helped) + failed) if helped or failed else None,
        relapsed / len(helped) if helped else None,
        sum(downs, timedelta()) / len(downs) if downs else None,
    )


def _did_not_last(heal: Happened) -> bool:
    if heal.completed_at is None or heal.next_trouble_at is None:
        return False
    return heal.next_trouble_at - heal.completed_at < RELAPSE_WITHIN


def _down_for(heal: Happened) -> timedelta | None:
    if heal.bad_since is None or heal.action == Action.STOP:
        return None  # asked for by somebody, of a pod that was not ill; or not meant to bring the pod back
    # Without a stored change to healthy (the pod's other checks are still ill) the proof of the heal stands for it.
    ends = [at for at in (heal.healthy_at, heal.completed_at) if at is not None]
    return max(timedelta(), min(ends) - heal.bad_since) if ends else None


def _chronic(heals: Iterable[Happened]) -> tuple[int, ...]:
    times: dict[int, list[datetime]] = defaultdict(list)
    for heal in heals:
        times[heal.pod_id].append(heal.triggered_at)
    return tuple(sorted(pod_id for pod_id, at in times.items() if _is_chronic(sorted(at))))


def _is_chronic(at: Sequence[datetime]) -> bool:
    return any(last - first < CHRONIC_WITHIN for first, last in zip(at, at[CHRONIC_OVER:], strict=False))
