"""How nodes and vantages of a scenario become unreachable or blind, and come back.

What follows of it for a pod stands in core/set_phase; the world's truth is set by ``happenings``.
"""

from podhealth.core import set_phase, settle
from podhealth.core.words import IncidentCause, NoticeKind, Phase, Status
from podhealth.simulator.engine import Run
from podhealth.simulator.fleet import SimPod
from podhealth.simulator.lengths import US
from podhealth.simulator.scenario import NodeDies

ASK_NODES_EVERY_US = 30 * US
_AT_LEAST_PODS, _AT_LEAST_VIEWS = 3, 2


def node_dies(run: Run, fault: NodeDies, now: int) -> None:
    """Let a node die; the healer finds out by asking its provider, and by its pods."""
    run.world.node_down(fault.node, fault.provider_says, now)
    run.later(now + ASK_NODES_EVERY_US, lambda at: _ask_node(run, fault.node, at))


def _ask_node(run: Run, node: str, now: int) -> None:
    says = run.world.down_nodes.get(node)
    if says is None or node in run.places.unreachable:
        return
    pods = [p for p in run.pods if p.machine.node == node]
    if says == "down" or _all_fail(pods):
        reason = "the provider says that it is down" if says == "down" else "its provider and its pods do not answer"
        run.places.unreachable[node] = (now, reason)
        _tell_node(run, node, pods, now, ends=False)
        for pod in pods:
            set_phase.set_unreachable(pod.hand, now, f"node {node}: {reason}")
            run.healer.judge_soon(pod, now)
    else:
        run.later(now + ASK_NODES_EVERY_US, lambda at: _ask_node(run, node, at))


def _all_fail(pods: list[SimPod]) -> bool:
    seen = [p for p in pods if p.hand.phase == Phase.MONITORED]
    views = {p.tenant for p in seen}, {c.kind for p in seen for c in p.hand.checks}
    if len(seen) < _AT_LEAST_PODS or max(map(len, views)) < _AT_LEAST_VIEWS:
        return False
    return all(p.hand.status == Status.UNHEALTHY for p in seen)


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
    vantage = run.places.vantages[name]
    if run.world.sees(name):
        return
    vantage.cut_since = now
    blind_at = vantage.blind_from()
    if blind_at is not None:
        run.later(blind_at, lambda at: _goes_blind(run, name, at))


def _goes_blind(run: Run, name: str, now: int) -> None:
    vantage = run.places.vantages[name]
    if vantage.cut_since is None:
        return
    vantage.blind_since = now
    _tell_vantage(run, name, now, ends=False)
    for pod in _seen_from(run, name):
        if pod.hand.has_open or pod.hand.status == Status.UNHEALTHY:
            run.healer.judge_soon(pod, now)


def cut_ends(run: Run, name: str, nodes: frozenset[str], now: int) -> None:
    """Let a vantage have its network back; what it saw while blind does not count."""
    run.world.cut[name].remove(nodes)
    vantage = run.places.vantages[name]
    if not run.world.sees(name):
        return
    was_blind, vantage.cut_since, vantage.blind_since = vantage.blind_since is not None, None, None
    if not was_blind:
        return
    for pod in _seen_from(run, name):
        settle.reset(pod.hand, now, "the vantage sees again")
        settle.settle(pod.hand, now, "the vantage sees again")
        run.healer.judge_soon(pod, now)
    _tell_vantage(run, name, now, ends=True)


def _seen_from(run: Run, vantage: str) -> list[SimPod]:
    return [pod for pod in run.pods if pod.vantage == vantage]


def _tell_vantage(run: Run, name: str, now: int, *, ends: bool) -> None:
    kind = NoticeKind.VANTAGE_BACK if ends else NoticeKind.VANTAGE_BLIND
    tenants = {p.tenant for p in _seen_from(run, name)}
    run.telling.cause(IncidentCause.VANTAGE, f"{IncidentCause.VANTAGE.value}:{name}", tenants, kind, now, ends=ends)
