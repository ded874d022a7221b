"""What people keep of the dashboard itself: saved views, drafts, wall screens, and what they show to the public."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from podhealth.core.words import Deed, PublicState
from podhealth.models.base import NEVER_AGAIN, Base, BigId, big_id, only_where, owned_by_pod, word


class SavedView(Base):
    """A name for a query string of the overview; ``user_id`` null: the whole tenant's."""

    __tablename__ = "saved_views"
    __table_args__ = (
        sa.UniqueConstraint("tenant_id", "user_id", "name"),
        sa.Index("uq_saved_views_of_tenant", "tenant_id", "name", unique=True, **only_where("user_id IS NULL")),
        NEVER_AGAIN,
    )

    id: Mapped[int] = big_id()
    tenant_id: Mapped[int] = mapped_column(BigId, sa.ForeignKey("tenants.id"))
    user_id: Mapped[int | None] = mapped_column(BigId, sa.ForeignKey("users.id"))
    name: Mapped[str] = mapped_column(sa.String(63))
    query: Mapped[str] = mapped_column(sa.String(1000))
    created_at: Mapped[datetime]


class PolicyDraft(Base):
    """A policy as somebody was about to save it, so that its replay can be shown to others for a day."""

    __tablename__ = "policy_drafts"
    __table_args__ = NEVER_AGAIN

    id: Mapped[int] = big_id()
    tenant_id: Mapped[int] = mapped_column(BigId, sa.ForeignKey("tenants.id"), index=True)
    policy_id: Mapped[int | None] = mapped_column(BigId)  # null: a new one
    body: Mapped[dict[str, Any]]  # the fields by the API's names
    created_by: Mapped[str] = mapped_column(sa.String(200))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]


class WallLink(Base):
    """A way for a screen in an office to show a wall without signing in: reads one tenant, stored hashed."""

    __tablename__ = "wall_links"

    id: Mapped[int] = big_id()
    tenant_id: Mapped[int] = mapped_column(BigId, sa.ForeignKey("tenants.id"), index=True)
    name: Mapped[str] = mapped_column(sa.String(63))
    token_hash: Mapped[str] = mapped_column(sa.String(64), unique=True)
    hint: Mapped[str] = mapped_column(sa.String(8))
    created_by: Mapped[str] = mapped_column(sa.String(200))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class StatusPage(Base):
    """What a tenant shows to everybody at ``/s/<slug>``; nothing while it is off."""

    __tablename__ = "status_pages"

    tenant_id: Mapped[int] = mapped_column(BigId, sa.ForeignKey("tenants.id"), primary_key=True, autoincrement=False)
    slug: Mapped[str] = mapped_column(sa.String(63), unique=True)
    title: Mapped[str] = mapped_column(sa.String(80))
    is_on: Mapped[bool] = mapped_column(server_default=sa.false(), default=False)
    shows_incidents: Mapped[bool] = mapped_column(server_default=sa.true(), default=True)
    shows_windows: Mapped[bool] = mapped_column(server_default=sa.true(), default=True)
    version: Mapped[int] = mapped_column(server_default="1", default=1)
    updated_at: Mapped[datetime]


class StatusPagePod(Base):
    """A pod on a status page, under the name visitors know it by, in the order of ``place``."""

    __tablename__ = "status_page_pods"
    __table_args__ = (owned_by_pod(), sa.Index("ix_status_page_pods_place", "tenant_id", "place"))

    pod_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    tenant_id: Mapped[int] = mapped_column(BigId)
    label: Mapped[str] = mapped_column(sa.String(63))
    place: Mapped[int]


class IncidentUpdate(Base):
    """What visitors of the status page read about an incident, as somebody wrote it."""

    __tablename__ = "incident_updates"
    __table_args__ = (
        sa.ForeignKeyConstraint(["tenant_id", "incident_id"], ["incidents.tenant_id", "incidents.id"]),
        sa.Index("ix_incident_updates_incident", "incident_id", "at"),
    )

    id: Mapped[int] = big_id()
    tenant_id: Mapped[int] = mapped_column(BigId)
    incident_id: Mapped[int] = mapped_column(BigId)
    state: Mapped[PublicState] = mapped_column(word(PublicState))
    text: Mapped[str] = mapped_column(sa.String(500))
    at: Mapped[datetime]
    by: Mapped[str] = mapped_column(sa.String(200))


class IncidentEntry(Base):
    """What a person did with an incident: it stays in its log when somebody else does something after."""

    __tablename__ = "incident_entries"
    __table_args__ = (
        sa.ForeignKeyConstraint(["tenant_id", "incident_id"], ["incidents.tenant_id", "incidents.id"]),
        sa.Index("ix_incident_entries_incident", "incident_id", "at"),
    )

    id: Mapped[int] = big_id()
    tenant_id: Mapped[int] = mapped_column(BigId)
    incident_id: Mapped[int] = mapped_column(BigId)
    deed: Mapped[Deed] = mapped_column(word(Deed))
    text: Mapped[str | None] = mapped_column(sa.String(500))
    until: Mapped[datetime | None]  # of an acknowledgement; null: until the incident is over
    at: Mapped[datetime]
    by: Mapped[str] = mapped_column(sa.String(200))
