"""What a pod's agent said last: when, how its machine is, how its job went. What that means is its check's to say.

Fresh by itself only when something of the pod changes: heartbeats are told to no screen, pages ask again now and then.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from podhealth.core.sentence import span
from podhealth.core.told import length_in_words
from podhealth.core.words import Signal
from podhealth.models import Heartbeat

Said = tuple[str | datetime, ...]


@dataclass(frozen=True, slots=True)
class PodAgent:
    """The agent of one pod. ``heard_at``: null before its first heartbeat; then all else is empty.

    ``boot``: the beginning of its boot id, which is enough to tell two apart; ``job``: a sentence, null where it never
    spoke of one.
    """

    pod_id: int
    heard_at: datetime | None = None
    every: str | None = None
    figures: tuple[str, ...] = ()
    boot: str | None = None
    job: Said | None = None


_BOOT_SHOWN = 8


def pod_agent(conn: sa.Connection, pod_id: int) -> PodAgent:
    """Return what the agent of a pod said last; the caller's scope owns the pod."""
    row = newest(conn, pod_id)
    if row is None:
        return PodAgent(pod_id)
    return PodAgent(
        pod_id=pod_id,
        heard_at=row.received_at,
        every="every minute" if row.period_s == 60 else f"every {span(row.period_s)}",
        figures=tuple(_figures(row.metrics or {})),
        boot=None if row.boot_id is None else row.boot_id[:_BOOT_SHOWN],
        job=_job(row),
    )


def newest(conn: sa.Connection, pod_id: int) -> sa.Row[Any] | None:
    """Return the stored row of what the agent of a pod said, null where it said nothing yet."""
    return conn.execute(sa.select(Heartbeat.__table__).where(Heartbeat.pod_id == pod_id)).one_or_none()


def _figures(metrics: dict[str, float]) -> list[str]:
    units = metrics.get("failedUnits")
    words = {"load1": "load {:.2f}", "memoryPercent": "memory {:.0f} %", "diskPercent": "disk {:.0f} %"}
    words["failedUnits"] = "{:,.0f} failed unit" if units == 1 else "{:,.0f} failed units"
    return [text.format(metrics[name]) for name, text in words.items() if metrics.get(name) is not None]


def _job(row: Any) -> Said | None:
    if row.job_started_at is not None:
        return ("Its job began ", row.job_started_at, " and has not ended.")
    if row.job_ended_at is None:
        return None
    how = "ended well" if row.signal == Signal.SUCCESS else "failed"
    code = f" with exit code {row.exit_code}" if row.exit_code else ""
    took = "" if row.took_ms is None else f"; it took {length_in_words(row.took_ms * 1_000)}"
    return (f"Its job {how}{code}, ", row.job_ended_at, f"{took}.")
