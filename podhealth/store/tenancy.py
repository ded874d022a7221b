"""The one place of tenant scope: who asks, and which rows are theirs.

It fails closed: a scope without a tenant, or a table that no tenant owns, is an error of the program and never "all
rows". What a role may do is decided in web/access.py.
"""

from typing import Any, NamedTuple

import sqlalchemy as sa

from podhealth.core.errors import NotFound
from podhealth.core.words import Actor, Role
from podhealth.models import Check, Pod, Policy, Tenant

MAX_ID = (1 << 63) - 1
NO_TENANT = 0  # of a platform admin who looks into none: owns nothing, and ``own`` refuses it


class Scope(NamedTuple):
    """Who asks, for which tenant. ``actor_name`` is what the audit trail calls them, ``address`` where they are."""

    tenant_id: int
    role: Role
    actor: Actor
    actor_name: str
    address: str | None = None


def system_scope(tenant_id: int, name: str = "podhealth", actor: Actor = Actor.SYSTEM) -> Scope:
    """Return the scope in which the program itself (or its healer, or its command line) acts for a tenant."""
    return Scope(tenant_id, Role.ADMIN, actor, name)


def own(scope: Scope, model: Any) -> sa.ColumnElement[bool]:
    """Return the condition that keeps a query to the scope's tenant; every read of tenants' rows carries it.

    Raises ValueError for a scope without a tenant and TypeError for a table without one: the caller would otherwise
    see rows of everybody.
    """
    if type(scope.tenant_id) is not int or scope.tenant_id < 1:
        raise ValueError("a scope without a tenant owns nothing")
    table = sa.inspect(model).local_table if not isinstance(model, sa.Table) else model
    column = table.c.id if table is Tenant.__table__ else table.c.get("tenant_id")
    if column is None:
        raise TypeError(f"no tenant owns rows of {table.name}")
    return sa.and_(column == scope.tenant_id)


def get_own(conn: sa.Connection, scope: Scope, model: Any, object_id: object, what: str = "object") -> sa.Row[Any]:
    """Return the row of ``model`` with this id.

    Raises NotFound in the same words for a missing, another tenant's and a deleted one, and for ids that no row can
    have (behaviour §9): a stranger learns nothing from the difference.
    """
    table: sa.Table = sa.inspect(model).local_table
    query = sa.select(table).where(own(scope, model))
    if type(object_id) is not int or not 1 <= object_id <= MAX_ID:
        raise NotFound(f"there is no such {what}")
    query = query.where(table.c.id == object_id)
    if "deleted_at" in table.c:
        query = query.where(table.c.deleted_at.is_(None))
    row = conn.execute(query).one_or_none()
    if row is None:
        raise NotFound(f"there is no such {what}")
    return row


def get_pod(conn: sa.Connection, scope: Scope, pod_id: object) -> sa.Row[Any]:
    """Return the pod's row. Raises NotFound as ``get_own`` does."""
    return get_own(conn, scope, Pod, pod_id, "pod")


def get_policy(conn: sa.Connection, scope: Scope, policy_id: object) -> sa.Row[Any]:
    """Return the policy's row. Raises NotFound as ``get_own`` does."""
    return get_own(conn, scope, Policy, policy_id, "policy")


def get_check(conn: sa.Connection, scope: Scope, check_id: object) -> sa.Row[Any]:
    """Return the row of a check of a pod that is not deleted. Raises NotFound as ``get_own`` does."""
    check = get_own(conn, scope, Check, check_id, "check")
    get_own(conn, scope, Pod, check.pod_id, "check")
    return check
