"""What screens show of windows: rows, what is under way now, snoozes between two moments; in a page as in a push.

When a window is comes from core; nothing is decided here.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from podhealth.core.window_sentence import about_sentence, window_sentence
from podhealth.core.windows import occurrences
from podhealth.core.words import SnoozeHolds
from podhealth.models import Pod, Snooze
from podhealth.store import windows
from podhealth.store.tenancy import Scope, own

_HOLDS = {SnoozeHolds.HEALS_AND_ALERTS: "heals and alerts", SnoozeHolds.ALERTS: "alerts only"}
_ORDER = ("open", "next", "off", "over")
_MOST_SNOOZES = 300


@dataclass(frozen=True, slots=True)
class WindowRow:
    """One row of the list. ``state``: open, next, off, over; ``at``: its end while it is open, else its next begin."""

    window_id: int
    name: str
    reason: str
    sentence: str
    about: str
    pods: int
    holds: str
    state: str
    at: datetime | None

    @property
    def path(self) -> str:
        """The address of the window."""
        return f"/maintenance/{self.window_id}"


@dataclass(frozen=True, slots=True)
class WindowsNow:
    """The windows under way; ``newest``: the highest id of any window, 0 where there is none."""

    rows: tuple[WindowRow, ...]
    newest: int


class Snoozed(NamedTuple):
    """Pods that are, were or will be snoozed together. ``ends``: when it ends, or was ended."""

    names: tuple[str, ...]
    path: str
    reason: str
    at: datetime
    ends: datetime


def window_rows(
    conn: sa.Connection, scope: Scope, now: datetime, rows: Sequence[Any], pods: Sequence[int] | None = None
) -> list[WindowRow]:
    """Return these stored windows as rows: under way, next, switched off, over."""
    counts = windows.pods_meant(conn, scope, [windows.rules_of(row) for row in rows]) if pods is None else pods
    found = [_row(row, count, now) for row, count in zip(rows, counts, strict=True)]
    far = datetime.max.replace(tzinfo=UTC)
    return sorted(found, key=lambda one: (_ORDER.index(one.state), one.at or far, one.name))


def windows_now(rows: Sequence[WindowRow]) -> WindowsNow:
    """Return which of all the tenant's windows are under way."""
    return WindowsNow(
        tuple(row for row in rows if row.state == "open"), max((row.window_id for row in rows), default=0)
    )


def rows_of(conn: sa.Connection, scope: Scope, window_ids: Collection[int], now: datetime) -> dict[int, WindowRow]:
    """Return those of these windows that are there, by id."""
    stored = [row for row in windows.list_windows(conn, scope) if row.id in window_ids]
    return {row.window_id: row for row in window_rows(conn, scope, now, stored)}


def _row(row: Any, pods: int, now: datetime) -> WindowRow:
    rules = windows.rules_of(row)
    state, at = state_of(row, now)
    told = (rules.name, rules.reason, window_sentence(rules), about_sentence(rules), pods, _HOLDS[rules.holds])
    return WindowRow(row.id, *told, state, at)


def state_of(row: Any, now: datetime) -> tuple[str, datetime | None]:
    """Return whether a stored window is open, next, off or over; and its end while it is open, else its next begin."""
    if not row.enabled:
        return "off", None
    is_open = windows.now_open(row, now)
    if is_open is not None:
        return "open", is_open.until
    first = next(occurrences(windows.plan_of(row), now), None)
    return ("over", None) if first is None else ("next", first.since)


def snoozes_between(conn: sa.Connection, scope: Scope, since: datetime, until: datetime) -> list[Snoozed]:
    """Return the snoozes that hold between two moments, those made at once for one reason together, oldest first."""
    ends = sa.func.coalesce(Snooze.ended_at, Snooze.until)
    query = (
        sa.select(Snooze.pod_id, Pod.name, Snooze.reason, Snooze.at, Snooze.until, Snooze.ended_at)
        .join(Pod, Pod.id == Snooze.pod_id)
        .where(own(scope, Snooze), Pod.deleted_at.is_(None), Snooze.at < until, ends > since, ends > Snooze.at)
        .order_by(Snooze.id.desc())
        .limit(_MOST_SNOOZES)
    )
    together: dict[tuple[Any, ...], list[Any]] = {}
    for row in conn.execute(query):
        ended = min(row.until, row.ended_at or row.until)
        together.setdefault((row.reason, row.at.replace(microsecond=0), ended), []).append(row)
    found = [_snoozed(rows, ended) for (_, _, ended), rows in together.items()]
    return sorted(found, key=lambda one: (one.at, one.names))


def _snoozed(rows: list[Any], ends: datetime) -> Snoozed:
    names = tuple(sorted(row.name for row in rows))
    path = f"/pods/{rows[0].pod_id}" if len(rows) == 1 else "/pods?phase=maintenance"
    return Snoozed(names, path, rows[0].reason, rows[0].at, ends)
