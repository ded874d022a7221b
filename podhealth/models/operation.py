"""How PodHealth itself runs: its feed to the browsers, its workers, the steps of its tick, repeated form posts."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from podhealth.core.words import FeedKind
from podhealth.models.base import Base, BigId, word


class FeedEntry(Base):
    """One change that a screen of this tenant may show; ``seq`` has no gap and follows the order of commits."""

    __tablename__ = "feed"
    __table_args__ = (sa.Index("ix_feed_at", "at"),)

    tenant_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[datetime]
    kind: Mapped[FeedKind] = mapped_column(word(FeedKind))
    pod_id: Mapped[int | None] = mapped_column(BigId)
    object_id: Mapped[int | None] = mapped_column(BigId)
    note: Mapped[dict[str, Any] | None]  # for toasts: {"text", "tone"}; see store/feed


class Worker(Base):
    """A living process of ours; dead when its beat is 10 s old, then its claims are freed."""

    __tablename__ = "workers"

    id: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    role: Mapped[str] = mapped_column(sa.String(24))  # probe, worker, scheduler, web
    vantage: Mapped[str | None] = mapped_column(sa.String(40))
    host: Mapped[str] = mapped_column(sa.String(253))
    pid: Mapped[int]
    started_at: Mapped[datetime]
    beat_at: Mapped[datetime]
    in_flight: Mapped[int] = mapped_column(server_default="0", default=0)
    loop_lag_ms: Mapped[float] = mapped_column(sa.Double, server_default="0", default=0.0)
    recorded: Mapped[int] = mapped_column(server_default="0", default=0)
    lag_p99_ms: Mapped[float | None] = mapped_column(sa.Double)
    capacity: Mapped[int | None]  # of a prober: how many probes it can have in flight


class DeadMan(Base):
    """The one row that says when the dead-man URL was last tried, when it answered, and why not since."""

    __tablename__ = "dead_man"

    id: Mapped[int] = mapped_column(sa.Integer, primary_key=True, autoincrement=False)
    tried_at: Mapped[datetime]
    pinged_at: Mapped[datetime | None]
    said: Mapped[str | None] = mapped_column(sa.String(200))


class TickStep(Base):
    """When a sub-step of the tick is next due, and who runs it now: extra ticks find nothing to do."""

    __tablename__ = "tick_steps"

    name: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    due_at: Mapped[datetime]
    lease_until: Mapped[datetime | None]
    holder: Mapped[str | None] = mapped_column(sa.String(64))
    ran_at: Mapped[datetime | None]
    took_ms: Mapped[float | None] = mapped_column(sa.Double)
    error: Mapped[str | None] = mapped_column(sa.String(200))


class Submission(Base):
    """The answer to a form or request that carries its own id, so that sending it twice equals once."""

    __tablename__ = "submissions"

    tenant_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    op: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    route: Mapped[str] = mapped_column(sa.String(80))
    answer: Mapped[dict[str, Any]]
    at: Mapped[datetime]
