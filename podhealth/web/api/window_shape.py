"""The JSON shape of a maintenance window."""

from datetime import datetime
from itertools import islice
from typing import Any

from podhealth.core.window_rules import window_fields
from podhealth.core.windows import Occurrence, occurrences
from podhealth.core.words import SnoozeHolds
from podhealth.store import windows
from podhealth.web.api.schema import FLAG, ID, TAGS, TEXT, TIME, VERSION, WHOLE, answer, many, maybe, words
from podhealth.web.api.shapes import iso

_NEXT = 5

SPAN = answer("Span", since=TIME, until=TIME)
WINDOW = answer(
    "Window",
    id=ID,
    tenantId=ID,
    name=TEXT,
    reason=TEXT,
    zone=TEXT,
    starts=TEXT,
    minutes=WHOLE,
    recurrence=maybe(TEXT),
    holds=words(SnoozeHolds),
    allPods=FLAG,
    tags=TAGS,
    podIds=many(ID),
    nodeIds=many(ID),
    enabled=FLAG,
    underWay=maybe(SPAN),
    next=many(SPAN),
    version=VERSION,
    createdAt=TIME,
    updatedAt=TIME,
)


def window_shape(row: Any, now: datetime) -> dict[str, Any]:
    """Return a window with what is under way of it, and its next five occurrences."""
    is_open = windows.now_open(row, now)
    coming = islice(occurrences(windows.plan_of(row), now), _NEXT + 1) if row.enabled else ()
    return {
        "id": row.id,
        "tenantId": row.tenant_id,
        **window_fields(windows.rules_of(row)),
        "underWay": None if is_open is None else _span(is_open),
        "next": [_span(one) for one in coming if one.since > now][:_NEXT],
        "version": row.version,
        "createdAt": iso(row.created_at),
        "updatedAt": iso(row.updated_at),
    }


def _span(one: Occurrence) -> dict[str, str | None]:
    return {"since": iso(one.since), "until": iso(one.until)}
