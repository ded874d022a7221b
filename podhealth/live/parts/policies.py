"""Policies on screens: who saved one last, and what it came to."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

import sqlalchemy as sa

from podhealth.core.words import FeedKind
from podhealth.live.parts.part import EVERY, Fragment, Part, Pieces
from podhealth.store import policy_now
from podhealth.store.feed import FeedRow


def _the_policy(row: FeedRow) -> Iterable[int]:
    return (row.object_id,) if row.kind is FeedKind.POLICY and row.object_id is not None else ()


def _its_figures(row: FeedRow) -> Iterable[int]:
    # Which policy binds the pod, or healed it, the row does not say.
    return (EVERY,) if row.kind in (FeedKind.HEAL, FeedKind.INVENTORY) else _the_policy(row)


def _now(conn: sa.Connection, tenant_id: int, ids: Collection[int], _now: datetime) -> Mapping[int, Pieces]:
    found = policy_now.versions_now(conn, tenant_id, ids)
    return {policy_id: Pieces((Fragment("policy_now", one),)) for policy_id, one in found.items()}


def _figures(_conn: sa.Connection, _tenant_id: int, ids: Collection[int], _now: datetime) -> Mapping[int, Pieces]:
    # Counting 30 days of heals takes a while: each page asks for itself, not oftener than it may.
    return {policy_id: Pieces(stale=(f"policy-figures-{policy_id}",)) for policy_id in ids}


PARTS = (
    Part("policy_now", _the_policy, _now),
    Part("policy_figures", _its_figures, _figures),
)
