"""The tenants of an installation as its platform admin sees them. Nobody else may ask: web/access.py sees to that."""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa

from podhealth.core.words import Action, HealState, Status
from podhealth.models import Check, Heal, Pod, PodStatus, Tenant, User

_A_DAY = timedelta(hours=24)


class TenantLine(NamedTuple):
    """One tenant and what it owns; ``heals``: those of the last 24 hours that were not only told."""

    tenant_id: int
    name: str
    pods: int
    unhealthy: int
    checks: int
    users: int
    heals: int
    created_at: datetime


def tenant_lines(conn: sa.Connection, now: datetime) -> list[TenantLine]:
    """Return all living tenants by name; a handful of counts each, however many pods there are."""
    pods = _counted(conn, sa.select(Pod.tenant_id, sa.func.count()).where(Pod.deleted_at.is_(None)))
    sick = sa.select(PodStatus.tenant_id, sa.func.count()).join(Pod, Pod.id == PodStatus.pod_id)
    unhealthy = _counted(conn, sick.where(Pod.deleted_at.is_(None), PodStatus.status == Status.UNHEALTHY))
    enabled = sa.select(Check.tenant_id, sa.func.count()).join(Pod, Pod.id == Check.pod_id)
    checks = _counted(conn, enabled.where(Check.enabled, Pod.deleted_at.is_(None)))
    users = _counted(conn, sa.select(User.tenant_id, sa.func.count()).where(User.active, User.tenant_id.is_not(None)))
    done = sa.select(Heal.tenant_id, sa.func.count()).where(
        Heal.triggered_at > now - _A_DAY, Heal.action != Action.NOTIFY_ONLY, Heal.state != HealState.CANCELLED
    )
    heals = _counted(conn, done)
    rows = conn.execute(
        sa.select(Tenant.id, Tenant.name, Tenant.created_at).where(Tenant.deleted_at.is_(None)).order_by(Tenant.name)
    )
    return [
        TenantLine(
            row.id,
            row.name,
            pods.get(row.id, 0),
            unhealthy.get(row.id, 0),
            checks.get(row.id, 0),
            users.get(row.id, 0),
            heals.get(row.id, 0),
            row.created_at,
        )
        for row in rows
    ]


def _counted(conn: sa.Connection, query: sa.Select[*tuple[Any, ...]]) -> dict[int, int]:
    rows = conn.execute(query.group_by(query.selected_columns[0])).all()
    return {int(row[0]): int(row[1]) for row in rows}
