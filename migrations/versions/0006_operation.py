"""Operation.

Revision 0006, after 0005.
"""

import sqlalchemy as sa
from alembic import op

revision = '0006'
down_revision = '0005'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('dead_man',
    sa.Column('id', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('tried_at', sa.BigInteger(), nullable=False),
    sa.Column('pinged_at', sa.BigInteger(), nullable=True),
    sa.Column('said', sa.String(length=200), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_dead_man'))
    )
    with op.batch_alter_table('workers', schema=None) as batch_op:
        batch_op.add_column(sa.Column('capacity', sa.BigInteger(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table('workers', schema=None) as batch_op:
        batch_op.drop_column('capacity')
    op.drop_table('dead_man')
