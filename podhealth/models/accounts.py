"""People, how they prove who they are, how they are invited, and the tokens programs use in their place."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from podhealth.core.words import LetterKind, Role
from podhealth.models.base import Base, BigId, Json, big_id, only_where, word


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
    last_seen_at: Mapped[datetime | None]
    totp_secret: Mapped[str | None] = mapped_column(sa.String(200))  # sealed; null: no second factor
    totp_since: Mapped[datetime | None]  # null while the secret waits for its first code
    totp_step: Mapped[int | None]  # the newest 30 s step a code was taken for: no code counts twice

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
    last_used_from: Mapped[str | None] = mapped_column(sa.String(64))


class RecoveryCode(Base):
    """One of the ten codes that stand in for a lost second factor, each once; stored hashed."""

    __tablename__ = "recovery_codes"
    __table_args__ = (sa.UniqueConstraint("user_id", "code_hash"),)

    id: Mapped[int] = big_id()
    user_id: Mapped[int] = mapped_column(BigId, sa.ForeignKey("users.id"), index=True)
    code_hash: Mapped[str] = mapped_column(sa.String(64))
    created_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class Invitation(Base):
    """An address asked to join a tenant in a role; its link is stored hashed and makes the user when it is used."""

    __tablename__ = "invitations"
    __table_args__ = (sa.Index("ix_invitations_tenant", "tenant_id", "expires_at"),)

    id: Mapped[int] = big_id()
    tenant_id: Mapped[int] = mapped_column(BigId, sa.ForeignKey("tenants.id"))
    email: Mapped[str] = mapped_column(sa.String(254))
    role: Mapped[Role] = mapped_column(word(Role, "invitation_role"))
    token_hash: Mapped[str] = mapped_column(sa.String(64), unique=True)
    created_by: Mapped[str] = mapped_column(sa.String(200))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    accepted_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class Letter(Base):
    """A mail to one person about the own account, on its way; its link is sealed, and forgotten once it was sent.

    Who forgot the password has one written without a link, account or not: the worker puts it in, or mails nothing.
    """

    __tablename__ = "letters"
    __table_args__ = (
        sa.Index("ix_letters_due", "due_at", **only_where("due_at IS NOT NULL")),
        sa.Index("ix_letters_at", "created_at"),
    )

    id: Mapped[int] = big_id()
    public_id: Mapped[str] = mapped_column(sa.String(40), unique=True)
    email: Mapped[str] = mapped_column(sa.String(254))
    kind: Mapped[LetterKind] = mapped_column(word(LetterKind))
    facts: Mapped[dict[str, Any]] = mapped_column(Json)
    link: Mapped[str | None] = mapped_column(sa.String(400))
    created_at: Mapped[datetime]
    due_at: Mapped[datetime | None]  # null: sent, or given up
    attempts: Mapped[int] = mapped_column(server_default="0", default=0)
    sent_at: Mapped[datetime | None]
    error: Mapped[str | None] = mapped_column(sa.String(200))


class SignInLink(Base):
    """A one-time way in for one user (set-up, demo, a forgotten password), stored hashed."""

    __tablename__ = "sign_in_links"

    id: Mapped[int] = big_id()
    user_id: Mapped[int] = mapped_column(BigId, sa.ForeignKey("users.id"), index=True)
    token_hash: Mapped[str] = mapped_column(sa.String(64), unique=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    is_reset: Mapped[bool] = mapped_column(server_default=sa.false(), default=False)  # mailed to who forgot


class Session(Base):
    """One signed-in browser. Ending the row ends the session at once, whatever cookie comes back (hazards A17).

    ``tenant_id``: the tenant a platform admin looks at in this browser; null for everybody else.
    """

    __tablename__ = "sessions"

    id: Mapped[int] = big_id()
    user_id: Mapped[int] = mapped_column(BigId, sa.ForeignKey("users.id"), index=True)
    token_hash: Mapped[str] = mapped_column(sa.String(64), unique=True)
    address: Mapped[str | None] = mapped_column(sa.String(64))
    device: Mapped[str | None] = mapped_column(sa.String(200))  # what the browser calls itself
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    last_seen_at: Mapped[datetime | None]
    tenant_id: Mapped[int | None] = mapped_column(BigId, sa.ForeignKey("tenants.id"))
