"""What configuration as code has added: only that may go when a file lacks it."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from podhealth.core.words import Declared
from podhealth.models.base import Base, BigId, word


class DeclaredObject(Base):
    """One object that a file has added. A row outlives its object; the same id is never given again, or is soft."""

    __tablename__ = "declared_objects"
    __table_args__ = (sa.Index("ix_declared_objects_tenant", "tenant_id"),)

    noun: Mapped[Declared] = mapped_column(word(Declared), primary_key=True)
    object_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    tenant_id: Mapped[int] = mapped_column(BigId, sa.ForeignKey("tenants.id"))
    added_at: Mapped[datetime]
