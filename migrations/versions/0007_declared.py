"""Configuration as code.

Revision 0007, after 0006.
"""

import sqlalchemy as sa
from alembic import op

revision = '0007'
down_revision = '0006'
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
NOUNS = ("node", "policy", "pod", "check", "window", "channel")


def upgrade() -> None:
    op.create_table(
        "declared_objects",
        sa.Column("noun", sa.Enum(*NOUNS, name="declared", native_enum=False, create_constraint=True, length=24), nullable=False),
        sa.Column("object_id", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("tenant_id", BIG_ID, nullable=False),
        sa.Column("added_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_declared_objects_tenant_id")),
        sa.PrimaryKeyConstraint("noun", "object_id", name=op.f("pk_declared_objects")),
    )
    op.create_index("ix_declared_objects_tenant", "declared_objects", ["tenant_id"])


def downgrade() -> None:
    op.drop_table("declared_objects")
