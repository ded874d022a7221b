"""The tenants and people of an installation as its operator sees them. Nobody else may ask (web/access.py)."""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa

from podhealth.core.words import Action, HealState, Role, Status
from podhealth.models import Check, Heal, Pod, PodStatus, Session, Tenant, User
from podhealth.store import audit
from podhealth.store.db import db_now
from podhealth.store.members import last_seen
from podhealth.store.tenancy import system_scope

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


class Person(NamedTuple):
    """Somebody with an account; ``tenant`` null: a platform admin."""

    user_id: int
    tenant_id: int | None
    tenant: str | None
    email: str
    name: str
    role: Role
    active: bool
    has_second_factor: bool
    last_seen_at: datetime | None


def people(conn: sa.Connection, tenant_id: int | None = None) -> list[Person]:
    """Return everybody with an account, or those of one tenant, by address; those of deleted tenants not."""
    rows = conn.execute(_people().where(sa.true() if tenant_id is None else User.tenant_id == tenant_id))
    return [Person._make(row) for row in rows]


def find_person(conn: sa.Connection, email: str) -> Person | None:
    """Return who has this address, however it is spelt."""
    row = conn.execute(_people().where(User.email == email.strip().lower())).one_or_none()
    return None if row is None else Person._make(row)


def switch_admin(conn: sa.Connection, person: Person, is_on: bool) -> None:
    """Take a platform admin's access away, with all sessions, or give it back.

    The last one's too: who has the command line makes another with ``podhealth user create``.
    """
    is_it = sa.and_(User.id == person.user_id, User.role == Role.PLATFORM, User.active != is_on)
    if conn.execute(sa.update(User).where(is_it).values(active=is_on)).rowcount != 1:
        return
    if not is_on:
        still = sa.and_(Session.user_id == person.user_id, Session.ended_at.is_(None))
        conn.execute(sa.update(Session).where(still).values(ended_at=db_now(conn)))
    what = "access given back" if is_on else "access taken away"
    by = system_scope(audit.INSTALLATION, "command line")
    audit.write_installation(conn, by, what, "user", person.user_id, {"email": person.email})


def _people() -> sa.Select[Any]:
    columns: tuple[Any, ...] = (User.id, User.tenant_id, Tenant.name, User.email, User.name, User.role, User.active)
    query = sa.select(*columns, User.totp_since.is_not(None), last_seen())
    return query.outerjoin(Tenant, Tenant.id == User.tenant_id).where(Tenant.deleted_at.is_(None)).order_by(User.email)


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
