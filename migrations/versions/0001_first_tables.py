"""First tables.

Revision 0001, after nothing.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


# The audit trail only grows. INSERT OR REPLACE deletes without a DELETE trigger, so it is refused too.
SQLITE_AUDIT = {
    "audit_entries_no_update": "BEFORE UPDATE ON audit_entries",
    "audit_entries_no_delete": "BEFORE DELETE ON audit_entries",
    "audit_entries_no_replace": "BEFORE INSERT ON audit_entries WHEN EXISTS (SELECT 1 FROM audit_entries "
    "WHERE id = NEW.id OR (chain = NEW.chain AND seq = NEW.seq))",
}
POSTGRESQL_AUDIT = [
    "CREATE FUNCTION audit_entries_refuse() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN RAISE EXCEPTION 'the audit trail only grows'; END $$",
    "CREATE TRIGGER audit_entries_no_change BEFORE UPDATE OR DELETE ON audit_entries "
    "FOR EACH ROW EXECUTE FUNCTION audit_entries_refuse()",
    "CREATE TRIGGER audit_entries_no_truncate BEFORE TRUNCATE ON audit_entries "
    "FOR EACH STATEMENT EXECUTE FUNCTION audit_entries_refuse()",
]


def guard_audit() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for statement in POSTGRESQL_AUDIT:
            op.execute(statement)
        return
    for name, when in SQLITE_AUDIT.items():
        op.execute(f"CREATE TRIGGER {name} {when} BEGIN SELECT RAISE(ABORT, 'the audit trail only grows'); END")


def upgrade() -> None:
    op.create_table(
        "audit_entries",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("chain", BIG_ID, nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column(
            "actor",
            sa.Enum(
                "user", "token", "healer", "system", name="actor", native_enum=False, create_constraint=True, length=24
            ),
            nullable=False,
        ),
        sa.Column("actor_name", sa.String(length=200), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=True),
        sa.Column("what", sa.String(length=60), nullable=False),
        sa.Column("object_type", sa.String(length=40), nullable=False),
        sa.Column("object_id", sa.String(length=64), nullable=False),
        sa.Column("before", JSON, nullable=True),
        sa.Column("after", JSON, nullable=True),
        sa.Column("prev_hash", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_entries")),
        sa.UniqueConstraint("chain", "seq", name=op.f("uq_audit_entries_chain_seq")),
    )
    with op.batch_alter_table("audit_entries", schema=None) as batch_op:
        batch_op.create_index("ix_audit_chain_at", ["chain", "at"], unique=False)

    op.create_table(
        "audit_heads",
        sa.Column("chain", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("chain", name=op.f("pk_audit_heads")),
    )
    op.create_table(
        "cloud_pod_health_results",
        sa.Column("check_id", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("claim_token", sa.BigInteger(), nullable=False),
        sa.Column("scheduled_at", sa.BigInteger(), nullable=False),
        sa.Column("tenant_id", BIG_ID, nullable=False),
        sa.Column("pod_id", BIG_ID, nullable=False),
        sa.Column("begun_at", sa.BigInteger(), nullable=False),
        sa.Column("checked_at", sa.BigInteger(), nullable=False),
        sa.Column(
            "outcome",
            sa.Enum(
                "ok",
                "slow",
                "fail",
                "error",
                "invalid",
                name="outcome",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
        ),
        sa.Column(
            "fail_class",
            sa.Enum("down", "content", "tls", name="failclass", native_enum=False, create_constraint=True, length=24),
            nullable=True,
        ),
        sa.Column("code", sa.String(length=40), nullable=True),
        sa.Column("latency_ms", sa.Double(), nullable=True),
        sa.Column("error", sa.String(length=200), nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("body_hash", sa.String(length=16), nullable=True),
        sa.Column("excerpt", sa.String(length=500), nullable=True),
        sa.Column("is_late", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("is_manual", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("worker_id", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("check_id", "claim_token", "scheduled_at", name=op.f("pk_cloud_pod_health_results")),
        postgresql_partition_by="RANGE (scheduled_at)",
        sqlite_with_rowid=True,
    )
    op.create_table(
        "feed",
        sa.Column("tenant_id", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "pod",
                "check",
                "heal",
                "decision",
                "policy",
                "inventory",
                name="feedkind",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
        ),
        sa.Column("pod_id", BIG_ID, nullable=True),
        sa.Column("object_id", BIG_ID, nullable=True),
        sa.Column("note", JSON, nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "seq", name=op.f("pk_feed")),
    )
    with op.batch_alter_table("feed", schema=None) as batch_op:
        batch_op.create_index("ix_feed_at", ["at"], unique=False)

    op.create_table(
        "submissions",
        sa.Column("tenant_id", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("op", sa.String(length=64), nullable=False),
        sa.Column("route", sa.String(length=80), nullable=False),
        sa.Column("answer", JSON, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "op", name=op.f("pk_submissions")),
    )
    op.create_table(
        "tenants",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("feed_seq", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("zone", sa.String(length=64), server_default="UTC", nullable=False),
        sa.Column("allowed_networks", JSON, nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("deleted_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tenants")),
        sa.UniqueConstraint("name", name=op.f("uq_tenants_name")),
    )
    op.create_table(
        "tick_steps",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("lease_until", sa.BigInteger(), nullable=True),
        sa.Column("holder", sa.String(length=64), nullable=True),
        sa.Column("ran_at", sa.BigInteger(), nullable=True),
        sa.Column("took_ms", sa.Double(), nullable=True),
        sa.Column("error", sa.String(length=200), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_tick_steps")),
    )
    op.create_table(
        "workers",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("role", sa.String(length=24), nullable=False),
        sa.Column("vantage", sa.String(length=40), nullable=True),
        sa.Column("host", sa.String(length=253), nullable=False),
        sa.Column("pid", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("beat_at", sa.BigInteger(), nullable=False),
        sa.Column("in_flight", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("loop_lag_ms", sa.Double(), server_default="0", nullable=False),
        sa.Column("recorded", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("lag_p99_ms", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_workers")),
    )
    op.create_table(
        "api_tokens",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("tenant_id", BIG_ID, nullable=False),
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column(
            "role",
            sa.Enum(
                "viewer",
                "operator",
                "admin",
                "platform",
                name="role",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
        ),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("hint", sa.String(length=8), nullable=False),
        sa.Column("created_by", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("last_used_at", sa.BigInteger(), nullable=True),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_api_tokens_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_tokens")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_api_tokens_token_hash")),
    )
    with op.batch_alter_table("api_tokens", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_api_tokens_tenant_id"), ["tenant_id"], unique=False)

    op.create_table(
        "cloud_pod_auto_heal_policies",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("tenant_id", BIG_ID, nullable=False),
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column(
            "mode",
            sa.Enum(
                "off", "shadow", "approve", "auto", name="mode", native_enum=False, create_constraint=True, length=24
            ),
            nullable=False,
        ),
        sa.Column("trigger_after_failures", sa.BigInteger(), nullable=False),
        sa.Column(
            "action",
            sa.Enum(
                "restart",
                "stop",
                "migrate",
                "notify_only",
                name="action",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
        ),
        sa.Column("cooldown_minutes", sa.BigInteger(), nullable=False),
        sa.Column("max_attempts", sa.BigInteger(), nullable=False),
        sa.Column("notify_on_trigger", sa.Boolean(), nullable=False),
        sa.Column("escalate_after_attempts", sa.BigInteger(), nullable=True),
        sa.Column(
            "escalation_action",
            sa.Enum(
                "restart",
                "stop",
                "migrate",
                "notify_only",
                name="escalation_action",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=True,
        ),
        sa.Column("backoff_factor", sa.Double(), nullable=False),
        sa.Column("verify_timeout_s", sa.BigInteger(), nullable=False),
        sa.Column("healthy_delay_s", sa.BigInteger(), nullable=False),
        sa.Column("sustained_health_s", sa.BigInteger(), nullable=False),
        sa.Column("start_deadline_s", sa.BigInteger(), nullable=False),
        sa.Column("selector", JSON, nullable=False),
        sa.Column("priority", sa.BigInteger(), nullable=False),
        sa.Column("is_default", sa.Boolean(), nullable=False),
        sa.Column("steps", JSON, nullable=True),
        sa.Column("version", sa.BigInteger(), server_default="1", nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("deleted_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_cloud_pod_auto_heal_policies_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cloud_pod_auto_heal_policies")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_cloud_pod_auto_heal_policies_tenant_id_id")),
    )
    with op.batch_alter_table("cloud_pod_auto_heal_policies", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_cloud_pod_auto_heal_policies_tenant_id"), ["tenant_id"], unique=False)
        batch_op.create_index(
            "uq_policies_default",
            ["tenant_id"],
            unique=True,
            sqlite_where=sa.text("is_default AND deleted_at IS NULL"),
            postgresql_where=sa.text("is_default AND deleted_at IS NULL"),
        )

    op.create_table(
        "kill_switches",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column(
            "scope",
            sa.Enum("system", "tenant", "pod", name="killscope", native_enum=False, create_constraint=True, length=24),
            nullable=False,
        ),
        sa.Column("tenant_id", BIG_ID, nullable=True),
        sa.Column("pod_id", BIG_ID, nullable=True),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.Column("by", sa.String(length=200), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_kill_switches_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kill_switches")),
    )
    with op.batch_alter_table("kill_switches", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_kill_switches_tenant_id"), ["tenant_id"], unique=False)

    op.create_table(
        "nodes",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("tenant_id", BIG_ID, nullable=True),
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("address", sa.String(length=253), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("deleted_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_nodes_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_nodes")),
        sa.UniqueConstraint("tenant_id", "name", name=op.f("uq_nodes_tenant_id_name")),
    )
    op.create_table(
        "users",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("tenant_id", BIG_ID, nullable=True),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("password", sa.String(length=255), nullable=True),
        sa.Column(
            "role",
            sa.Enum(
                "viewer",
                "operator",
                "admin",
                "platform",
                name="role",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
        ),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("fs_uniquifier", sa.String(length=64), nullable=False),
        sa.Column("confirmed_at", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("(tenant_id IS NULL) = (role = 'platform')", name=op.f("ck_users_platform_has_no_tenant")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_users_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("email", name=op.f("uq_users_email")),
        sa.UniqueConstraint("fs_uniquifier", name=op.f("uq_users_fs_uniquifier")),
    )
    with op.batch_alter_table("users", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_users_tenant_id"), ["tenant_id"], unique=False)

    op.create_table(
        "pods",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("tenant_id", BIG_ID, nullable=False),
        sa.Column("node_id", BIG_ID, nullable=True),
        sa.Column("policy_id", BIG_ID, nullable=True),
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("address", sa.String(length=253), nullable=False),
        sa.Column(
            "provider",
            sa.Enum(
                "none",
                "process",
                "webhook",
                "proxmox",
                "docker",
                name="providerkind",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
        ),
        sa.Column("provider_ref", sa.String(length=253), nullable=True),
        sa.Column("provider_config", JSON, nullable=True),
        sa.Column("tags", JSON, nullable=False),
        sa.Column(
            "desired_state",
            sa.Enum("running", "stopped", name="desiredstate", native_enum=False, create_constraint=True, length=24),
            nullable=False,
        ),
        sa.Column("desired_reason", sa.String(length=200), nullable=True),
        sa.Column(
            "actual_state",
            sa.Enum(
                "running",
                "stopped",
                "unknown",
                name="actualstate",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
        ),
        sa.Column("start_deadline_s", sa.BigInteger(), nullable=True),
        sa.Column("agent_token_hash", sa.String(length=64), nullable=True),
        sa.Column("version", sa.BigInteger(), server_default="1", nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("deleted_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["node_id"], ["nodes.id"], name=op.f("fk_pods_node_id")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_pods_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pods")),
        sa.UniqueConstraint("agent_token_hash", name=op.f("uq_pods_agent_token_hash")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_pods_tenant_id_id")),
    )
    with op.batch_alter_table("pods", schema=None) as batch_op:
        batch_op.create_index(
            "uq_pods_tenant_name",
            ["tenant_id", "name"],
            unique=True,
            sqlite_where=sa.text("deleted_at IS NULL"),
            postgresql_where=sa.text("deleted_at IS NULL"),
        )

    op.create_table(
        "policy_versions",
        sa.Column("policy_id", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("version", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("tenant_id", BIG_ID, nullable=False),
        sa.Column("body", JSON, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("by", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(
            ["policy_id"], ["cloud_pod_auto_heal_policies.id"], name=op.f("fk_policy_versions_policy_id")
        ),
        sa.PrimaryKeyConstraint("policy_id", "version", name=op.f("pk_policy_versions")),
    )
    op.create_table(
        "sessions",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("user_id", BIG_ID, nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=True),
        sa.Column("device", sa.String(length=200), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_sessions_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_sessions_token_hash")),
    )
    with op.batch_alter_table("sessions", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_sessions_user_id"), ["user_id"], unique=False)

    op.create_table(
        "sign_in_links",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("user_id", BIG_ID, nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("used_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_sign_in_links_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sign_in_links")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_sign_in_links_token_hash")),
    )
    with op.batch_alter_table("sign_in_links", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_sign_in_links_user_id"), ["user_id"], unique=False)

    op.create_table(
        "cloud_pod_health_checks",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("tenant_id", BIG_ID, nullable=False),
        sa.Column("pod_id", BIG_ID, nullable=False),
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "ping",
                "tcp",
                "http",
                "agent",
                "running",
                name="kind",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
        ),
        sa.Column("target", sa.String(length=2000), nullable=True),
        sa.Column("config", JSON, nullable=False),
        sa.Column("interval_seconds", sa.BigInteger(), nullable=False),
        sa.Column("timeout_seconds", sa.Double(), nullable=False),
        sa.Column("failure_threshold", sa.BigInteger(), nullable=False),
        sa.Column("success_threshold", sa.BigInteger(), nullable=False),
        sa.Column(
            "severity",
            sa.Enum("critical", "warning", name="severity", native_enum=False, create_constraint=True, length=24),
            nullable=False,
        ),
        sa.Column("heal", sa.Boolean(), nullable=False),
        sa.Column(
            "heal_on",
            sa.Enum("down", "content", name="healon", native_enum=False, create_constraint=True, length=24),
            nullable=False,
        ),
        sa.Column("latency_limit_ms", sa.Double(), nullable=True),
        sa.Column("keep_excerpt", sa.Boolean(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("vantage", sa.String(length=40), nullable=False),
        sa.Column("generation", sa.BigInteger(), server_default="1", nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "failure_threshold BETWEEN 1 AND 20", name=op.f("ck_cloud_pod_health_checks_failure_bounds")
        ),
        sa.CheckConstraint(
            "interval_seconds BETWEEN 5 AND 86400", name=op.f("ck_cloud_pod_health_checks_interval_bounds")
        ),
        sa.CheckConstraint(
            "success_threshold BETWEEN 1 AND 20", name=op.f("ck_cloud_pod_health_checks_success_bounds")
        ),
        sa.CheckConstraint(
            "timeout_seconds BETWEEN 0.5 AND 60", name=op.f("ck_cloud_pod_health_checks_timeout_bounds")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "pod_id"],
            ["pods.tenant_id", "pods.id"],
            name=op.f("fk_cloud_pod_health_checks_tenant_id_pod_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cloud_pod_health_checks")),
        sa.UniqueConstraint("pod_id", "name", name=op.f("uq_cloud_pod_health_checks_pod_id_name")),
    )
    op.create_table(
        "cloud_pod_health_status",
        sa.Column("pod_id", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("tenant_id", BIG_ID, nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "healthy",
                "degraded",
                "unhealthy",
                "unknown",
                name="status",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
        ),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(length=300), nullable=True),
        sa.Column("cause_check_id", BIG_ID, nullable=True),
        sa.Column("bad_since", sa.BigInteger(), nullable=True),
        sa.Column(
            "phase",
            sa.Enum(
                "monitored",
                "starting",
                "maintenance",
                "unreachable",
                "stopped",
                name="phase",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
        ),
        sa.Column("phase_since", sa.BigInteger(), nullable=False),
        sa.Column("phase_until", sa.BigInteger(), nullable=True),
        sa.Column("phase_reason", sa.String(length=200), nullable=True),
        sa.Column("starting_since", sa.BigInteger(), nullable=True),
        sa.Column("starting_until", sa.BigInteger(), nullable=True),
        sa.Column("starting_reason", sa.String(length=200), nullable=True),
        sa.Column("recent_starts", JSON, nullable=False),
        sa.Column("stopped_since", sa.BigInteger(), nullable=True),
        sa.Column("stopped_reason", sa.String(length=200), nullable=True),
        sa.Column("unreachable_since", sa.BigInteger(), nullable=True),
        sa.Column("unreachable_reason", sa.String(length=200), nullable=True),
        sa.Column("maintenance_since", sa.BigInteger(), nullable=True),
        sa.Column("maintenance_until", sa.BigInteger(), nullable=True),
        sa.Column("maintenance_reason", sa.String(length=200), nullable=True),
        sa.Column("last_start_at", sa.BigInteger(), nullable=True),
        sa.Column("last_check_at", sa.BigInteger(), nullable=True),
        sa.Column("last_healthy_at", sa.BigInteger(), nullable=True),
        sa.Column("last_unhealthy_at", sa.BigInteger(), nullable=True),
        sa.Column("last_transition_at", sa.BigInteger(), nullable=True),
        sa.Column("auto_heal_attempts", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("last_auto_heal_at", sa.BigInteger(), nullable=True),
        sa.Column("cooldown_cleared_at", sa.BigInteger(), nullable=True),
        sa.Column("judge_at", sa.BigInteger(), nullable=True),
        sa.Column("judge_lease_until", sa.BigInteger(), nullable=True),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "pod_id"],
            ["pods.tenant_id", "pods.id"],
            name=op.f("fk_cloud_pod_health_status_tenant_id_pod_id"),
        ),
        sa.PrimaryKeyConstraint("pod_id", name=op.f("pk_cloud_pod_health_status")),
    )
    with op.batch_alter_table("cloud_pod_health_status", schema=None) as batch_op:
        batch_op.create_index(
            "ix_pod_status_judge_at",
            ["judge_at"],
            unique=False,
            sqlite_where=sa.text("judge_at IS NOT NULL"),
            postgresql_where=sa.text("judge_at IS NOT NULL"),
        )
        batch_op.create_index("ix_pod_status_tenant_status", ["tenant_id", "status"], unique=False)

    op.create_table(
        "decisions",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("tenant_id", BIG_ID, nullable=False),
        sa.Column("pod_id", BIG_ID, nullable=False),
        sa.Column("episode_id", BIG_ID, nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column(
            "answer",
            sa.Enum("act", "hold", "nothing", name="answer", native_enum=False, create_constraint=True, length=24),
            nullable=False,
        ),
        sa.Column(
            "gate",
            sa.Enum(
                "running",
                "policy",
                "mode_off",
                "kill_switch",
                "snooze",
                "evidence",
                "starting",
                "trigger",
                "settling",
                "open_heal",
                "provider",
                "ladder",
                "cooldown",
                "mode",
                name="gate",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=True,
        ),
        sa.Column("reason", sa.String(length=300), nullable=False),
        sa.Column(
            "action",
            sa.Enum(
                "restart",
                "stop",
                "migrate",
                "notify_only",
                name="action",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=True,
        ),
        sa.Column("until", sa.BigInteger(), nullable=True),
        sa.Column("inputs", JSON, nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "pod_id"], ["pods.tenant_id", "pods.id"], name=op.f("fk_decisions_tenant_id_pod_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_decisions")),
    )
    with op.batch_alter_table("decisions", schema=None) as batch_op:
        batch_op.create_index("ix_decisions_pod_at", ["pod_id", "at"], unique=False)

    op.create_table(
        "episodes",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("tenant_id", BIG_ID, nullable=False),
        sa.Column("pod_id", BIG_ID, nullable=False),
        sa.Column("policy_id", BIG_ID, nullable=False),
        sa.Column("policy_version", sa.BigInteger(), nullable=False),
        sa.Column("ladder", JSON, nullable=False),
        sa.Column("struck", JSON, nullable=False),
        sa.Column("triggers", JSON, nullable=False),
        sa.Column("attempts", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("exhausted_at", sa.BigInteger(), nullable=True),
        sa.Column("closed_at", sa.BigInteger(), nullable=True),
        sa.Column("close_reason", sa.String(length=60), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id", "pod_id"], ["pods.tenant_id", "pods.id"], name=op.f("fk_episodes_tenant_id_pod_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_episodes")),
    )
    with op.batch_alter_table("episodes", schema=None) as batch_op:
        batch_op.create_index("ix_episodes_pod_opened", ["pod_id", "opened_at"], unique=False)
        batch_op.create_index(
            "uq_episodes_open",
            ["pod_id"],
            unique=True,
            sqlite_where=sa.text("closed_at IS NULL"),
            postgresql_where=sa.text("closed_at IS NULL"),
        )

    op.create_table(
        "heartbeats",
        sa.Column("pod_id", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("tenant_id", BIG_ID, nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("boot_id", sa.String(length=64), nullable=True),
        sa.Column("previous_boot_id", sa.String(length=64), nullable=True),
        sa.Column("period_s", sa.BigInteger(), server_default="60", nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "pod_id"], ["pods.tenant_id", "pods.id"], name=op.f("fk_heartbeats_tenant_id_pod_id")
        ),
        sa.PrimaryKeyConstraint("pod_id", name=op.f("pk_heartbeats")),
    )
    op.create_table(
        "phase_changes",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("tenant_id", BIG_ID, nullable=False),
        sa.Column("pod_id", BIG_ID, nullable=False),
        sa.Column(
            "from_phase",
            sa.Enum(
                "monitored",
                "starting",
                "maintenance",
                "unreachable",
                "stopped",
                name="from_phase",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
        ),
        sa.Column(
            "to_phase",
            sa.Enum(
                "monitored",
                "starting",
                "maintenance",
                "unreachable",
                "stopped",
                name="to_phase",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
        ),
        sa.Column("reason", sa.String(length=200), nullable=True),
        sa.Column("until", sa.BigInteger(), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "pod_id"], ["pods.tenant_id", "pods.id"], name=op.f("fk_phase_changes_tenant_id_pod_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_phase_changes")),
    )
    with op.batch_alter_table("phase_changes", schema=None) as batch_op:
        batch_op.create_index("ix_phase_changes_pod_at", ["pod_id", "at"], unique=False)

    op.create_table(
        "snoozes",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("tenant_id", BIG_ID, nullable=False),
        sa.Column("pod_id", BIG_ID, nullable=False),
        sa.Column(
            "holds",
            sa.Enum(
                "heals_and_alerts", "alerts", name="snoozeholds", native_enum=False, create_constraint=True, length=24
            ),
            nullable=False,
        ),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.Column("by", sa.String(length=200), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id", "pod_id"], ["pods.tenant_id", "pods.id"], name=op.f("fk_snoozes_tenant_id_pod_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_snoozes")),
    )
    with op.batch_alter_table("snoozes", schema=None) as batch_op:
        batch_op.create_index("ix_snoozes_pod", ["pod_id"], unique=False)

    op.create_table(
        "transitions",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("tenant_id", BIG_ID, nullable=False),
        sa.Column("pod_id", BIG_ID, nullable=False),
        sa.Column("check_id", BIG_ID, nullable=True),
        sa.Column(
            "from_status",
            sa.Enum(
                "healthy",
                "degraded",
                "unhealthy",
                "unknown",
                name="from_status",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
        ),
        sa.Column(
            "to_status",
            sa.Enum(
                "healthy",
                "degraded",
                "unhealthy",
                "unknown",
                name="to_status",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
        ),
        sa.Column("cause_check_id", BIG_ID, nullable=True),
        sa.Column("reason", sa.String(length=300), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("bad_since", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("from_status <> to_status", name=op.f("ck_transitions_a_change")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "pod_id"], ["pods.tenant_id", "pods.id"], name=op.f("fk_transitions_tenant_id_pod_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_transitions")),
    )
    with op.batch_alter_table("transitions", schema=None) as batch_op:
        batch_op.create_index("ix_transitions_check_at", ["check_id", "at"], unique=False)
        batch_op.create_index("ix_transitions_pod_at", ["pod_id", "at"], unique=False)

    op.create_table(
        "check_states",
        sa.Column("check_id", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("tenant_id", BIG_ID, nullable=False),
        sa.Column("pod_id", BIG_ID, nullable=False),
        sa.Column("vantage", sa.String(length=40), nullable=False),
        sa.Column("next_at", sa.BigInteger(), nullable=True),
        sa.Column("slot_at", sa.BigInteger(), nullable=True),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.Column("claim_token", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("worker_id", sa.String(length=64), nullable=True),
        sa.Column("generation", sa.BigInteger(), server_default="1", nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "healthy",
                "degraded",
                "unhealthy",
                "unknown",
                name="status",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
        ),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("failures", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("successes", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("slow_run", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("bad_since", sa.BigInteger(), nullable=True),
        sa.Column("recent_bits", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("recent_count", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("is_flapping", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("was_known", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("fresh_until", sa.BigInteger(), nullable=True),
        sa.Column("last_at", sa.BigInteger(), nullable=True),
        sa.Column("last_begun_at", sa.BigInteger(), nullable=True),
        sa.Column(
            "last_outcome",
            sa.Enum(
                "ok",
                "slow",
                "fail",
                "error",
                "invalid",
                name="outcome",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=True,
        ),
        sa.Column(
            "last_class",
            sa.Enum("down", "content", "tls", name="failclass", native_enum=False, create_constraint=True, length=24),
            nullable=True,
        ),
        sa.Column("last_code", sa.String(length=40), nullable=True),
        sa.Column("last_error", sa.String(length=200), nullable=True),
        sa.Column("last_latency_ms", sa.Double(), nullable=True),
        sa.Column("probe_soon_until", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("failures >= 0 AND successes >= 0", name=op.f("ck_check_states_counters")),
        sa.ForeignKeyConstraint(["check_id"], ["cloud_pod_health_checks.id"], name=op.f("fk_check_states_check_id")),
        sa.PrimaryKeyConstraint("check_id", name=op.f("pk_check_states")),
    )
    with op.batch_alter_table("check_states", schema=None) as batch_op:
        batch_op.create_index("ix_check_states_due", ["vantage", "next_at"], unique=False)
        batch_op.create_index("ix_check_states_fresh", ["tenant_id", "fresh_until"], unique=False)
        batch_op.create_index("ix_check_states_pod", ["pod_id"], unique=False)

    op.create_table(
        "cloud_pod_auto_heal_events",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("tenant_id", BIG_ID, nullable=False),
        sa.Column("pod_id", BIG_ID, nullable=False),
        sa.Column("node_id", BIG_ID, nullable=True),
        sa.Column("policy_id", BIG_ID, nullable=True),
        sa.Column("policy_version", sa.BigInteger(), nullable=True),
        sa.Column("episode_id", BIG_ID, nullable=True),
        sa.Column("decision_id", BIG_ID, nullable=True),
        sa.Column(
            "action",
            sa.Enum(
                "restart",
                "stop",
                "migrate",
                "notify_only",
                name="action",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
        ),
        sa.Column("attempt", sa.BigInteger(), nullable=False),
        sa.Column("of_attempts", sa.BigInteger(), nullable=False),
        sa.Column("nth_of_action", sa.BigInteger(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "planned",
                "running",
                "verifying",
                "succeeded",
                "failed",
                "timed_out",
                "cancelled",
                "skipped",
                name="healstate",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
        ),
        sa.Column("reason", sa.String(length=300), nullable=False),
        sa.Column("error_message", sa.String(length=300), nullable=True),
        sa.Column("previous_status", sa.String(length=24), nullable=True),
        sa.Column("new_status", sa.String(length=24), nullable=True),
        sa.Column("trigger_check_id", BIG_ID, nullable=True),
        sa.Column("triggered_at", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=True),
        sa.Column("action_ended_at", sa.BigInteger(), nullable=True),
        sa.Column("start_deadline_at", sa.BigInteger(), nullable=True),
        sa.Column("verify_until", sa.BigInteger(), nullable=True),
        sa.Column("held_since", sa.BigInteger(), nullable=True),
        sa.Column("completed_at", sa.BigInteger(), nullable=True),
        sa.Column("next_step_at", sa.BigInteger(), nullable=True),
        sa.Column("lease_until", sa.BigInteger(), nullable=True),
        sa.Column("fence", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("idempotency_key", sa.String(length=64), nullable=False),
        sa.Column("provider_task", sa.String(length=253), nullable=True),
        sa.Column("provider_state_before", JSON, nullable=True),
        sa.Column("evidence", JSON, nullable=True),
        sa.Column("was_permanent_error", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("requested_by", sa.String(length=200), nullable=True),
        sa.ForeignKeyConstraint(["episode_id"], ["episodes.id"], name=op.f("fk_cloud_pod_auto_heal_events_episode_id")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "pod_id"],
            ["pods.tenant_id", "pods.id"],
            name=op.f("fk_cloud_pod_auto_heal_events_tenant_id_pod_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cloud_pod_auto_heal_events")),
        sa.UniqueConstraint("idempotency_key", name=op.f("uq_cloud_pod_auto_heal_events_idempotency_key")),
    )
    with op.batch_alter_table("cloud_pod_auto_heal_events", schema=None) as batch_op:
        batch_op.create_index("ix_heals_pod_triggered", ["pod_id", "triggered_at"], unique=False)
        batch_op.create_index(
            "ix_heals_step",
            ["next_step_at"],
            unique=False,
            sqlite_where=sa.text("state IN ('planned', 'running', 'verifying')"),
            postgresql_where=sa.text("state IN ('planned', 'running', 'verifying')"),
        )
        batch_op.create_index("ix_heals_tenant_triggered", ["tenant_id", "triggered_at"], unique=False)
        batch_op.create_index(
            "uq_heals_open",
            ["pod_id"],
            unique=True,
            sqlite_where=sa.text("state IN ('planned', 'running', 'verifying')"),
            postgresql_where=sa.text("state IN ('planned', 'running', 'verifying')"),
        )
    guard_audit()


def downgrade() -> None:
    with op.batch_alter_table("cloud_pod_auto_heal_events", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_heals_open",
            sqlite_where=sa.text("state IN ('planned', 'running', 'verifying')"),
            postgresql_where=sa.text("state IN ('planned', 'running', 'verifying')"),
        )
        batch_op.drop_index("ix_heals_tenant_triggered")
        batch_op.drop_index(
            "ix_heals_step",
            sqlite_where=sa.text("state IN ('planned', 'running', 'verifying')"),
            postgresql_where=sa.text("state IN ('planned', 'running', 'verifying')"),
        )
        batch_op.drop_index("ix_heals_pod_triggered")

    op.drop_table("cloud_pod_auto_heal_events")
    with op.batch_alter_table("check_states", schema=None) as batch_op:
        batch_op.drop_index("ix_check_states_pod")
        batch_op.drop_index("ix_check_states_fresh")
        batch_op.drop_index("ix_check_states_due")

    op.drop_table("check_states")
    with op.batch_alter_table("transitions", schema=None) as batch_op:
        batch_op.drop_index("ix_transitions_pod_at")
        batch_op.drop_index("ix_transitions_check_at")

    op.drop_table("transitions")
    with op.batch_alter_table("snoozes", schema=None) as batch_op:
        batch_op.drop_index("ix_snoozes_pod")

    op.drop_table("snoozes")
    with op.batch_alter_table("phase_changes", schema=None) as batch_op:
        batch_op.drop_index("ix_phase_changes_pod_at")

    op.drop_table("phase_changes")
    op.drop_table("heartbeats")
    with op.batch_alter_table("episodes", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_episodes_open", sqlite_where=sa.text("closed_at IS NULL"), postgresql_where=sa.text("closed_at IS NULL")
        )
        batch_op.drop_index("ix_episodes_pod_opened")

    op.drop_table("episodes")
    with op.batch_alter_table("decisions", schema=None) as batch_op:
        batch_op.drop_index("ix_decisions_pod_at")

    op.drop_table("decisions")
    with op.batch_alter_table("cloud_pod_health_status", schema=None) as batch_op:
        batch_op.drop_index("ix_pod_status_tenant_status")
        batch_op.drop_index(
            "ix_pod_status_judge_at",
            sqlite_where=sa.text("judge_at IS NOT NULL"),
            postgresql_where=sa.text("judge_at IS NOT NULL"),
        )

    op.drop_table("cloud_pod_health_status")
    op.drop_table("cloud_pod_health_checks")
    with op.batch_alter_table("sign_in_links", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_sign_in_links_user_id"))

    op.drop_table("sign_in_links")
    with op.batch_alter_table("sessions", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_sessions_user_id"))

    op.drop_table("sessions")
    op.drop_table("policy_versions")
    with op.batch_alter_table("pods", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_pods_tenant_name",
            sqlite_where=sa.text("deleted_at IS NULL"),
            postgresql_where=sa.text("deleted_at IS NULL"),
        )

    op.drop_table("pods")
    with op.batch_alter_table("users", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_users_tenant_id"))

    op.drop_table("users")
    op.drop_table("nodes")
    with op.batch_alter_table("kill_switches", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_kill_switches_tenant_id"))

    op.drop_table("kill_switches")
    with op.batch_alter_table("cloud_pod_auto_heal_policies", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_policies_default",
            sqlite_where=sa.text("is_default AND deleted_at IS NULL"),
            postgresql_where=sa.text("is_default AND deleted_at IS NULL"),
        )
        batch_op.drop_index(batch_op.f("ix_cloud_pod_auto_heal_policies_tenant_id"))

    op.drop_table("cloud_pod_auto_heal_policies")
    with op.batch_alter_table("api_tokens", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_api_tokens_tenant_id"))

    op.drop_table("api_tokens")
    op.drop_table("workers")
    op.drop_table("tick_steps")
    op.drop_table("tenants")
    op.drop_table("submissions")
    with op.batch_alter_table("feed", schema=None) as batch_op:
        batch_op.drop_index("ix_feed_at")

    op.drop_table("feed")
    op.drop_table("cloud_pod_health_results")
    op.drop_table("audit_heads")
    with op.batch_alter_table("audit_entries", schema=None) as batch_op:
        batch_op.drop_index("ix_audit_chain_at")

    op.drop_table("audit_entries")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION audit_entries_refuse()")
