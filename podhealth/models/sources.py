"""Sources: providers from which pods are kept by sync, what they said, and which pod is which guest of theirs."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from podhealth.core.words import ProviderKind
from podhealth.models.base import NEVER_AGAIN, Base, BigId, big_id, only_where, owned_by_pod, word


class Source(Base):
    """One cluster or daemon of a tenant: how it is reached, which of its guests become pods, how its sync went.

    ``next_at`` null: it is not read until somebody asks. ``lease_token`` grows with each reading that begins: who
    comes back with an older one has been overtaken.
    """

    __tablename__ = "sources"
    __table_args__ = (
        sa.Index("uq_sources_tenant_name", "tenant_id", "name", unique=True, **only_where("deleted_at IS NULL")),
        sa.Index("ix_sources_next_at", "next_at", **only_where("next_at IS NOT NULL")),
        NEVER_AGAIN,
    )

    id: Mapped[int] = big_id()
    tenant_id: Mapped[int] = mapped_column(BigId, sa.ForeignKey("tenants.id"))
    name: Mapped[str] = mapped_column(sa.String(63))
    kind: Mapped[ProviderKind] = mapped_column(word(ProviderKind, "source_kind"))
    config: Mapped[dict[str, Any]]  # its secrets are sealed for this row
    takes: Mapped[dict[str, Any]]  # which guests become pods
    is_on: Mapped[bool] = mapped_column(default=False)
    is_shared: Mapped[bool] = mapped_column(default=False)  # its nodes are the platform's
    every_s: Mapped[int]
    next_at: Mapped[datetime | None]
    lease_until: Mapped[datetime | None]
    lease_token: Mapped[int] = mapped_column(server_default="0", default=0)
    tried_at: Mapped[datetime | None]
    read_at: Mapped[datetime | None]  # the newest answer that was believed
    error: Mapped[str | None] = mapped_column(sa.String(300))
    error_since: Mapped[datetime | None]
    is_in_doubt: Mapped[bool] = mapped_column(
        server_default=sa.false(), default=False
    )  # an answer waits to be believed
    believed_until: Mapped[datetime | None]  # until then an answer that lacks many guests is believed
    version: Mapped[int] = mapped_column(server_default="1", default=1)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]
    failures: Mapped[int] = mapped_column(server_default="0", default=0)  # in a row while it is on
    failing_since: Mapped[datetime | None]  # the first of them
    told_at: Mapped[datetime | None]  # when people were told of them


class Reading(Base):
    """The newest answer of a source that was believed: its guests, and where its token may look."""

    __tablename__ = "readings"

    source_id: Mapped[int] = mapped_column(BigId, sa.ForeignKey("sources.id"), primary_key=True, autoincrement=False)
    tenant_id: Mapped[int] = mapped_column(BigId)
    at: Mapped[datetime]
    guests: Mapped[list[Any]]
    rights: Mapped[list[Any] | None]


class SyncedPod(Base):
    """A pod that sync added: which guest it is, what sync last gave it, and what the source last said of it.

    What the pod has and ``given`` has not was changed by a person, and stays. ``marks`` tell the guest from another
    that gets its number later.
    """

    __tablename__ = "synced_pods"
    __table_args__ = (owned_by_pod(), sa.Index("ix_synced_pods_source", "source_id", "key"))

    pod_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    tenant_id: Mapped[int] = mapped_column(BigId)
    source_id: Mapped[int] = mapped_column(BigId, sa.ForeignKey("sources.id"))
    key: Mapped[str] = mapped_column(sa.String(253))
    marks: Mapped[list[Any]]
    given: Mapped[dict[str, Any]]
    said: Mapped[dict[str, Any]]
    added_at: Mapped[datetime]
    missing_since: Mapped[datetime | None]
    vanished_at: Mapped[datetime | None]
    vanished_why: Mapped[str | None] = mapped_column(sa.String(200))


class TagRule(Base):
    """A check that a new pod with this tag gets beside its ping; ``fields`` are the check's, as the API writes them."""

    __tablename__ = "tag_rules"
    __table_args__ = (sa.Index("ix_tag_rules_tenant", "tenant_id", "tag"), NEVER_AGAIN)

    id: Mapped[int] = big_id()
    tenant_id: Mapped[int] = mapped_column(BigId, sa.ForeignKey("tenants.id"))
    tag: Mapped[str] = mapped_column(sa.String(63))
    fields: Mapped[dict[str, Any]]
    version: Mapped[int] = mapped_column(server_default="1", default=1)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
