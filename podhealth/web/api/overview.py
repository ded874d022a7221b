"""All pods of the tenant in brief: ``GET /api/cloud-pods/health/overview``."""

from typing import Any

from flask import request

from podhealth.core.errors import InputError
from podhealth.core.words import Status
from podhealth.store import health, overview
from podhealth.store.db import db_now, read
from podhealth.web.api import api
from podhealth.web.api.answers import OVERVIEW_POD
from podhealth.web.api.body import query_text
from podhealth.web.api.declare import reads
from podhealth.web.api.schema import CURSOR, TEXT, WHOLE, answer, many, maybe, words
from podhealth.web.api.shapes import overview_shape
from podhealth.web.cursors import decode, encode
from podhealth.web.installed import engine_of
from podhealth.web.session import current_scope

_PAGE = 200

OVERVIEW = answer(
    "Overview",
    summary=answer(total=WHOLE, healthy=WHOLE, unhealthy=WHOLE, degraded=WHOLE, unknown=WHOLE),
    pods=many(OVERVIEW_POD),
    nextCursor=maybe(TEXT),
)


@api.get("/cloud-pods/health/overview")
@reads("Health", OVERVIEW, query={"cursor": CURSOR, "status": words(Status), "tag": TEXT})
def health_overview() -> dict[str, Any]:
    """Answer the counts of all pods and one page of them, by id; ``status`` and ``tag`` narrow the page."""
    status = _status(query_text(request, "status"))
    tag = query_text(request, "tag")
    cursor = query_text(request, "cursor")
    after = 0 if cursor is None else decode(cursor, 1)[0]
    tenant_id = current_scope().tenant_id
    with read(engine_of()) as conn:
        now = db_now(conn)
        counted = overview.counts(conn, tenant_id, now)
        rows = health.overview_page(conn, tenant_id, now, health.PageOf(after, _PAGE + 1, status, tag))
    return {
        "summary": {
            "total": counted.total,
            "healthy": counted.healthy,
            "unhealthy": counted.unhealthy,
            "degraded": counted.degraded,
            "unknown": counted.unknown,
        },
        "pods": [overview_shape(row) for row in rows[:_PAGE]],
        "nextCursor": encode(rows[_PAGE - 1].id) if len(rows) > _PAGE else None,
    }


def _status(text: str | None) -> Status | None:
    if text is None:
        return None
    try:
        return Status(text)
    except ValueError:
        raise InputError("status", "must be one of " + ", ".join(Status)) from None
