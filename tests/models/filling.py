"""One of everything that is easily made, so that a migration has rows to keep."""

import sqlalchemy as sa

from podhealth.core.words import Role
from podhealth.store import accounts, inventory
from podhealth.store.tenancy import system_scope
from tests.support import build


def fill(conn: sa.Connection, name: str = "acme") -> None:
    """Store a tenant of that name, and what belongs to it."""
    tenant_id = build.a_tenant(conn, name)
    build.a_user(conn, tenant_id)
    pod_id = build.a_pod(conn, tenant_id)
    build.a_result(conn, build.a_check(conn, pod_id))
    policy_id = build.a_policy(conn, tenant_id)
    episode_id = build.an_episode(conn, pod_id, policy_id)
    build.a_heal(conn, pod_id, episode_id=episode_id)
    build.a_shadow_heal(conn, pod_id, episode_id, policy_id)
    build.an_approval(conn, pod_id, episode_id)
    build.an_incident(conn, pod_id)
    inventory.set_agent_token(conn, system_scope(tenant_id), pod_id)
    accounts.create_token(conn, tenant_id, "ops", Role.VIEWER, "test", None)
