"""What the gates are told of the places around a pod: its node, and the vantages that see its trouble.

Read in the judging transaction; who finds places unreachable or blind is store/nodes and store/vantages.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from podhealth.core.facts import Blind, NodeDown, References
from podhealth.core.places import FEWEST_REFERENCES
from podhealth.core.words import Kind, Severity, Status
from podhealth.models import Node, Reference, Vantage

Row = sa.Row[Any]

_NODE = sa.select(Node.name, Node.unreachable_since, Node.unreachable_reason).where(
    Node.id == sa.bindparam("node_id", type_=sa.BigInteger)
)
_TARGETS = sa.select(sa.func.count()).where(Reference.vantage == Vantage.name).scalar_subquery()
_VANTAGES = (
    sa.select(Vantage.name, Vantage.blind_since, Vantage.blind_reason, Vantage.good_begun_at, _TARGETS.label("targets"))
    .where(Vantage.name.in_(sa.bindparam("names", expanding=True)))
    .order_by(Vantage.name)
)


class Around(NamedTuple):
    """The places around a pod; null where there is nothing to say of one."""

    node: NodeDown | None
    blind: Blind | None
    references: References | None


def around(conn: sa.Connection, pod: Row, checks: Iterable[Row]) -> Around:
    """Return what is known of the places around a pod. ``pod`` and ``checks`` are rows as healfacts gathers them."""
    blind, references = _vantages(conn, _sick(list(checks)))
    return Around(_node(conn, pod), blind, references)


def _node(conn: sa.Connection, pod: Row) -> NodeDown | None:
    name = "of before"
    if pod.node_id is not None:
        row = conn.execute(_NODE, {"node_id": pod.node_id}).one()
        name = row.name
        if row.unreachable_since is not None:
            return NodeDown(name, row.unreachable_since, row.unreachable_reason or "no answer")
    # Its node is back, or another one now, and the tick has not come to this pod yet.
    if pod.unreachable_since is not None:
        return NodeDown(name, pod.unreachable_since, pod.unreachable_reason or "no answer")
    return None


def _sick(checks: Sequence[Row]) -> list[str]:
    """Return the vantages of the checks in trouble; where none is, of all that could make the pod ill.

    What the provider says of a guest is seen from no vantage.
    """
    able = [c for c in checks if c.enabled and c.severity == Severity.CRITICAL]
    sick = [c for c in able if c.failures > 0 or c.status == Status.UNHEALTHY]
    return sorted({c.vantage for c in sick or able if c.kind != Kind.RUNNING})


def _vantages(conn: sa.Connection, names: Sequence[str]) -> tuple[Blind | None, References | None]:
    if not names:
        return None, None
    rows = conn.execute(_VANTAGES, {"names": list(names)}).all()
    blind = next((Blind(r.name, r.blind_since, r.blind_reason or "") for r in rows if r.blind_since is not None), None)
    asked = [References(r.name, r.good_begun_at) for r in rows if r.targets >= FEWEST_REFERENCES]
    # Of several vantages, the one whose last good reference is the oldest: all must be proven.
    oldest = min(asked, key=lambda r: (r.good_begun_at is not None, r.good_begun_at), default=None)
    return blind, oldest
