"""How nodes and vantages of a scenario become unreachable or blind, and come back.

What follows of it for a pod stands in core/set_phase; the world's truth is set by ``happenings``.
"""

from podhealth.core import set_phase, settle
from podhealth.core.places import (
    FAILS_OF_A_NODE,
    NodeSight,
    PodSight,
    Share,
    why_blind,
    why_blind_by_pods,
    why_unreachable,
)
from podhealth.core.words import IncidentCause, NoticeKind, Phase, Severity
from podhealth.simulator.engine import Run
from podhealth.simulator.faults import NodeDies
from podhealth.simulator.fleet import SimPod, moment
from podhealth.simulator.lengths import US
from podhealth.simulator.places import REFERENCE_EVERY_US, SimVantage

ASK_NODES_EVERY_US = 10 * US  # as often as the check running asks


def node_dies(run: Run, fault: NodeDies, now: int) -> None:
    """Let a node die; the healer finds out by asking its provider, and by its pods."""
    run.world.node_down(fault.node, fault.provider_says, now)
    run.later(now + ASK_NODES_EVERY_US, lambda at: _ask_node(run, fault.node, at))


def _ask_node(run: Run, node: str, now: int) -> None:
    says = run.world.down_nodes.get(node)
    if says is None or node in run.places.unreachable:
        return
    pods = [p for p in run.pods if p.machine.node == node]
    reason = why_unreachable(_node_sight(run, pods, says, now), moment(now))
    if reason is None:
        run.later(now + ASK_NODES_EVERY_US, lambda at: _ask_node(run, node, at))
        return
    run.places.unreachable[node] = (now, reason)
    _tell_node(run, node, pods, now, ends=False)
    for pod in pods:
        set_phase.set_unreachable(pod.hand, now, f"node {node}: {reason}")
        run.healer.judge_soon(pod, now)


def _node_sight(run: Run, pods: list[SimPod], says: str, now: int) -> NodeSight:
    sights = [_pod_sight(run, pod, now) for pod in pods if pod.hand.phase == Phase.MONITORED]
    at = moment(now)
    return NodeSight(at if says == "down" else None, None, at if says == "nothing" else None, sights)


def _pod_sight(run: Run, pod: SimPod, now: int) -> PodSight:
    able = [c for c in pod.hand.checks if c.enabled and c.severity == Severity.CRITICAL]
    enough = [c for c in able if c.failures >= min(FAILS_OF_A_NODE, c.failure_threshold) and c.last_class == "down"]
    runs = [c.bad_since for c in enough if c.bad_since is not None]
    answers = [c.last_at for c in able if c.last_outcome in ("ok", "slow") and c.last_at is not None]
    vantage = run.places.vantages[pod.vantage]
    return PodSight(
        tenant_id=pod.hand.tenant_id,
        kinds=frozenset(c.kind for c in enough),
        bad_since=moment(min(runs)) if runs else None,
        answered_at=moment(max(answers)) if answers else None,
        is_vantage_blind=vantage.blind_since is not None,
        has_references=bool(vantage.references),
        trusted_since=moment(vantage.good_begun_at(now)) if vantage.references else None,
    )


def node_returns(run: Run, fault: NodeDies, now: int) -> None:
    """Let a node come back; its machines boot, and its pods are starting."""
    run.world.node_up(fault.node, now)
    run.later(now + ASK_NODES_EVERY_US, lambda at: _node_is_back(run, fault.node, at))


def _node_is_back(run: Run, node: str, now: int) -> None:
    if node not in run.places.unreachable or node in run.world.down_nodes:
        return
    del run.places.unreachable[node]
    pods = [p for p in run.pods if p.machine.node == node]
    for pod in pods:
        set_phase.set_unreachable(pod.hand, now, None)
        run.healer.judge_soon(pod, now)
    _tell_node(run, node, pods, now, ends=True)


def _tell_node(run: Run, node: str, pods: list[SimPod], now: int, *, ends: bool) -> None:
    key = f"{IncidentCause.NODE.value}:{run.world.nodes.index(node) + 1}"
    kind = NoticeKind.NODE_BACK if ends else NoticeKind.NODE_UNREACHABLE
    run.telling.cause(IncidentCause.NODE, key, {p.tenant for p in pods}, kind, now, ends=ends)


def cut_begins(run: Run, name: str, nodes: frozenset[str], now: int) -> None:
    """Let a vantage lose its network, or the way to some nodes."""
    run.world.cut.setdefault(name, []).append(nodes)
    if not run.world.sees(name):
        run.places.vantages[name].cut_since = now
        _look(run, name, now)


def _look(run: Run, name: str, now: int) -> None:
    vantage = run.places.vantages[name]
    if vantage.cut_since is None or vantage.blind_since is not None:
        return
    if _why_blind(run, vantage, now) is None:
        run.later(now + US, lambda at: _look(run, name, at))
        return
    vantage.blind_since = now
    _tell_vantage(run, name, now, ends=False)
    good = vantage.good_begun_at(now)
    for pod in _seen_from(run, name):
        # What was counted after the last good reference may have been the vantage's own trouble.
        for check in pod.hand.checks:
            if check.failures > 0 and (check.last_begun_at or 0) > good:
                settle.reset(pod.hand, now, f"vantage {name} is blind", check.check_id)
        settle.settle(pod.hand, now, f"vantage {name} is blind")
        if pod.hand.has_open:
            run.healer.judge_soon(pod, now)
        run.keep(pod, now)


def _why_blind(run: Run, vantage: SimVantage, now: int) -> str | None:
    if vantage.references:
        return why_blind(vantage.sights(now), moment(now))
    shares: dict[tuple[int, str], list[int]] = {}
    for pod in _seen_from(run, vantage.name):
        if pod.hand.phase == Phase.MONITORED and pod.machine.node is not None:
            share = shares.setdefault((pod.hand.tenant_id, pod.machine.node), [0, 0])
            share[0] += 1
            share[1] += any(c.failures > 0 for c in pod.hand.checks)
    nodes = run.world.nodes
    return why_blind_by_pods(Share(t, nodes.index(n) + 1, pods, bad) for (t, n), (pods, bad) in shares.items())


def cut_ends(run: Run, name: str, nodes: frozenset[str], now: int) -> None:
    """Let a vantage have its network back; what it saw while blind does not count."""
    run.world.cut[name].remove(nodes)
    vantage = run.places.vantages[name]
    if not run.world.sees(name):
        return
    vantage.cut_since = None
    if vantage.blind_since is not None:
        run.later(now + REFERENCE_EVERY_US, lambda at: _sees_again(run, vantage, at))


def _sees_again(run: Run, vantage: SimVantage, now: int) -> None:
    if vantage.cut_since is not None:
        return
    vantage.blind_since = None
    for pod in _seen_from(run, vantage.name):
        settle.reset(pod.hand, now, f"vantage {vantage.name} sees again")
        settle.settle(pod.hand, now, f"vantage {vantage.name} sees again")
        run.healer.judge_soon(pod, now)
    _tell_vantage(run, vantage.name, now, ends=True)


def _seen_from(run: Run, vantage: str) -> list[SimPod]:
    return [pod for pod in run.pods if pod.vantage == vantage]


def _tell_vantage(run: Run, name: str, now: int, *, ends: bool) -> None:
    kind = NoticeKind.VANTAGE_BACK if ends else NoticeKind.VANTAGE_BLIND
    tenants = {p.tenant for p in _seen_from(run, name)}
    run.telling.cause(IncidentCause.VANTAGE, f"{IncidentCause.VANTAGE.value}:{name}", tenants, kind, now, ends=ends)
