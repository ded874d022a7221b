"""What is done about pods, in a few words each: a heal under way, what holds one, and who has their trouble.

Reads only, some pods at once; what else a card says is store/overview's.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa

from podhealth.core.words import Action, Answer, Gate, HealState
from podhealth.models import Decision, Episode, Heal, Incident, IncidentMember
from podhealth.store.acknowledging import is_acknowledged
from podhealth.store.sql import OPEN_HEALS


class Healing(NamedTuple):
    """What the healer does about a pod, or what holds it. One of ``state``, ``gate`` is set.

    ``card`` is the hold in a few words, as it was judged; its times, if any, are in UTC.
    """

    state: HealState | None
    action: Action | None
    nth: int
    of: int
    gate: Gate | None
    until: datetime | None
    card: str | None = None


def healings_of(conn: sa.Connection, tenant_id: int, pod_ids: Sequence[int]) -> dict[int, Healing]:
    """Return for each pod with an open heal, or a hold that matters, what its healing line says."""
    found: dict[int, Healing] = {}
    newest = (
        sa.select(sa.func.max(Decision.id))
        .where(Decision.tenant_id == tenant_id, Decision.pod_id.in_(pod_ids))
        .group_by(Decision.pod_id)
    )
    for d in conn.execute(
        sa.select(
            Decision.pod_id, Decision.gate, Decision.until, Decision.inputs["card"].as_string().label("card")
        ).where(Decision.id.in_(newest), Decision.answer == Answer.HOLD)
    ):
        found[d.pod_id] = Healing(None, None, 0, 0, d.gate, d.until, d.card)
    for e in conn.execute(
        sa.select(Episode.pod_id).where(
            Episode.tenant_id == tenant_id,
            Episode.pod_id.in_(pod_ids),
            Episode.closed_at.is_(None),
            Episode.exhausted_at.is_not(None),
        )
    ):
        found[e.pod_id] = Healing(None, None, 0, 0, Gate.LADDER, None)
    for h in conn.execute(
        sa.select(Heal.pod_id, Heal.state, Heal.action, Heal.nth_of_action, Heal.of_attempts, Heal.verify_until).where(
            Heal.tenant_id == tenant_id, Heal.pod_id.in_(pod_ids), Heal.state.in_(OPEN_HEALS)
        )
    ):
        found[h.pod_id] = Healing(h.state, h.action, h.nth_of_action, h.of_attempts, None, h.verify_until)
    return found


def acknowledged_by(
    conn: sa.Connection, tenant_id: int, now: datetime, pod_ids: Sequence[int]
) -> dict[int, str | None]:
    """Return for each pod in an open incident that somebody has, who that is."""
    rows = conn.execute(
        sa.select(IncidentMember.pod_id, Incident.acknowledged_by)
        .join(Incident, Incident.id == IncidentMember.incident_id)
        .where(
            IncidentMember.tenant_id == tenant_id,
            IncidentMember.pod_id.in_(pod_ids),
            IncidentMember.left_at.is_(None),
            Incident.recovered_at.is_(None),
            is_acknowledged(now),
        )
    )
    return {row.pod_id: row.acknowledged_by for row in rows}
