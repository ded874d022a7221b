"""Dashboard.

Revision 0003, after 0002.
"""

import re

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
OLD_KINDS = ["pod", "check", "heal", "decision", "policy", "inventory", "incident", "breaker", "window", "channel"]
NEW_KINDS = [*OLD_KINDS, "switch", "approval"]
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")

revision = '0003'
down_revision = '0002'
branch_labels = None
depends_on = None


def allow_kinds(kinds: list[str]) -> None:
    listed = ", ".join(f"'{kind}'" for kind in kinds)
    with op.batch_alter_table("feed") as batch_op:
        batch_op.drop_constraint(op.f("ck_feed_feedkind"), type_="check")
        batch_op.create_check_constraint(op.f("ck_feed_feedkind"), sa.text(f"kind IN ({listed})"))


def never_again(table: str) -> None:
    """Have SQLite give no id of this table twice: it must be built anew for that.

    From its own text: what Alembic reads of a table lacks the constraints.
    """
    conn = op.get_bind()
    if conn.dialect.name != "sqlite":
        return
    told = conn.exec_driver_sql("SELECT type, sql FROM sqlite_master WHERE tbl_name = ? AND sql IS NOT NULL", (table,))
    texts = [(row.type, row.sql) for row in told]
    (text,) = (sql for kind, sql in texts if kind == "table")
    if "AUTOINCREMENT" in text:  # was there before, and was stepped back from
        return
    new = re.sub(r"^CREATE TABLE [\"']?\w+[\"']?", f'CREATE TABLE "new_{table}"', text)
    new = re.sub(rf",\s*(CONSTRAINT pk_{table} )?PRIMARY KEY \(id\)", "", new)
    new = re.sub(r"\bid INTEGER NOT NULL", "id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT", new, count=1)
    conn.exec_driver_sql(new)
    conn.exec_driver_sql(f'INSERT INTO "new_{table}" SELECT * FROM "{table}"')
    conn.exec_driver_sql(f'DROP TABLE "{table}"')
    conn.exec_driver_sql(f'ALTER TABLE "new_{table}" RENAME TO "{table}"')
    for kind, sql in texts:
        if kind != "table":
            conn.exec_driver_sql(sql)


