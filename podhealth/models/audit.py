"""Who did what: one append-only hash chain a tenant (tenant 0 is the installation's own)."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from podhealth.core.words import Actor
from podhealth.models.base import Base, BigId, big_id, word


class AuditEntry(Base):
    """One privileged change, written in its transaction; ``hash`` covers the row and the hash before it."""

    __tablename__ = "audit_entries"
    __table_args__ = (sa.UniqueConstraint("chain", "seq"), sa.Index("ix_audit_chain_at", "chain", "at"))

    id: Mapped[int] = big_id()
    chain: Mapped[int] = mapped_column(BigId)  # tenant id, 0 for the installation
    seq: Mapped[int]
    at: Mapped[datetime]
    actor: Mapped[Actor] = mapped_column(word(Actor))
    actor_name: Mapped[str] = mapped_column(sa.String(200))
    address: Mapped[str | None] = mapped_column(sa.String(64))
    what: Mapped[str] = mapped_column(sa.String(60))
    object_type: Mapped[str] = mapped_column(sa.String(40))
    object_id: Mapped[str] = mapped_column(sa.String(64))
    before: Mapped[dict[str, Any] | None]
    after: Mapped[dict[str, Any] | None]
    prev_hash: Mapped[str] = mapped_column(sa.String(64))
    hash: Mapped[str] = mapped_column(sa.String(64))


class AuditHead(Base):
    """The newest link of each chain; its row is the lock under which a chain grows.

    ``cut_seq`` and ``cut_hash``: the newest entry that was old enough to go; the first that is kept hangs on it.
    """

    __tablename__ = "audit_heads"

    chain: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    seq: Mapped[int] = mapped_column(server_default="0", default=0)
    hash: Mapped[str] = mapped_column(sa.String(64))
    cut_seq: Mapped[int] = mapped_column(server_default="0", default=0)
    cut_hash: Mapped[str] = mapped_column(sa.String(64), server_default="0" * 64, default="0" * 64)
