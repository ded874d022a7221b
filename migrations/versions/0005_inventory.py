"""Inventory.

Revision 0005, after 0004.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
OLD_NOTICES = [
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
]
NEW_NOTICES = [*OLD_NOTICES, "vanished", "found_again"]

revision = '0005'
down_revision = '0004'
branch_labels = None
depends_on = None


def allow_notices(kinds: list[str]) -> None:
    listed = ", ".join(f"'{kind}'" for kind in kinds)
    for table, column, name in (("notices", "kind", "noticekind"), ("incident_members", "told", "member_told")):
        with op.batch_alter_table(table) as batch_op:
            batch_op.drop_constraint(op.f(f"ck_{table}_{name}"), type_="check")
            batch_op.create_check_constraint(op.f(f"ck_{table}_{name}"), sa.text(f"{column} IN ({listed})"))


def upgrade() -> None:
    allow_notices(NEW_NOTICES)
    op.create_table('sources',
    sa.Column('id', BIG_ID, autoincrement=True, nullable=False),
    sa.Column('tenant_id', BIG_ID, nullable=False),
    sa.Column('name', sa.String(length=63), nullable=False),
    sa.Column('kind', sa.Enum('none', 'process', 'webhook', 'proxmox', 'docker', name='source_kind', native_enum=False, create_constraint=True, length=24), nullable=False),
    sa.Column('config', JSON, nullable=False),
    sa.Column('takes', JSON, nullable=False),
    sa.Column('is_on', sa.Boolean(), nullable=False),
    sa.Column('is_shared', sa.Boolean(), nullable=False),
    sa.Column('every_s', sa.BigInteger(), nullable=False),
    sa.Column('next_at', sa.BigInteger(), nullable=True),
    sa.Column('lease_until', sa.BigInteger(), nullable=True),
    sa.Column('lease_token', sa.BigInteger(), server_default='0', nullable=False),
    sa.Column('tried_at', sa.BigInteger(), nullable=True),
    sa.Column('read_at', sa.BigInteger(), nullable=True),
    sa.Column('error', sa.String(length=300), nullable=True),
    sa.Column('error_since', sa.BigInteger(), nullable=True),
    sa.Column('is_in_doubt', sa.Boolean(), server_default=sa.false(), nullable=False),
    sa.Column('believed_until', sa.BigInteger(), nullable=True),
    sa.Column('version', sa.BigInteger(), server_default='1', nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.Column('updated_at', sa.BigInteger(), nullable=False),
    sa.Column('deleted_at', sa.BigInteger(), nullable=True),
    sa.ForeignKeyConstraint(['tenant_id'], ['tenants.id'], name=op.f('fk_sources_tenant_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_sources')),
    sqlite_autoincrement=True
    )
    with op.batch_alter_table('sources', schema=None) as batch_op:
        batch_op.create_index('ix_sources_next_at', ['next_at'], unique=False, sqlite_where=sa.text('next_at IS NOT NULL'), postgresql_where=sa.text('next_at IS NOT NULL'))
        batch_op.create_index('uq_sources_tenant_name', ['tenant_id', 'name'], unique=True, sqlite_where=sa.text('deleted_at IS NULL'), postgresql_where=sa.text('deleted_at IS NULL'))

    op.create_table('tag_rules',
    sa.Column('id', BIG_ID, autoincrement=True, nullable=False),
    sa.Column('tenant_id', BIG_ID, nullable=False),
    sa.Column('tag', sa.String(length=63), nullable=False),
    sa.Column('fields', JSON, nullable=False),
    sa.Column('version', sa.BigInteger(), server_default='1', nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.Column('updated_at', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['tenant_id'], ['tenants.id'], name=op.f('fk_tag_rules_tenant_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_tag_rules')),
    sqlite_autoincrement=True
    )
    with op.batch_alter_table('tag_rules', schema=None) as batch_op:
        batch_op.create_index('ix_tag_rules_tenant', ['tenant_id', 'tag'], unique=False)

    op.create_table('readings',
    sa.Column('source_id', BIG_ID, autoincrement=False, nullable=False),
    sa.Column('tenant_id', BIG_ID, nullable=False),
    sa.Column('at', sa.BigInteger(), nullable=False),
    sa.Column('guests', JSON, nullable=False),
    sa.Column('rights', JSON, nullable=True),
    sa.ForeignKeyConstraint(['source_id'], ['sources.id'], name=op.f('fk_readings_source_id')),
    sa.PrimaryKeyConstraint('source_id', name=op.f('pk_readings'))
    )
    op.create_table('synced_pods',
    sa.Column('pod_id', BIG_ID, autoincrement=False, nullable=False),
    sa.Column('tenant_id', BIG_ID, nullable=False),
    sa.Column('source_id', BIG_ID, nullable=False),
    sa.Column('key', sa.String(length=253), nullable=False),
    sa.Column('marks', JSON, nullable=False),
    sa.Column('given', JSON, nullable=False),
    sa.Column('said', JSON, nullable=False),
    sa.Column('added_at', sa.BigInteger(), nullable=False),
    sa.Column('missing_since', sa.BigInteger(), nullable=True),
    sa.Column('vanished_at', sa.BigInteger(), nullable=True),
    sa.Column('vanished_why', sa.String(length=200), nullable=True),
    sa.ForeignKeyConstraint(['source_id'], ['sources.id'], name=op.f('fk_synced_pods_source_id')),
    sa.ForeignKeyConstraint(['tenant_id', 'pod_id'], ['pods.tenant_id', 'pods.id'], name=op.f('fk_synced_pods_tenant_id_pod_id')),
    sa.PrimaryKeyConstraint('pod_id', name=op.f('pk_synced_pods'))
    )
    with op.batch_alter_table('synced_pods', schema=None) as batch_op:
        batch_op.create_index('ix_synced_pods_source', ['source_id', 'key'], unique=False)

    op.add_column('nodes', sa.Column('source_id', BIG_ID, nullable=True))
    op.add_column('pods', sa.Column('source_id', BIG_ID, nullable=True))


def downgrade() -> None:
    # The older program has no word for them.
    op.execute("DELETE FROM notices WHERE kind IN ('vanished', 'found_again')")
    allow_notices(OLD_NOTICES)
    op.drop_column('pods', 'source_id')
    op.drop_column('nodes', 'source_id')
    with op.batch_alter_table('synced_pods', schema=None) as batch_op:
        batch_op.drop_index('ix_synced_pods_source')

    op.drop_table('synced_pods')
    op.drop_table('readings')
    with op.batch_alter_table('tag_rules', schema=None) as batch_op:
        batch_op.drop_index('ix_tag_rules_tenant')

    op.drop_table('tag_rules')
    with op.batch_alter_table('sources', schema=None) as batch_op:
        batch_op.drop_index('uq_sources_tenant_name', sqlite_where=sa.text('deleted_at IS NULL'), postgresql_where=sa.text('deleted_at IS NULL'))
        batch_op.drop_index('ix_sources_next_at', sqlite_where=sa.text('next_at IS NOT NULL'), postgresql_where=sa.text('next_at IS NOT NULL'))

    op.drop_table('sources')
