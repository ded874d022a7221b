"""What the maintenance pages say of pods: their names by id and ids by name, and what an end would let go on.

When a window is, and which pods it is about, is said elsewhere (core/windows.py).
"""

from collections.abc import Collection, Iterable
from typing import NamedTuple

import sqlalchemy as sa

from podhealth.core.window_rules import WindowRules
from podhealth.core.windows import concerns
from podhealth.core.words import Status
from podhealth.models import Pod, PodStatus
from podhealth.store.tenancy import Scope, own

_MOST = 1_000


class Resuming(NamedTuple):
    """The pods that are judged again where a window ends, and how many of them are unhealthy now."""

    pods: int
    unhealthy: int


def ids_of(conn: sa.Connection, scope: Scope, names: Iterable[str]) -> dict[str, int]:
    """Return the ids of the tenant's pods of these names, of the first thousand."""
    asked = [name for name in list(names)[:_MOST] if "\0" not in name]
    query = sa.select(Pod.name, Pod.id).where(own(scope, Pod), Pod.deleted_at.is_(None), Pod.name.in_(asked))
    return {name: int(pod_id) for name, pod_id in conn.execute(query)} if asked else {}


def names_of(conn: sa.Connection, scope: Scope, pod_ids: Collection[int]) -> dict[int, str]:
    """Return the names of those of these pods that are there."""
    query = sa.select(Pod.id, Pod.name).where(own(scope, Pod), Pod.deleted_at.is_(None), Pod.id.in_(pod_ids))
    return {int(pod_id): name for pod_id, name in conn.execute(query)} if pod_ids else {}


def resuming(conn: sa.Connection, scope: Scope, rules: WindowRules) -> Resuming:
    """Return what an end of the window lets go on now."""
    query = (
        sa.select(Pod.id, Pod.tags, Pod.node_id, PodStatus.status)
        .join(PodStatus, PodStatus.pod_id == Pod.id)
        .where(own(scope, Pod), Pod.deleted_at.is_(None))
    )
    meant = [pod for pod in conn.execute(query) if concerns(rules.covers, pod.id, pod.tags, pod.node_id)]
    return Resuming(len(meant), sum(pod.status == Status.UNHEALTHY for pod in meant))
