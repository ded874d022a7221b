"""The heal log as CSV, written while it is read: a table of any length takes the memory of one page."""

import csv
import io
from collections.abc import Iterator

import sqlalchemy as sa

from podhealth.live.render import iso
from podhealth.store.db import read
from podhealth.store.heallog import HealRow, Wish, heal_rows
from podhealth.web.sheets import plain

_AT_ONCE = 500
_HEAD = (
    "id",
    "begun",
    "pod",
    "action",
    "attempt",
    "of",
    "result",
    "reason",
    "error",
    "policy",
    "asked for by",
    "was",
    "became",
    "started",
    "action ended",
    "completed",
)


def csv_of(engine: sa.Engine, tenant_id: int, wish: Wish) -> Iterator[str]:
    """Yield the tenant's heals as CSV, newest first, some hundred rows at a time, each read by itself."""
    yield _text([_HEAD])
    while True:
        with read(engine) as conn:
            rows = heal_rows(conn, tenant_id, wish, _AT_ONCE)
        if rows:
            yield _text([_cells(row) for row in rows])
        if len(rows) < _AT_ONCE:
            return
        wish = wish._replace(before=(rows[-1].at, rows[-1].heal_id))


def _cells(row: HealRow) -> tuple[str, ...]:
    moments = (row.started_at, row.action_ended_at, row.completed_at)
    texts = (row.reason, row.error, row.policy, row.by, row.was, row.becomes)
    return (
        str(row.heal_id),
        iso(row.at),
        plain(row.pod),
        row.action.value,
        str(row.nth),
        str(row.of),
        row.state.value,
        *(plain(text or "") for text in texts),
        *("" if at is None else iso(at) for at in moments),
    )


def _text(rows: list[tuple[str, ...]]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerows(rows)
    return out.getvalue()
