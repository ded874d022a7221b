"""Agents.

Revision 0004, after 0003.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")

revision = '0004'
down_revision = '0003'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('heartbeats', schema=None) as batch_op:
        batch_op.add_column(sa.Column('signal', sa.Enum('alive', 'start', 'success', 'fail', name='signal', native_enum=False, create_constraint=True, length=24), server_default='alive', nullable=False))
        batch_op.add_column(sa.Column('exit_code', sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column('sequence', sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column('job_started_at', sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column('job_ended_at', sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column('took_ms', sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column('metrics', JSON, nullable=True))


def downgrade() -> None:
    with op.batch_alter_table('heartbeats', schema=None) as batch_op:
        batch_op.drop_column('metrics')
        batch_op.drop_column('took_ms')
        batch_op.drop_column('job_ended_at')
        batch_op.drop_column('job_started_at')
        batch_op.drop_column('sequence')
        batch_op.drop_column('exit_code')
        batch_op.drop_constraint(op.f('ck_heartbeats_signal'), type_='check')
        batch_op.drop_column('signal')
