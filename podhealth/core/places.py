"""Whether the places around pods can be trusted: is a node unreachable, is a vantage blind, and are they back?

Only sightings are weighed (behaviour §6, Node and vantage); who collects them, and what follows, is unknown here.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

# What a provider said of a node counts for so long.
SAID_FOR = timedelta(seconds=60)
FEWEST_PODS = 3
FEWEST_OTHERS = 2  # tenants, or kinds of checks: one tenant's own mistake is not a dead node
FAILS_OF_A_NODE = 2

FEWEST_REFERENCES, MOST_REFERENCES = 2, 10
FAILS_OF_A_REFERENCE = 2
REFERENCE_EVERY_S = 5.0
REFERENCE_TIMEOUT_S = 2.0
# A reference that nobody has asked for so long says nothing about now.
REFERENCE_COUNTS_FOR = timedelta(seconds=30)

FEWEST_SCOPES = 3  # tenants, and nodes, with at least so many pods each
BLIND_ABOVE = 0.8
PROBED_AT_LEAST = 0.5


@dataclass(frozen=True, slots=True)
class PodSight:
    """A monitored pod as its critical checks see it.

    ``kinds``: of the checks that fail, by class down and at least twice in a row (once, where one fail suffices).
    ``bad_since``: the first fail of the oldest of these runs. ``answered_at``: when it last answered any probe.
    ``trusted_since``: the vantage of these checks was proven to see by a reference probe begun then; null where it
    has no references and nothing speaks against it.
    """

    tenant_id: int
    kinds: frozenset[str]
    bad_since: datetime | None
    answered_at: datetime | None = None
    is_vantage_blind: bool = False
    has_references: bool = False
    trusted_since: datetime | None = None

    @property
    def is_silent(self) -> bool:
        """Whether the pod fails, nothing of it has answered since, and the prober was not the trouble."""
        if self.bad_since is None or self.is_vantage_blind:
            return False
        if self.answered_at is not None and self.answered_at >= self.bad_since:
            return False
        if not self.has_references:
            return True
        return self.trusted_since is not None and self.trusted_since > self.bad_since


@dataclass(frozen=True, slots=True)
class NodeSight:
    """What is known of a node: what providers said of it, when one last gave no answer, and its monitored pods."""

    said_down_at: datetime | None = None
    said_up_at: datetime | None = None
    refused_at: datetime | None = None
    pods: Sequence[PodSight] = ()


def why_unreachable(node: NodeSight, now: datetime) -> str | None:
    """Return why a node counts as unreachable, as a clause; null where it does not.

    Each tenant with pods on it is told so: how many others have there is nobody's business.
    """
    if _is_said_down(node, now):
        return "its provider says that it is down"
    if provider_answers(node, now) or len(node.pods) < FEWEST_PODS or not all(p.is_silent for p in node.pods):
        return None
    kinds = frozenset().union(*(pod.kinds for pod in node.pods))
    tenants = {pod.tenant_id for pod in node.pods}
    if len(tenants) < FEWEST_OTHERS and len(kinds) < FEWEST_OTHERS:
        return None
    return "its provider does not answer and all pods on it fail"


def _is_said_down(node: NodeSight, now: datetime) -> bool:
    return node.said_down_at is not None and now - node.said_down_at < SAID_FOR


def provider_answers(node: NodeSight, now: datetime) -> bool:
    """Return whether a provider has said of late that the node is up, and none has failed to answer since."""
    if node.said_up_at is None or now - node.said_up_at >= SAID_FOR:
        return False
    return node.refused_at is None or node.refused_at <= node.said_up_at


def is_node_back(node: NodeSight, answered_at: datetime | None, since: datetime, now: datetime) -> bool:
    """Return whether a node that has been unreachable ``since`` then is back.

    Its provider has said so, or a pod on it has answered a probe (``answered_at``); but not while a provider says that
    it is down. A node of which nobody says anything stays as it is.
    """
    if _is_said_down(node, now):
        return False
    said_up = node.said_up_at is not None and node.said_up_at > max(since, node.said_down_at or since)
    return said_up or (answered_at is not None and answered_at > since)


@dataclass(frozen=True, slots=True)
class ReferenceSight:
    """How one reference target answered last. ``fails``: in a row."""

    target: str
    begun_at: datetime | None
    good_begun_at: datetime | None
    fails: int


def has_references(references: Sequence[ReferenceSight]) -> bool:
    """Return whether there are enough reference targets to judge a vantage by."""
    return len(references) >= FEWEST_REFERENCES


def why_blind(references: Sequence[ReferenceSight], now: datetime) -> str | None:
    """Return why a vantage is blind by its references, as a clause; null where any of them answers, or none is asked.

    Every one of them must have failed twice in a row, and of late. Which they are is not told: all tenants that are
    seen from there read this, and some targets are nodes of others.
    """
    if not has_references(references) or not all(_has_failed(one, now) for one in references):
        return None
    return "none of its reference targets answers"


def _has_failed(one: ReferenceSight, now: datetime) -> bool:
    is_fresh = one.begun_at is not None and now - one.begun_at < REFERENCE_COUNTS_FOR
    return is_fresh and one.fails >= FAILS_OF_A_REFERENCE


def newest_good(references: Iterable[ReferenceSight]) -> datetime | None:
    """Return when the newest reference probe that came back well was begun."""
    return max((r.good_begun_at for r in references if r.good_begun_at is not None), default=None)


def sees_by_references(references: Sequence[ReferenceSight], since: datetime) -> bool:
    """Return whether a vantage that went blind at ``since`` sees again: a reference begun later came back well."""
    good = newest_good(references)
    return good is not None and good > since


@dataclass(frozen=True, slots=True)
class Share:
    """The monitored pods of one tenant on one node that a vantage probes: how many there are, and how many fail.

    ``probed``: how many were probed since the vantage went blind; where it is not, all of them.
    """

    tenant_id: int
    node_id: int
    pods: int
    failing: int
    probed: int = 0


def _counted(shares: Iterable[Share]) -> list[Share]:
    """Return the shares of tenants and nodes that are large enough; none where there are too few of them."""
    known = list(shares)
    tenants: Counter[int] = Counter()
    nodes: Counter[int] = Counter()
    for one in known:
        tenants[one.tenant_id] += one.pods
        nodes[one.node_id] += one.pods
    large_tenants = {key for key, pods in tenants.items() if pods >= FEWEST_PODS}
    large_nodes = {key for key, pods in nodes.items() if pods >= FEWEST_PODS}
    if len(large_tenants) < FEWEST_SCOPES or len(large_nodes) < FEWEST_SCOPES:
        return []
    return [one for one in known if one.tenant_id in large_tenants and one.node_id in large_nodes]


def why_blind_by_pods(shares: Iterable[Share]) -> str | None:
    """Return why a vantage without references is blind: nearly all pods of several tenants and nodes fail at once.

    It says no number, which would tell of the pods of others.
    """
    counted = _counted(shares)
    pods, failing = sum(one.pods for one in counted), sum(one.failing for one in counted)
    if not pods or failing <= BLIND_ABOVE * pods:
        return None
    return "nearly all pods that it probes, on several nodes, fail at once"


def sees_by_pods(shares: Iterable[Share]) -> bool:
    """Return whether a vantage without references sees again: enough of the pods probed since then answer.

    Where there are not enough tenants and nodes any more to tell by, it is trusted as any small vantage is.
    """
    counted = _counted(shares)
    pods, probed = sum(one.pods for one in counted), sum(one.probed for one in counted)
    if not counted:
        return True
    return probed >= PROBED_AT_LEAST * pods and sum(one.failing for one in counted) <= BLIND_ABOVE * probed
