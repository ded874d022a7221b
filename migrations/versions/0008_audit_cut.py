"""The audit trail may lose its oldest entries, where its head says up to which.

Revision 0008, after 0007.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

START = "0" * 64
_ONLY_GROWS = "the audit trail only grows"
_IS_KEPT = "OLD.seq > COALESCE((SELECT cut_seq FROM audit_heads WHERE chain = OLD.chain), 0)"
_REFUSE = "CREATE OR REPLACE FUNCTION audit_entries_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$"
_RAISE = f"RAISE EXCEPTION '{_ONLY_GROWS}';"
_RAISE_OF_KEPT = f"IF TG_OP = 'DELETE' THEN IF NOT ({_IS_KEPT}) THEN RETURN OLD; END IF; END IF; {_RAISE}"


def upgrade() -> None:
    op.add_column("audit_heads", sa.Column("cut_seq", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("audit_heads", sa.Column("cut_hash", sa.String(length=64), server_default=START, nullable=False))
    if op.get_bind().dialect.name == "postgresql":
        op.execute(_REFUSE.format(body=_RAISE_OF_KEPT))
    else:
        _guard_deletes(f" WHEN {_IS_KEPT}")


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(_REFUSE.format(body=_RAISE))
    else:
        _guard_deletes("")
    op.drop_column("audit_heads", "cut_hash")
    op.drop_column("audit_heads", "cut_seq")


def _guard_deletes(when: str) -> None:
    op.execute("DROP TRIGGER audit_entries_no_delete")
    op.execute(
        f"CREATE TRIGGER audit_entries_no_delete BEFORE DELETE ON audit_entries{when} "
        f"BEGIN SELECT RAISE(ABORT, '{_ONLY_GROWS}'); END"
    )
