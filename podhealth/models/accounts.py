"""People, the tokens programs use in their place, and one-time sign-in links."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from podhealth.core.words import Role
from podhealth.models.base import Base, BigId, big_id, word


class User(Base):
    """A person. ``role`` counts inside the own tenant; the platform admin has no tenant of its own.

    A changed ``fs_uniquifier`` ends every session of the user at once.
    """

    __tablename__ = "users"
    __table_args__ = (sa.CheckConstraint("(tenant_id IS NULL) = (role = 'platform')", name="platform_has_no_tenant"),)

    id: Mapped[int] = big_id()
    tenant_id: Mapped[int | None] = mapped_column(BigId, sa.ForeignKey("tenants.id"), index=True)
    email: Mapped[str] = mapped_column(sa.String(254), unique=True)
    name: Mapped[str] = mapped_column(sa.String(63))
    password: Mapped[str | None] = mapped_column(sa.String(255))
    role: Mapped[Role] = mapped_column(word(Role))
    active: Mapped[bool] = mapped_column(default=True)
    fs_uniquifier: Mapped[str] = mapped_column(sa.String(64), unique=True)
    confirmed_at: Mapped[datetime | None]
    created_at: Mapped[datetime]

    @property
    def roles(self) -> list[object]:
        """Flask-Security asks for its own roles; ours is one word, and web/access.py decides by it."""
        return []


class ApiToken(Base):
    """What a program shows instead of a password: of one tenant and one role, stored hashed."""

    __tablename__ = "api_tokens"

    id: Mapped[int] = big_id()
    tenant_id: Mapped[int] = mapped_column(BigId, sa.ForeignKey("tenants.id"), index=True)
    name: Mapped[str] = mapped_column(sa.String(63))
    role: Mapped[Role] = mapped_column(word(Role))
    token_hash: Mapped[str] = mapped_column(sa.String(64), unique=True)
    hint: Mapped[str] = mapped_column(sa.String(8))  # last characters, to tell tokens apart
    created_by: Mapped[str] = mapped_column(sa.String(200))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class SignInLink(Base):
    """A one-time way in for one user (set-up, demo), stored hashed."""

    __tablename__ = "sign_in_links"

    id: Mapped[int] = big_id()
    user_id: Mapped[int] = mapped_column(BigId, sa.ForeignKey("users.id"), index=True)
    token_hash: Mapped[str] = mapped_column(sa.String(64), unique=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class Session(Base):
    """One signed-in browser. Ending the row ends the session at once, whatever cookie comes back (hazards A17)."""

    __tablename__ = "sessions"

    id: Mapped[int] = big_id()
    user_id: Mapped[int] = mapped_column(BigId, sa.ForeignKey("users.id"), index=True)
    token_hash: Mapped[str] = mapped_column(sa.String(64), unique=True)
    address: Mapped[str | None] = mapped_column(sa.String(64))
    device: Mapped[str | None] = mapped_column(sa.String(200))  # what the browser calls itself
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
