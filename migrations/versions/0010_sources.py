"""Sources that fail for long are told.

Revision 0010, after 0009.
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

NEW = ("source_failing", "source_back")
OLD_NOTICES = (
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
    "vanished",
    "found_again",
)


def allow_notices(kinds: tuple[str, ...]) -> None:
    listed = ", ".join(f"'{kind}'" for kind in kinds)
    for table, column, name in (("notices", "kind", "noticekind"), ("incident_members", "told", "member_told")):
        with op.batch_alter_table(table) as batch_op:
            batch_op.drop_constraint(op.f(f"ck_{table}_{name}"), type_="check")
            batch_op.create_check_constraint(op.f(f"ck_{table}_{name}"), sa.text(f"{column} IN ({listed})"))


def upgrade() -> None:
    allow_notices((*OLD_NOTICES, *NEW))
    op.add_column("sources", sa.Column("failures", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("sources", sa.Column("failing_since", sa.BigInteger(), nullable=True))
    op.add_column("sources", sa.Column("told_at", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    # The older program has no word for them.
    op.execute("DELETE FROM notices WHERE kind IN ('source_failing', 'source_back')")
    allow_notices(OLD_NOTICES)
    op.drop_column("sources", "told_at")
    op.drop_column("sources", "failing_since")
    op.drop_column("sources", "failures")