def upgrade() -> None:
    allow_kinds(NEW_KINDS)
    op.create_table('rollups_1h',
    sa.Column('check_id', BIG_ID, autoincrement=False, nullable=False),
    sa.Column('at', sa.BigInteger(), nullable=False),
    sa.Column('tenant_id', BIG_ID, nullable=False),
    sa.Column('pod_id', BIG_ID, nullable=False),
    sa.Column('ok', sa.BigInteger(), nullable=False),
    sa.Column('slow', sa.BigInteger(), nullable=False),
    sa.Column('fail', sa.BigInteger(), nullable=False),
    sa.Column('error', sa.BigInteger(), nullable=False),
    sa.Column('invalid', sa.BigInteger(), nullable=False),
    sa.Column('timed', sa.BigInteger(), nullable=False),
    sa.Column('sum_ms', sa.Double(), nullable=False),
    sa.Column('max_ms', sa.Double(), nullable=True),
    sa.Column('latencies', sa.LargeBinary(), nullable=False),
    sa.PrimaryKeyConstraint('check_id', 'at', name=op.f('pk_rollups_1h')),
    sqlite_with_rowid=False
    )
    with op.batch_alter_table('rollups_1h', schema=None) as batch_op:
        batch_op.create_index('ix_rollups_1h_at', ['at'], unique=False)

    op.create_table('rollups_5min',
    sa.Column('check_id', BIG_ID, autoincrement=False, nullable=False),
    sa.Column('at', sa.BigInteger(), nullable=False),
    sa.Column('tenant_id', BIG_ID, nullable=False),
    sa.Column('pod_id', BIG_ID, nullable=False),
    sa.Column('ok', sa.BigInteger(), nullable=False),
    sa.Column('slow', sa.BigInteger(), nullable=False),
    sa.Column('fail', sa.BigInteger(), nullable=False),
    sa.Column('error', sa.BigInteger(), nullable=False),
    sa.Column('invalid', sa.BigInteger(), nullable=False),
    sa.Column('timed', sa.BigInteger(), nullable=False),
    sa.Column('sum_ms', sa.Double(), nullable=False),
    sa.Column('max_ms', sa.Double(), nullable=True),
    sa.Column('latencies', sa.LargeBinary(), nullable=False),
    sa.PrimaryKeyConstraint('check_id', 'at', name=op.f('pk_rollups_5min')),
    sqlite_with_rowid=False
    )
    with op.batch_alter_table('rollups_5min', schema=None) as batch_op:
        batch_op.create_index('ix_rollups_5min_at', ['at'], unique=False)

    op.create_table('rollup_marks',
    sa.Column('check_id', BIG_ID, autoincrement=False, nullable=False),
    sa.Column('token', sa.BigInteger(), nullable=False),
    sa.Column('made_until', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('check_id', name=op.f('pk_rollup_marks'))
    )
    op.create_table('invitations',
    sa.Column('id', BIG_ID, autoincrement=True, nullable=False),
    sa.Column('tenant_id', BIG_ID, nullable=False),
    sa.Column('email', sa.String(length=254), nullable=False),
    sa.Column('role', sa.Enum('viewer', 'operator', 'admin', 'platform', name='invitation_role', native_enum=False, create_constraint=True, length=24), nullable=False),
    sa.Column('token_hash', sa.String(length=64), nullable=False),
    sa.Column('created_by', sa.String(length=200), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.Column('expires_at', sa.BigInteger(), nullable=False),
    sa.Column('accepted_at', sa.BigInteger(), nullable=True),
    sa.Column('revoked_at', sa.BigInteger(), nullable=True),
    sa.ForeignKeyConstraint(['tenant_id'], ['tenants.id'], name=op.f('fk_invitations_tenant_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_invitations')),
    sa.UniqueConstraint('token_hash', name=op.f('uq_invitations_token_hash'))
    )
    with op.batch_alter_table('invitations', schema=None) as batch_op:
        batch_op.create_index('ix_invitations_tenant', ['tenant_id', 'expires_at'], unique=False)

    op.create_table('policy_drafts',
    sa.Column('id', BIG_ID, autoincrement=True, nullable=False),
    sa.Column('tenant_id', BIG_ID, nullable=False),
    sa.Column('policy_id', BIG_ID, nullable=True),
    sa.Column('body', JSON, nullable=False),
    sa.Column('created_by', sa.String(length=200), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.Column('expires_at', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['tenant_id'], ['tenants.id'], name=op.f('fk_policy_drafts_tenant_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_policy_drafts')),
    sqlite_autoincrement=True
    )
    with op.batch_alter_table('policy_drafts', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_policy_drafts_tenant_id'), ['tenant_id'], unique=False)

    op.create_table('status_pages',
    sa.Column('tenant_id', BIG_ID, autoincrement=False, nullable=False),
    sa.Column('slug', sa.String(length=63), nullable=False),
    sa.Column('title', sa.String(length=80), nullable=False),
    sa.Column('is_on', sa.Boolean(), server_default=sa.false(), nullable=False),
    sa.Column('shows_incidents', sa.Boolean(), server_default=sa.true(), nullable=False),
    sa.Column('shows_windows', sa.Boolean(), server_default=sa.true(), nullable=False),
    sa.Column('version', sa.BigInteger(), server_default='1', nullable=False),
    sa.Column('updated_at', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['tenant_id'], ['tenants.id'], name=op.f('fk_status_pages_tenant_id')),
    sa.PrimaryKeyConstraint('tenant_id', name=op.f('pk_status_pages')),
    sa.UniqueConstraint('slug', name=op.f('uq_status_pages_slug'))
    )
    op.create_table('wall_links',
    sa.Column('id', BIG_ID, autoincrement=True, nullable=False),
    sa.Column('tenant_id', BIG_ID, nullable=False),
    sa.Column('name', sa.String(length=63), nullable=False),
    sa.Column('token_hash', sa.String(length=64), nullable=False),
    sa.Column('hint', sa.String(length=8), nullable=False),
    sa.Column('created_by', sa.String(length=200), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.Column('expires_at', sa.BigInteger(), nullable=True),
    sa.Column('last_used_at', sa.BigInteger(), nullable=True),
    sa.Column('revoked_at', sa.BigInteger(), nullable=True),
    sa.ForeignKeyConstraint(['tenant_id'], ['tenants.id'], name=op.f('fk_wall_links_tenant_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_wall_links')),
    sa.UniqueConstraint('token_hash', name=op.f('uq_wall_links_token_hash'))
    )
    with op.batch_alter_table('wall_links', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_wall_links_tenant_id'), ['tenant_id'], unique=False)

    op.create_table('incident_updates',
    sa.Column('id', BIG_ID, autoincrement=True, nullable=False),
    sa.Column('tenant_id', BIG_ID, nullable=False),
    sa.Column('incident_id', BIG_ID, nullable=False),
    sa.Column('state', sa.Enum('investigating', 'identified', 'monitoring', 'resolved', name='publicstate', native_enum=False, create_constraint=True, length=24), nullable=False),
    sa.Column('text', sa.String(length=500), nullable=False),
    sa.Column('at', sa.BigInteger(), nullable=False),
    sa.Column('by', sa.String(length=200), nullable=False),
    sa.ForeignKeyConstraint(['tenant_id', 'incident_id'], ['incidents.tenant_id', 'incidents.id'], name=op.f('fk_incident_updates_tenant_id_incident_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_incident_updates'))
    )
    with op.batch_alter_table('incident_updates', schema=None) as batch_op:
        batch_op.create_index('ix_incident_updates_incident', ['incident_id', 'at'], unique=False)

    with op.batch_alter_table('channels', schema=None) as batch_op:
        batch_op.add_column(sa.Column('secret_set_at', sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column('secret_hint', sa.String(length=8), nullable=True))

    with op.batch_alter_table('messages', schema=None) as batch_op:
        batch_op.create_index('ix_messages_tenant', ['tenant_id', 'id'], unique=False)

    op.create_table('incident_entries',
    sa.Column('id', BIG_ID, autoincrement=True, nullable=False),
    sa.Column('tenant_id', BIG_ID, nullable=False),
    sa.Column('incident_id', BIG_ID, nullable=False),
    sa.Column('deed', sa.Enum('noted', 'acknowledged', 'gave_back', name='deed', native_enum=False, create_constraint=True, length=24), nullable=False),
    sa.Column('text', sa.String(length=500), nullable=True),
    sa.Column('until', sa.BigInteger(), nullable=True),
    sa.Column('at', sa.BigInteger(), nullable=False),
    sa.Column('by', sa.String(length=200), nullable=False),
    sa.ForeignKeyConstraint(['tenant_id', 'incident_id'], ['incidents.tenant_id', 'incidents.id'], name=op.f('fk_incident_entries_tenant_id_incident_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_incident_entries'))
    )
    with op.batch_alter_table('incident_entries', schema=None) as batch_op:
        batch_op.create_index('ix_incident_entries_incident', ['incident_id', 'at'], unique=False)

    op.create_table('letters',
    sa.Column('id', BIG_ID, autoincrement=True, nullable=False),
    sa.Column('public_id', sa.String(length=40), nullable=False),
    sa.Column('email', sa.String(length=254), nullable=False),
    sa.Column('kind', sa.Enum('invitation', 'reset', 'password_set', name='letterkind', native_enum=False, create_constraint=True, length=24), nullable=False),
    sa.Column('facts', JSON, nullable=False),
    sa.Column('link', sa.String(length=400), nullable=True),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.Column('due_at', sa.BigInteger(), nullable=True),
    sa.Column('attempts', sa.BigInteger(), server_default='0', nullable=False),
    sa.Column('sent_at', sa.BigInteger(), nullable=True),
    sa.Column('error', sa.String(length=200), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_letters')),
    sa.UniqueConstraint('public_id', name=op.f('uq_letters_public_id'))
    )
    with op.batch_alter_table('letters', schema=None) as batch_op:
        batch_op.create_index('ix_letters_at', ['created_at'], unique=False)
        batch_op.create_index('ix_letters_due', ['due_at'], unique=False, sqlite_where=sa.text('due_at IS NOT NULL'), postgresql_where=sa.text('due_at IS NOT NULL'))

    op.create_table('recovery_codes',
    sa.Column('id', BIG_ID, autoincrement=True, nullable=False),
    sa.Column('user_id', BIG_ID, nullable=False),
    sa.Column('code_hash', sa.String(length=64), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.Column('used_at', sa.BigInteger(), nullable=True),
    sa.ForeignKeyConstraint(['user_id'], ['users.id'], name=op.f('fk_recovery_codes_user_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_recovery_codes')),
    sa.UniqueConstraint('user_id', 'code_hash', name=op.f('uq_recovery_codes_user_id_code_hash'))
    )
    with op.batch_alter_table('recovery_codes', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_recovery_codes_user_id'), ['user_id'], unique=False)

    op.create_table('saved_views',
    sa.Column('id', BIG_ID, autoincrement=True, nullable=False),
    sa.Column('tenant_id', BIG_ID, nullable=False),
    sa.Column('user_id', BIG_ID, nullable=True),
    sa.Column('name', sa.String(length=63), nullable=False),
    sa.Column('query', sa.String(length=1000), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['tenant_id'], ['tenants.id'], name=op.f('fk_saved_views_tenant_id')),
    sa.ForeignKeyConstraint(['user_id'], ['users.id'], name=op.f('fk_saved_views_user_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_saved_views')),
    sa.UniqueConstraint('tenant_id', 'user_id', 'name', name=op.f('uq_saved_views_tenant_id_user_id_name')),
    sqlite_autoincrement=True
    )
    with op.batch_alter_table('saved_views', schema=None) as batch_op:
        batch_op.create_index('uq_saved_views_of_tenant', ['tenant_id', 'name'], unique=True, sqlite_where=sa.text('user_id IS NULL'), postgresql_where=sa.text('user_id IS NULL'))

    op.create_table('check_runs',
    sa.Column('id', BIG_ID, autoincrement=True, nullable=False),
    sa.Column('tenant_id', BIG_ID, nullable=False),
    sa.Column('pod_id', BIG_ID, nullable=False),
    sa.Column('check_id', BIG_ID, nullable=True),
    sa.Column('vantage', sa.String(length=40), nullable=False),
    sa.Column('plan', JSON, nullable=False),
    sa.Column('state', sa.Enum('asked', 'taken', 'done', 'lapsed', name='runstate', native_enum=False, create_constraint=True, length=24), nullable=False),
    sa.Column('asked_by', sa.String(length=200), nullable=False),
    sa.Column('asked_at', sa.BigInteger(), nullable=False),
    sa.Column('taken_by', sa.String(length=64), nullable=True),
    sa.Column('answer', JSON, nullable=True),
    sa.Column('done_at', sa.BigInteger(), nullable=True),
    sa.ForeignKeyConstraint(['tenant_id', 'pod_id'], ['pods.tenant_id', 'pods.id'], name=op.f('fk_check_runs_tenant_id_pod_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_check_runs')),
    sqlite_autoincrement=True
    )
    with op.batch_alter_table('check_runs', schema=None) as batch_op:
        batch_op.create_index('ix_check_runs_asked', ['vantage', 'asked_at'], unique=False, sqlite_where=sa.text("state = 'asked'"), postgresql_where=sa.text("state = 'asked'"))
        batch_op.create_index('ix_check_runs_at', ['asked_at'], unique=False)

    op.create_table('status_page_pods',
    sa.Column('pod_id', BIG_ID, autoincrement=False, nullable=False),
    sa.Column('tenant_id', BIG_ID, nullable=False),
    sa.Column('label', sa.String(length=63), nullable=False),
    sa.Column('place', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['tenant_id', 'pod_id'], ['pods.tenant_id', 'pods.id'], name=op.f('fk_status_page_pods_tenant_id_pod_id')),
    sa.PrimaryKeyConstraint('pod_id', name=op.f('pk_status_page_pods'))
    )
    with op.batch_alter_table('status_page_pods', schema=None) as batch_op:
        batch_op.create_index('ix_status_page_pods_place', ['tenant_id', 'place'], unique=False)

    with op.batch_alter_table('cloud_pod_auto_heal_events', schema=None) as batch_op:
        batch_op.create_index('ix_heals_open', ['tenant_id', 'pod_id'], unique=False, sqlite_where=sa.text("state IN ('planned', 'running', 'verifying')"), postgresql_where=sa.text("state IN ('planned', 'running', 'verifying')"))

    with op.batch_alter_table('transitions', schema=None) as batch_op:
        batch_op.drop_index('ix_transitions_check_at')
        batch_op.create_index('ix_transitions_check_at', ['check_id', 'at'], unique=False, sqlite_where=sa.text('check_id IS NOT NULL'), postgresql_where=sa.text('check_id IS NOT NULL'))
        batch_op.create_index('ix_transitions_of_pods', ['pod_id', 'at', 'id', 'tenant_id', 'from_status', 'to_status', 'bad_since', 'cause_check_id', 'check_id'], unique=False, sqlite_where=sa.text('check_id IS NULL'), postgresql_where=sa.text('check_id IS NULL'))
        batch_op.create_index('ix_transitions_down', ['tenant_id', 'at', 'pod_id', 'to_status', 'bad_since', 'from_status', 'check_id'], unique=False, sqlite_where=sa.text("check_id IS NULL AND (from_status = 'unhealthy' OR to_status = 'unhealthy')"), postgresql_where=sa.text("check_id IS NULL AND (from_status = 'unhealthy' OR to_status = 'unhealthy')"))

    with op.batch_alter_table('phase_changes', schema=None) as batch_op:
        batch_op.create_index('ix_phase_changes_down', ['tenant_id', 'at'], unique=False, sqlite_where=sa.text("(from_phase = 'unreachable' OR to_phase = 'unreachable')"), postgresql_where=sa.text("(from_phase = 'unreachable' OR to_phase = 'unreachable')"))

    with op.batch_alter_table('decisions', schema=None) as batch_op:
        batch_op.create_index('ix_decisions_holds', ['tenant_id', 'at'], unique=False, sqlite_where=sa.text("answer = 'hold'"), postgresql_where=sa.text("answer = 'hold'"))

    with op.batch_alter_table('sessions', schema=None) as batch_op:
        batch_op.add_column(sa.Column('last_seen_at', sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column('tenant_id', BIG_ID, nullable=True))
        batch_op.create_foreign_key(batch_op.f('fk_sessions_tenant_id'), 'tenants', ['tenant_id'], ['id'])

    op.add_column('check_states', sa.Column('certificate_ends_at', sa.BigInteger(), nullable=True))
    op.add_column('api_tokens', sa.Column('last_used_from', sa.String(length=64), nullable=True))
    op.add_column('cloud_pod_auto_heal_events', sa.Column('cancelled_by', sa.String(length=200), nullable=True))
    op.add_column('tenants', sa.Column('version', sa.BigInteger(), server_default='1', nullable=False))
    op.add_column('tenants', sa.Column('requires_second_factor', sa.Boolean(), server_default=sa.false(), nullable=False))

    with op.batch_alter_table('sign_in_links', schema=None) as batch_op:
        batch_op.add_column(sa.Column('is_reset', sa.Boolean(), server_default=sa.false(), nullable=False))

    with op.batch_alter_table('users', schema=None) as batch_op:
        batch_op.add_column(sa.Column('last_seen_at', sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column('totp_secret', sa.String(length=200), nullable=True))
        batch_op.add_column(sa.Column('totp_since', sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column('totp_step', sa.BigInteger(), nullable=True))

    with op.batch_alter_table('incident_members', schema=None) as batch_op:
        batch_op.create_index('ix_incident_members_pod', ['pod_id', 'incident_id'], unique=False)

    with op.batch_alter_table('notices', schema=None) as batch_op:
        batch_op.create_index('ix_notices_pod', ['pod_id', 'at'], unique=False, sqlite_where=sa.text('pod_id IS NOT NULL'), postgresql_where=sa.text('pod_id IS NOT NULL'))
        batch_op.create_index('ix_notices_wider', ['tenant_id', 'incident_id', 'at'], unique=False, sqlite_where=sa.text('pod_id IS NULL'), postgresql_where=sa.text('pod_id IS NULL'))
    for table in ('cloud_pod_health_checks', 'cloud_pod_auto_heal_events', 'incidents'):
        never_again(table)


def downgrade() -> None:
    # That ids are given once stays: the older program does not mind. Pushes that the older program has no word for.
    op.execute("UPDATE feed SET kind = 'inventory' WHERE kind IN ('switch', 'approval')")
    allow_kinds(OLD_KINDS)
    with op.batch_alter_table('notices', schema=None) as batch_op:
        batch_op.drop_index('ix_notices_wider', sqlite_where=sa.text('pod_id IS NULL'), postgresql_where=sa.text('pod_id IS NULL'))
        batch_op.drop_index('ix_notices_pod', sqlite_where=sa.text('pod_id IS NOT NULL'), postgresql_where=sa.text('pod_id IS NOT NULL'))

    with op.batch_alter_table('incident_members', schema=None) as batch_op:
        batch_op.drop_index('ix_incident_members_pod')

    with op.batch_alter_table('users', schema=None) as batch_op:
        batch_op.drop_column('totp_step')
        batch_op.drop_column('totp_since')
        batch_op.drop_column('totp_secret')
        batch_op.drop_column('last_seen_at')

    op.drop_column('cloud_pod_auto_heal_events', 'cancelled_by')
    op.drop_column('tenants', 'requires_second_factor')
    op.drop_column('tenants', 'version')
    op.drop_column('api_tokens', 'last_used_from')
    op.drop_column('check_states', 'certificate_ends_at')

    with op.batch_alter_table('sign_in_links', schema=None) as batch_op:
        batch_op.drop_column('is_reset')

    with op.batch_alter_table('sessions', schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f('fk_sessions_tenant_id'), type_='foreignkey')
        batch_op.drop_column('tenant_id')
        batch_op.drop_column('last_seen_at')

    with op.batch_alter_table('decisions', schema=None) as batch_op:
        batch_op.drop_index('ix_decisions_holds', sqlite_where=sa.text("answer = 'hold'"), postgresql_where=sa.text("answer = 'hold'"))

    with op.batch_alter_table('phase_changes', schema=None) as batch_op:
        batch_op.drop_index('ix_phase_changes_down', sqlite_where=sa.text("(from_phase = 'unreachable' OR to_phase = 'unreachable')"), postgresql_where=sa.text("(from_phase = 'unreachable' OR to_phase = 'unreachable')"))

    with op.batch_alter_table('cloud_pod_auto_heal_events', schema=None) as batch_op:
        batch_op.drop_index('ix_heals_open', sqlite_where=sa.text("state IN ('planned', 'running', 'verifying')"), postgresql_where=sa.text("state IN ('planned', 'running', 'verifying')"))

    with op.batch_alter_table('transitions', schema=None) as batch_op:
        batch_op.drop_index('ix_transitions_check_at', sqlite_where=sa.text('check_id IS NOT NULL'), postgresql_where=sa.text('check_id IS NOT NULL'))
        batch_op.create_index('ix_transitions_check_at', ['check_id', 'at'], unique=False)
        batch_op.drop_index('ix_transitions_of_pods', sqlite_where=sa.text('check_id IS NULL'), postgresql_where=sa.text('check_id IS NULL'))
        batch_op.drop_index('ix_transitions_down', sqlite_where=sa.text("check_id IS NULL AND (from_status = 'unhealthy' OR to_status = 'unhealthy')"), postgresql_where=sa.text("check_id IS NULL AND (from_status = 'unhealthy' OR to_status = 'unhealthy')"))

    with op.batch_alter_table('status_page_pods', schema=None) as batch_op:
        batch_op.drop_index('ix_status_page_pods_place')

    op.drop_table('status_page_pods')
    with op.batch_alter_table('check_runs', schema=None) as batch_op:
        batch_op.drop_index('ix_check_runs_at')
        batch_op.drop_index('ix_check_runs_asked', sqlite_where=sa.text("state = 'asked'"), postgresql_where=sa.text("state = 'asked'"))

    op.drop_table('check_runs')
    with op.batch_alter_table('saved_views', schema=None) as batch_op:
        batch_op.drop_index('uq_saved_views_of_tenant', sqlite_where=sa.text('user_id IS NULL'), postgresql_where=sa.text('user_id IS NULL'))

    op.drop_table('saved_views')
    with op.batch_alter_table('recovery_codes', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_recovery_codes_user_id'))

    op.drop_table('letters')
    op.drop_table('recovery_codes')
    with op.batch_alter_table('incident_entries', schema=None) as batch_op:
        batch_op.drop_index('ix_incident_entries_incident')

    op.drop_table('incident_entries')
    with op.batch_alter_table('messages', schema=None) as batch_op:
        batch_op.drop_index('ix_messages_tenant')

    with op.batch_alter_table('channels', schema=None) as batch_op:
        batch_op.drop_column('secret_hint')
        batch_op.drop_column('secret_set_at')

    with op.batch_alter_table('incident_updates', schema=None) as batch_op:
        batch_op.drop_index('ix_incident_updates_incident')

    op.drop_table('incident_updates')
    with op.batch_alter_table('wall_links', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_wall_links_tenant_id'))

    op.drop_table('wall_links')
    op.drop_table('status_pages')
    with op.batch_alter_table('policy_drafts', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_policy_drafts_tenant_id'))

    op.drop_table('policy_drafts')
    with op.batch_alter_table('invitations', schema=None) as batch_op:
        batch_op.drop_index('ix_invitations_tenant')

    op.drop_table('invitations')
    op.drop_table('rollup_marks')
    with op.batch_alter_table('rollups_5min', schema=None) as batch_op:
        batch_op.drop_index('ix_rollups_5min_at')

    op.drop_table('rollups_5min')
    with op.batch_alter_table('rollups_1h', schema=None) as batch_op:
        batch_op.drop_index('ix_rollups_1h_at')

    op.drop_table('rollups_1h')
