"""Fleet and alerts.

Revision 0002, after 0001.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

OLD_GATES = [
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
]
NEW_GATES = [
    "running",
    "policy",
    "mode_off",
    "kill_switch",
    "snooze",
    "node",
    "blind",
    "evidence",
    "starting",
    "trigger",
    "settling",
    "open_heal",
    "provider",
    "ladder",
    "chronic",
    "cooldown",
    "breaker",
    "budget",
    "concurrency",
    "mode",
]
OLD_KINDS = ["pod", "check", "heal", "decision", "policy", "inventory"]
NEW_KINDS = ["pod", "check", "heal", "decision", "policy", "inventory", "incident", "breaker", "window", "channel"]


def allow_words(table: str, column: str, name: str, words: list[str]) -> None:
    listed = ", ".join(f"'{word}'" for word in words)
    with op.batch_alter_table(table) as batch_op:
        batch_op.drop_constraint(op.f(f"ck_{table}_{name}"), type_="check")
        batch_op.create_check_constraint(op.f(f"ck_{table}_{name}"), sa.text(f"{column} IN ({listed})"))


def upgrade() -> None:
    op.create_table(
        "breakers",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column(
            "scope",
            sa.Enum(
                "tenant", "node", "vantage", name="breakerscope", native_enum=False, create_constraint=True, length=24
            ),
            nullable=False,
        ),
        sa.Column("scope_key", sa.String(length=40), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "closed", "open", "half_open", name="breakerstate", native_enum=False, create_constraint=True, length=24
            ),
            nullable=False,
        ),
        sa.Column("opened_at", sa.BigInteger(), nullable=True),
        sa.Column("half_open_at", sa.BigInteger(), nullable=True),
        sa.Column("calm_since", sa.BigInteger(), nullable=True),
        sa.Column("next_trial_at", sa.BigInteger(), nullable=True),
        sa.Column("suspects", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("rest", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("suspect_limit", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("override_until", sa.BigInteger(), nullable=True),
        sa.Column("override_by", sa.String(length=200), nullable=True),
        sa.Column("override_reason", sa.String(length=200), nullable=True),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_breakers")),
        sa.UniqueConstraint("scope", "scope_key", name=op.f("uq_breakers_scope_scope_key")),
    )
    op.create_table(
        "deliveries",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("tenant_id", BIG_ID, nullable=False),
        sa.Column("message_id", BIG_ID, nullable=False),
        sa.Column("channel_id", BIG_ID, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("nth", sa.BigInteger(), nullable=False),
        sa.Column("ok", sa.Boolean(), nullable=False),
        sa.Column("code", sa.String(length=40), nullable=True),
        sa.Column("error", sa.String(length=300), nullable=True),
        sa.Column("took_ms", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
    )
    with op.batch_alter_table("deliveries", schema=None) as batch_op:
        batch_op.create_index("ix_deliveries_at", ["at"], unique=False)
        batch_op.create_index("ix_deliveries_channel_at", ["channel_id", "at"], unique=False)
        batch_op.create_index("ix_deliveries_message", ["message_id"], unique=False)

    op.create_table(
        "vantage_references",
        sa.Column("vantage", sa.String(length=40), nullable=False),
        sa.Column("target", sa.String(length=253), nullable=False),
        sa.Column("begun_at", sa.BigInteger(), nullable=True),
        sa.Column("good_begun_at", sa.BigInteger(), nullable=True),
        sa.Column("fails", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("error", sa.String(length=200), nullable=True),
        sa.PrimaryKeyConstraint("vantage", "target", name=op.f("pk_vantage_references")),
    )
    op.create_table(
        "vantages",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("blind_since", sa.BigInteger(), nullable=True),
        sa.Column("blind_reason", sa.String(length=200), nullable=True),
        sa.Column("good_begun_at", sa.BigInteger(), nullable=True),
        sa.Column("checked_at", sa.BigInteger(), nullable=True),
        sa.Column("reference_targets", JSON, nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("reset_after", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_vantages")),
    )
    op.create_table(
        "channels",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("tenant_id", BIG_ID, nullable=False),
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "email",
                "slack",
                "webhook",
                "apprise",
                name="channelkind",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
        ),
        sa.Column("config", JSON, nullable=False),
        sa.Column("enabled", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("broken_since", sa.BigInteger(), nullable=True),
        sa.Column("last_error", sa.String(length=300), nullable=True),
        sa.Column("last_sent_at", sa.BigInteger(), nullable=True),
        sa.Column("version", sa.BigInteger(), server_default="1", nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("deleted_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_channels_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_channels")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_channels_tenant_id_id")),
    )
    with op.batch_alter_table("channels", schema=None) as batch_op:
        batch_op.create_index(
            "uq_channels_tenant_name",
            ["tenant_id", "name"],
            unique=True,
            sqlite_where=sa.text("deleted_at IS NULL"),
            postgresql_where=sa.text("deleted_at IS NULL"),
        )

    op.create_table(
        "incidents",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("tenant_id", BIG_ID, nullable=False),
        sa.Column(
            "cause",
            sa.Enum(
                "node",
                "vantage",
                "breaker",
                "pod",
                name="incidentcause",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
        ),
        sa.Column("cause_key", sa.String(length=80), nullable=False),
        sa.Column(
            "severity",
            sa.Enum(
                "critical", "warning", name="incident_severity", native_enum=False, create_constraint=True, length=24
            ),
            nullable=False,
        ),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("bad_since", sa.BigInteger(), nullable=True),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("recovered_at", sa.BigInteger(), nullable=True),
        sa.Column("close_reason", sa.String(length=60), nullable=True),
        sa.Column("acknowledged_at", sa.BigInteger(), nullable=True),
        sa.Column("acknowledged_by", sa.String(length=200), nullable=True),
        sa.Column("acknowledged_until", sa.BigInteger(), nullable=True),
        sa.Column("acknowledge_note", sa.String(length=200), nullable=True),
        sa.Column("check_at", sa.BigInteger(), nullable=True),
        sa.Column("cause_ended_at", sa.BigInteger(), nullable=True),
        sa.Column("merged_into", BIG_ID, nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_incidents_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incidents")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_incidents_tenant_id_id")),
    )
    with op.batch_alter_table("incidents", schema=None) as batch_op:
        batch_op.create_index(
            "ix_incidents_check_at",
            ["check_at"],
            unique=False,
            sqlite_where=sa.text("check_at IS NOT NULL"),
            postgresql_where=sa.text("check_at IS NOT NULL"),
        )
        batch_op.create_index("ix_incidents_tenant_opened", ["tenant_id", "opened_at"], unique=False)
        batch_op.create_index(
            "uq_incidents_open",
            ["tenant_id", "cause_key"],
            unique=True,
            sqlite_where=sa.text("recovered_at IS NULL"),
            postgresql_where=sa.text("recovered_at IS NULL"),
        )

    op.create_table(
        "maintenance_windows",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("tenant_id", BIG_ID, nullable=False),
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.Column("zone", sa.String(length=64), nullable=False),
        sa.Column("starts", sa.String(length=16), nullable=False),
        sa.Column("minutes", sa.BigInteger(), nullable=False),
        sa.Column("recurrence", sa.String(length=200), nullable=True),
        sa.Column(
            "holds",
            sa.Enum(
                "heals_and_alerts", "alerts", name="window_holds", native_enum=False, create_constraint=True, length=24
            ),
            nullable=False,
        ),
        sa.Column("all_pods", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("tags", JSON, nullable=False),
        sa.Column("pod_ids", JSON, nullable=False),
        sa.Column("node_ids", JSON, nullable=False),
        sa.Column("enabled", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("open_since", sa.BigInteger(), nullable=True),
        sa.Column("open_until", sa.BigInteger(), nullable=True),
        sa.Column("next_change_at", sa.BigInteger(), nullable=True),
        sa.Column("skip_until", sa.BigInteger(), nullable=True),
        sa.Column("version", sa.BigInteger(), server_default="1", nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("deleted_at", sa.BigInteger(), nullable=True),
        sa.Column("extended_until", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_maintenance_windows_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_maintenance_windows")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_maintenance_windows_tenant_id_id")),
    )
    with op.batch_alter_table("maintenance_windows", schema=None) as batch_op:
        batch_op.create_index("ix_windows_next", ["next_change_at"], unique=False)
        batch_op.create_index(
            "uq_windows_tenant_name",
            ["tenant_id", "name"],
            unique=True,
            sqlite_where=sa.text("deleted_at IS NULL"),
            postgresql_where=sa.text("deleted_at IS NULL"),
        )

    op.create_table(
        "notices",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("tenant_id", BIG_ID, nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "unhealthy",
                "degraded",
                "recovered",
                "node_unreachable",
                "node_back",
                "vantage_blind",
                "vantage_back",
                "heal_started",
                "heal_succeeded",
                "heal_failed",
                "exhausted",
                "notify_only",
                "held",
                "locked",
                "breaker_open",
                "breaker_half_open",
                "breaker_closed",
                "approval_wanted",
                "flapping",
                "flapping_ended",
                "chronic",
                "stopped",
                "left",
                name="noticekind",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
        ),
        sa.Column("cause_key", sa.String(length=80), nullable=False),
        sa.Column(
            "severity",
            sa.Enum(
                "critical", "warning", name="notice_severity", native_enum=False, create_constraint=True, length=24
            ),
            nullable=False,
        ),
        sa.Column("incident_id", BIG_ID, nullable=True),
        sa.Column("pod_id", BIG_ID, nullable=True),
        sa.Column("text", sa.String(length=300), nullable=False),
        sa.Column("facts", JSON, nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("grouped_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_notices_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notices")),
        sa.UniqueConstraint("tenant_id", "cause_key", name=op.f("uq_notices_tenant_id_cause_key")),
    )
    with op.batch_alter_table("notices", schema=None) as batch_op:
        batch_op.create_index("ix_notices_at", ["at"], unique=False)
        batch_op.create_index("ix_notices_incident", ["incident_id"], unique=False)
        batch_op.create_index(
            "ix_notices_new",
            ["id"],
            unique=False,
            sqlite_where=sa.text("grouped_at IS NULL"),
            postgresql_where=sa.text("grouped_at IS NULL"),
        )

    op.create_table(
        "heal_slots",
        sa.Column("node_id", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("heal_id", BIG_ID, nullable=False),
        sa.Column("pod_id", BIG_ID, nullable=False),
        sa.Column("taken_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["node_id"], ["nodes.id"], name=op.f("fk_heal_slots_node_id")),
        sa.PrimaryKeyConstraint("node_id", name=op.f("pk_heal_slots")),
    )
    op.create_table(
        "messages",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("public_id", sa.String(length=40), nullable=False),
        sa.Column("tenant_id", BIG_ID, nullable=False),
        sa.Column("channel_id", BIG_ID, nullable=False),
        sa.Column("incident_id", BIG_ID, nullable=True),
        sa.Column(
            "kind",
            sa.Enum(
                "first",
                "change",
                "reminder",
                "end",
                "notice",
                "test",
                name="messagekind",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
        ),
        sa.Column(
            "severity",
            sa.Enum(
                "critical", "warning", name="message_severity", native_enum=False, create_constraint=True, length=24
            ),
            nullable=False,
        ),
        sa.Column("subject", sa.String(length=200), nullable=False),
        sa.Column("body", JSON, nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "waiting",
                "sent",
                "dead",
                "dropped",
                "gathering",
                name="messagestate",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
        ),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("lease_until", sa.BigInteger(), nullable=True),
        sa.Column("fence", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("sent_at", sa.BigInteger(), nullable=True),
        sa.Column("last_error", sa.String(length=300), nullable=True),
        sa.Column("thread_id", BIG_ID, nullable=True),
        sa.Column("composed_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id", "channel_id"],
            ["channels.tenant_id", "channels.id"],
            name=op.f("fk_messages_tenant_id_channel_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_messages")),
        sa.UniqueConstraint("public_id", name=op.f("uq_messages_public_id")),
    )
    with op.batch_alter_table("messages", schema=None) as batch_op:
        batch_op.create_index("ix_messages_channel", ["channel_id", "created_at"], unique=False)
        batch_op.create_index(
            "ix_messages_due",
            ["due_at"],
            unique=False,
            sqlite_where=sa.text("state = 'waiting'"),
            postgresql_where=sa.text("state = 'waiting'"),
        )
        batch_op.create_index(
            "ix_messages_gathering",
            ["due_at"],
            unique=False,
            sqlite_where=sa.text("state = 'gathering'"),
            postgresql_where=sa.text("state = 'gathering'"),
        )
        batch_op.create_index("ix_messages_incident", ["incident_id"], unique=False)
        batch_op.create_index("ix_messages_thread", ["thread_id"], unique=False)

    op.create_table(
        "tellings",
        sa.Column("channel_id", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("incident_id", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("tenant_id", BIG_ID, nullable=False),
        sa.Column("thread_id", BIG_ID, nullable=False),
        sa.Column("told_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id", "channel_id"],
            ["channels.tenant_id", "channels.id"],
            name=op.f("fk_tellings_tenant_id_channel_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "incident_id"],
            ["incidents.tenant_id", "incidents.id"],
            name=op.f("fk_tellings_tenant_id_incident_id"),
        ),
        sa.PrimaryKeyConstraint("channel_id", "incident_id", name=op.f("pk_tellings")),
    )
    with op.batch_alter_table("tellings", schema=None) as batch_op:
        batch_op.create_index("ix_tellings_incident", ["incident_id"], unique=False)
        batch_op.create_index("ix_tellings_thread", ["thread_id"], unique=False)
        batch_op.create_index(
            "ix_tellings_open",
            ["told_at"],
            unique=False,
            sqlite_where=sa.text("ended_at IS NULL"),
            postgresql_where=sa.text("ended_at IS NULL"),
        )

    op.create_table(
        "routes",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("tenant_id", BIG_ID, nullable=False),
        sa.Column("channel_id", BIG_ID, nullable=False),
        sa.Column("tags", JSON, nullable=False),
        sa.Column(
            "severity",
            sa.Enum("critical", "warning", name="route_severity", native_enum=False, create_constraint=True, length=24),
            nullable=False,
        ),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "channel_id"],
            ["channels.tenant_id", "channels.id"],
            name=op.f("fk_routes_tenant_id_channel_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_routes")),
    )
    with op.batch_alter_table("routes", schema=None) as batch_op:
        batch_op.create_index("ix_routes_channel", ["channel_id"], unique=False)

    op.create_table(
        "breaker_holds",
        sa.Column("breaker_id", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("pod_id", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("tenant_id", BIG_ID, nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["breaker_id"], ["breakers.id"], name=op.f("fk_breaker_holds_breaker_id")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "pod_id"], ["pods.tenant_id", "pods.id"], name=op.f("fk_breaker_holds_tenant_id_pod_id")
        ),
        sa.PrimaryKeyConstraint("breaker_id", "pod_id", name=op.f("pk_breaker_holds")),
    )
    with op.batch_alter_table("breaker_holds", schema=None) as batch_op:
        batch_op.create_index("ix_breaker_holds_pod", ["pod_id"], unique=False)

    op.create_table(
        "incident_members",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("tenant_id", BIG_ID, nullable=False),
        sa.Column("incident_id", BIG_ID, nullable=False),
        sa.Column("pod_id", BIG_ID, nullable=False),
        sa.Column("joined_at", sa.BigInteger(), nullable=False),
        sa.Column("bad_since", sa.BigInteger(), nullable=True),
        sa.Column("healthy_since", sa.BigInteger(), nullable=True),
        sa.Column("left_at", sa.BigInteger(), nullable=True),
        sa.Column("left_reason", sa.String(length=60), nullable=True),
        sa.Column(
            "told",
            sa.Enum(
                "unhealthy",
                "degraded",
                "recovered",
                "node_unreachable",
                "node_back",
                "vantage_blind",
                "vantage_back",
                "heal_started",
                "heal_succeeded",
                "heal_failed",
                "exhausted",
                "notify_only",
                "held",
                "locked",
                "breaker_open",
                "breaker_half_open",
                "breaker_closed",
                "approval_wanted",
                "flapping",
                "flapping_ended",
                "chronic",
                "stopped",
                "left",
                name="member_told",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=True,
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "incident_id"],
            ["incidents.tenant_id", "incidents.id"],
            name=op.f("fk_incident_members_tenant_id_incident_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "pod_id"], ["pods.tenant_id", "pods.id"], name=op.f("fk_incident_members_tenant_id_pod_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incident_members")),
    )
    with op.batch_alter_table("incident_members", schema=None) as batch_op:
        batch_op.create_index("ix_incident_members_incident", ["incident_id"], unique=False)
        batch_op.create_index(
            "uq_incident_members_in",
            ["pod_id"],
            unique=True,
            sqlite_where=sa.text("left_at IS NULL"),
            postgresql_where=sa.text("left_at IS NULL"),
        )

    op.create_table(
        "approvals",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("tenant_id", BIG_ID, nullable=False),
        sa.Column("pod_id", BIG_ID, nullable=False),
        sa.Column("episode_id", BIG_ID, nullable=False),
        sa.Column("decision_id", BIG_ID, nullable=True),
        sa.Column("heal_id", BIG_ID, nullable=True),
        sa.Column(
            "action",
            sa.Enum(
                "restart",
                "stop",
                "migrate",
                "notify_only",
                name="approval_action",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
        ),
        sa.Column("attempt", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(length=300), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "wanted",
                "approved",
                "rejected",
                "lapsed",
                name="approvalstate",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
        ),
        sa.Column("wanted_at", sa.BigInteger(), nullable=False),
        sa.Column("lapses_at", sa.BigInteger(), nullable=False),
        sa.Column("answered_at", sa.BigInteger(), nullable=True),
        sa.Column("answered_by", sa.String(length=200), nullable=True),
        sa.Column("note", sa.String(length=300), nullable=True),
        sa.ForeignKeyConstraint(["episode_id"], ["episodes.id"], name=op.f("fk_approvals_episode_id")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "pod_id"], ["pods.tenant_id", "pods.id"], name=op.f("fk_approvals_tenant_id_pod_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approvals")),
    )
    with op.batch_alter_table("approvals", schema=None) as batch_op:
        batch_op.create_index("ix_approvals_pod", ["pod_id", "wanted_at"], unique=False)
        batch_op.create_index(
            "uq_approvals_wanted",
            ["pod_id"],
            unique=True,
            sqlite_where=sa.text("state = 'wanted'"),
            postgresql_where=sa.text("state = 'wanted'"),
        )

    op.create_table(
        "shadow_heals",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("tenant_id", BIG_ID, nullable=False),
        sa.Column("pod_id", BIG_ID, nullable=False),
        sa.Column("node_id", BIG_ID, nullable=True),
        sa.Column("episode_id", BIG_ID, nullable=False),
        sa.Column("policy_id", BIG_ID, nullable=False),
        sa.Column("policy_version", sa.BigInteger(), nullable=False),
        sa.Column("decision_id", BIG_ID, nullable=True),
        sa.Column(
            "action",
            sa.Enum(
                "restart",
                "stop",
                "migrate",
                "notify_only",
                name="shadow_action",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
        ),
        sa.Column("attempt", sa.BigInteger(), nullable=False),
        sa.Column("nth_of_action", sa.BigInteger(), nullable=False),
        sa.Column("of_attempts", sa.BigInteger(), nullable=False),
        sa.Column("cost", sa.BigInteger(), server_default="1", nullable=False),
        sa.Column("reason", sa.String(length=300), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["episode_id"], ["episodes.id"], name=op.f("fk_shadow_heals_episode_id")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "pod_id"], ["pods.tenant_id", "pods.id"], name=op.f("fk_shadow_heals_tenant_id_pod_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shadow_heals")),
    )
    with op.batch_alter_table("shadow_heals", schema=None) as batch_op:
        batch_op.create_index("ix_shadow_heals_pod_at", ["pod_id", "at"], unique=False)
        batch_op.create_index("ix_shadow_heals_tenant_at", ["tenant_id", "at"], unique=False)

    with op.batch_alter_table("cloud_pod_auto_heal_events", schema=None) as batch_op:
        batch_op.add_column(sa.Column("called_at", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("cost", sa.BigInteger(), server_default="1", nullable=False))

    with op.batch_alter_table("episodes", schema=None) as batch_op:
        batch_op.add_column(sa.Column("shadow_attempts", sa.BigInteger(), server_default="0", nullable=False))

    with op.batch_alter_table("cloud_pod_health_status", schema=None) as batch_op:
        batch_op.add_column(sa.Column("chronic_acknowledged_at", sa.BigInteger(), nullable=True))
        batch_op.add_column(
            sa.Column(
                "hold_gate",
                sa.Enum(
                    "running",
                    "policy",
                    "mode_off",
                    "kill_switch",
                    "snooze",
                    "node",
                    "blind",
                    "evidence",
                    "starting",
                    "trigger",
                    "settling",
                    "open_heal",
                    "provider",
                    "ladder",
                    "chronic",
                    "cooldown",
                    "breaker",
                    "budget",
                    "concurrency",
                    "mode",
                    name="hold_gate",
                    native_enum=False,
                    create_constraint=True,
                    length=24,
                ),
                nullable=True,
            )
        )
        batch_op.add_column(sa.Column("hold_since", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("hold_told_at", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("heal_wanted_since", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("tell_at", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("flapping_told_at", sa.BigInteger(), nullable=True))
        batch_op.create_index(
            "ix_pod_status_unreachable",
            ["unreachable_since"],
            unique=False,
            sqlite_where=sa.text("unreachable_since IS NOT NULL"),
            postgresql_where=sa.text("unreachable_since IS NOT NULL"),
        )
        batch_op.create_index(
            "ix_pod_status_tell_at",
            ["tell_at"],
            unique=False,
            sqlite_where=sa.text("tell_at IS NOT NULL"),
            postgresql_where=sa.text("tell_at IS NOT NULL"),
        )

    with op.batch_alter_table("nodes", schema=None) as batch_op:
        batch_op.add_column(sa.Column("unreachable_since", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("unreachable_reason", sa.String(length=200), nullable=True))
        batch_op.add_column(sa.Column("said_down_at", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("said_up_at", sa.BigInteger(), nullable=True))
    op.create_index(
        "ix_pod_status_wanted",
        "cloud_pod_health_status",
        ["heal_wanted_since"],
        unique=False,
        sqlite_where=sa.text("heal_wanted_since IS NOT NULL"),
        postgresql_where=sa.text("heal_wanted_since IS NOT NULL"),
    )
    op.create_index(
        "ix_check_states_failing",
        "check_states",
        ["bad_since"],
        unique=False,
        sqlite_where=sa.text("bad_since IS NOT NULL"),
        postgresql_where=sa.text("bad_since IS NOT NULL"),
    )
    allow_words("decisions", "gate", "gate", NEW_GATES)
    allow_words("feed", "kind", "feedkind", NEW_KINDS)


def downgrade() -> None:
    # What the older program has no word for: holds without their gate, and pushes that nobody waits for any more.
    gone = ", ".join(f"'{gate}'" for gate in NEW_GATES if gate not in OLD_GATES)
    op.execute(f"UPDATE decisions SET gate = NULL WHERE gate IN ({gone})")
    gone = ", ".join(f"'{kind}'" for kind in NEW_KINDS if kind not in OLD_KINDS)
    op.execute(f"UPDATE feed SET kind = 'inventory' WHERE kind IN ({gone})")
    allow_words("decisions", "gate", "gate", OLD_GATES)
    allow_words("feed", "kind", "feedkind", OLD_KINDS)
    op.drop_index("ix_check_states_failing", "check_states")
    op.drop_index("ix_pod_status_wanted", "cloud_pod_health_status")
    with op.batch_alter_table("nodes", schema=None) as batch_op:
        batch_op.drop_column("said_up_at")
        batch_op.drop_column("said_down_at")
        batch_op.drop_column("unreachable_reason")
        batch_op.drop_column("unreachable_since")

    with op.batch_alter_table("cloud_pod_health_status", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_pod_status_unreachable",
            sqlite_where=sa.text("unreachable_since IS NOT NULL"),
            postgresql_where=sa.text("unreachable_since IS NOT NULL"),
        )
        batch_op.drop_index(
            "ix_pod_status_tell_at",
            sqlite_where=sa.text("tell_at IS NOT NULL"),
            postgresql_where=sa.text("tell_at IS NOT NULL"),
        )
        batch_op.drop_column("flapping_told_at")
        batch_op.drop_column("tell_at")
        batch_op.drop_column("heal_wanted_since")
        batch_op.drop_column("hold_told_at")
        batch_op.drop_column("hold_since")
        batch_op.drop_constraint(op.f("ck_cloud_pod_health_status_hold_gate"), type_="check")
        batch_op.drop_column("hold_gate")
        batch_op.drop_column("chronic_acknowledged_at")

    # Not in a batch: the table that it would build anew gives ids again, and the way up would not know it.
    op.drop_column("cloud_pod_auto_heal_events", "cost")
    op.drop_column("cloud_pod_auto_heal_events", "called_at")

    with op.batch_alter_table("episodes", schema=None) as batch_op:
        batch_op.drop_column("shadow_attempts")

    with op.batch_alter_table("shadow_heals", schema=None) as batch_op:
        batch_op.drop_index("ix_shadow_heals_tenant_at")
        batch_op.drop_index("ix_shadow_heals_pod_at")

    op.drop_table("shadow_heals")
    with op.batch_alter_table("approvals", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_approvals_wanted",
            sqlite_where=sa.text("state = 'wanted'"),
            postgresql_where=sa.text("state = 'wanted'"),
        )
        batch_op.drop_index("ix_approvals_pod")

    op.drop_table("approvals")
    with op.batch_alter_table("incident_members", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_incident_members_in",
            sqlite_where=sa.text("left_at IS NULL"),
            postgresql_where=sa.text("left_at IS NULL"),
        )
        batch_op.drop_index("ix_incident_members_incident")

    op.drop_table("incident_members")
    with op.batch_alter_table("breaker_holds", schema=None) as batch_op:
        batch_op.drop_index("ix_breaker_holds_pod")

    op.drop_table("breaker_holds")
    with op.batch_alter_table("routes", schema=None) as batch_op:
        batch_op.drop_index("ix_routes_channel")

    op.drop_table("routes")
    with op.batch_alter_table("tellings", schema=None) as batch_op:
        batch_op.drop_index("ix_tellings_incident")
        batch_op.drop_index("ix_tellings_thread")
        batch_op.drop_index(
            "ix_tellings_open", sqlite_where=sa.text("ended_at IS NULL"), postgresql_where=sa.text("ended_at IS NULL")
        )

    op.drop_table("tellings")
    with op.batch_alter_table("messages", schema=None) as batch_op:
        batch_op.drop_index("ix_messages_incident")
        batch_op.drop_index(
            "ix_messages_due", sqlite_where=sa.text("state = 'waiting'"), postgresql_where=sa.text("state = 'waiting'")
        )
        batch_op.drop_index("ix_messages_channel")
        batch_op.drop_index(
            "ix_messages_gathering",
            sqlite_where=sa.text("state = 'gathering'"),
            postgresql_where=sa.text("state = 'gathering'"),
        )
        batch_op.drop_index("ix_messages_thread")

    op.drop_table("messages")
    op.drop_table("heal_slots")
    with op.batch_alter_table("notices", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_notices_new", sqlite_where=sa.text("grouped_at IS NULL"), postgresql_where=sa.text("grouped_at IS NULL")
        )
        batch_op.drop_index("ix_notices_incident")
        batch_op.drop_index("ix_notices_at")

    op.drop_table("notices")
    with op.batch_alter_table("maintenance_windows", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_windows_tenant_name",
            sqlite_where=sa.text("deleted_at IS NULL"),
            postgresql_where=sa.text("deleted_at IS NULL"),
        )
        batch_op.drop_index("ix_windows_next")

    op.drop_table("maintenance_windows")
    with op.batch_alter_table("incidents", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_incidents_open",
            sqlite_where=sa.text("recovered_at IS NULL"),
            postgresql_where=sa.text("recovered_at IS NULL"),
        )
        batch_op.drop_index("ix_incidents_tenant_opened")
        batch_op.drop_index(
            "ix_incidents_check_at",
            sqlite_where=sa.text("check_at IS NOT NULL"),
            postgresql_where=sa.text("check_at IS NOT NULL"),
        )

    op.drop_table("incidents")
    with op.batch_alter_table("channels", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_channels_tenant_name",
            sqlite_where=sa.text("deleted_at IS NULL"),
            postgresql_where=sa.text("deleted_at IS NULL"),
        )

    op.drop_table("channels")
    op.drop_table("vantages")
    op.drop_table("vantage_references")
    with op.batch_alter_table("deliveries", schema=None) as batch_op:
        batch_op.drop_index("ix_deliveries_message")
        batch_op.drop_index("ix_deliveries_channel_at")
        batch_op.drop_index("ix_deliveries_at")

    op.drop_table("deliveries")
    op.drop_table("breakers")
