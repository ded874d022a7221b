"""A pod in hand is stopped, put into maintenance, cut off with its node, or comes back: what each does to it.

Each settles the pod; where it is kept is unknown here.
"""

from dataclasses import replace

from podhealth.core import settle
from podhealth.core.in_hand import PodInHand


def stop(pod: PodInHand, now: int, reason: str | None) -> None:
    """Take in that the pod is not wanted running: it is not probed any more."""
    pod.stopped_since = pod.stopped_since or now
    pod.stopped_reason = reason
    settle.end_starting(pod)
    settle.show_phase(pod, now)
    settle.reset(pod, now, reason or "stopped")
    pod.is_changed = True
    settle.settle(pod, now, reason)


def want_running(pod: PodInHand, now: int, reason: str | None) -> None:
    """Take in that the pod is wanted running; where it was not, that counts as a start."""
    if pod.stopped_since is not None:
        pod.stopped_since = pod.stopped_reason = None
        settle.start(pod, now, None, reason or "wanted running", own_heal=True)
    pod.is_changed = True
    settle.settle(pod, now, reason)


def begin_maintenance(pod: PodInHand, now: int, until: int, reason: str) -> None:
    """Put the pod into maintenance until then, or prolong it."""
    since = pod.maintenance_since if pod.maintenance_since is not None else now
    phases = replace(settle.phases_of(pod), maintenance_since=since, maintenance_until=until, maintenance_reason=reason)
    settle.set_phases(pod, phases)
    settle.settle(pod, now)


def end_maintenance(pod: PodInHand, now: int) -> None:
    """End the pod's maintenance: its checks are reset and it is starting (behaviour §4, Reset)."""
    settle.end_maintenance(pod, now)
    settle.settle(pod, now)


def set_unreachable(pod: PodInHand, now: int, reason: str | None) -> None:
    """Mark the pod unreachable because its node is down; ``reason`` null ends it, and the pod is starting."""
    if reason is not None:
        pod.unreachable_since = pod.unreachable_since or now
        pod.unreachable_reason = reason
        pod.is_changed = True
    elif pod.unreachable_since is not None:
        pod.unreachable_since = pod.unreachable_reason = None
        settle.start(pod, now, None, "reachable again", own_heal=True)
    settle.settle(pod, now)
