"""How one pod is, and how it was: ``/api/cloud-pods/ID/health`` and ``…/health/history``."""

from datetime import datetime, timedelta
from typing import Any

from flask import request

from podhealth.core.errors import InputError
from podhealth.core.words import Kind
from podhealth.models.base import from_us, to_us
from podhealth.store import heals, health, history, historysums, podpage, tenancy
from podhealth.store.db import db_now, read
from podhealth.store.history import AHEAD_US, Place
from podhealth.store.historysums import Resolution
from podhealth.web.api import api
from podhealth.web.api.answers import POD_HEALTH, RESULT
from podhealth.web.api.body import query_int, query_text
from podhealth.web.api.declare import reads
from podhealth.web.api.schema import CURSOR, ID, NUMBER, TEXT, TIME, WHOLE, answer, many, maybe, words
from podhealth.web.api.shapes import check_state_shape, iso, pod_shape, result_shape, status_shape
from podhealth.web.cursors import decode, encode
from podhealth.web.installed import engine_of
from podhealth.web.session import current_scope

_RECENT = 10
_PAGE = 200
_MAX_HOURS = 720
_LONGEST_PAGING_US = 24 * 3600 * 1_000_000

HISTORY = answer(
    "History",
    podId=ID,
    period=TEXT,
    **{"from": TIME},
    to=TIME,
    uptimePercentage=maybe(NUMBER),
    coveragePercentage=maybe(NUMBER),
    avgLatencyMs=maybe(NUMBER),
    totalChecks=WHOLE,
    healthyChecks=WHOLE,
    unhealthyChecks=WHOLE,
    unknownChecks=WHOLE,
    resolution=words(Resolution),
    results=many(RESULT),
    nextCursor=maybe(TEXT),
)
_HOURS = {"type": "integer", "minimum": 1, "maximum": _MAX_HOURS, "default": 24}


@api.get("/cloud-pods/<id:pod_id>/health")
@reads("Health", POD_HEALTH)
def pod_health(pod_id: int) -> dict[str, Any]:
    """Answer the pod's status row, its checks and its ten newest results."""
    with read(engine_of()) as conn:
        pod = tenancy.get_pod(conn, current_scope(), pod_id)
        now = db_now(conn)
        found = health.pod_health(conn, pod, now)
        kinds = health.kinds_of(found.checks)
        recent = health.newest_results(conn, list(kinds), _RECENT)
        hold = heals.newest_hold(conn, pod_id)
    return {
        **status_shape(found),
        "pod": pod_shape(pod),
        "recentResults": [result_shape(r, kinds) for r in recent],
        "checks": [check_state_shape(c, now) for c in found.checks],
        "hold": None if hold is None else {"gate": hold.gate, "reason": hold.reason, "until": iso(hold.until)},
    }


@api.get("/cloud-pods/<id:pod_id>/health/history")
@reads("Health", HISTORY, query={"hours": _HOURS, "checkType": words(Kind), "cursor": CURSOR})
def pod_history(pod_id: int) -> dict[str, Any]:
    """Answer the results of the last ``hours`` (1–720), newest first, with sums and uptime over the same span.

    ``resolution`` tells what the sums are made of: results, or rollups with results at the edges; they are the same.
    """
    hours = query_int(request, "hours", 24, 1, _MAX_HOURS)
    kind = _kind(query_text(request, "checkType"))
    below = _place(query_text(request, "cursor"))
    resolution = historysums.resolution_of(hours)
    with read(engine_of(), one_state=True) as conn:
        pod = tenancy.get_pod(conn, current_scope(), pod_id)
        until = _end_of_span(below, db_now(conn))
        since = until - timedelta(hours=hours)
        kinds = health.kinds_of(health.checks_of(conn, pod.id))
        wanted = [check_id for check_id, of in kinds.items() if kind in (None, of)]
        page = history.page(conn, wanted, to_us(since), below or history.newest(to_us(until)), _PAGE)
        # Nothing is later than now, but by another worker's clock; the pages after the first keep to the first's end.
        end_us = to_us(until) + (AHEAD_US if below is None else 1)
        sums = historysums.sums(conn, wanted, to_us(since), end_us, resolution)
        up = podpage.uptime_of(conn, pod, since, until)
    return {
        "podId": pod.id,
        "period": f"{hours}h",
        "from": iso(max(since, pod.created_at)),
        "to": iso(until),
        "uptimePercentage": up.uptime_percent,
        "coveragePercentage": up.coverage_percent,
        "avgLatencyMs": sums.average_ms,
        "totalChecks": sums.total,
        "healthyChecks": sums.healthy,
        "unhealthyChecks": sums.unhealthy,
        "unknownChecks": sums.unknown,
        "resolution": resolution.value,
        "results": [result_shape(r, kinds) for r in page.results],
        "nextCursor": None if page.below is None else encode(*page.below),
    }


def _place(cursor: str | None) -> Place | None:
    return None if cursor is None else Place(*decode(cursor, 4))


def _end_of_span(below: Place | None, now: datetime) -> datetime:
    """Return the moment up to which a history tells; the pages after the first keep to that of the first."""
    if below is None:
        return now
    if not 0 <= to_us(now) - below.until_us <= _LONGEST_PAGING_US:
        raise InputError("cursor", "is too old; begin again without it")
    return from_us(below.until_us)


def _kind(text: str | None) -> Kind | None:
    if text is None:
        return None
    try:
        return Kind(text)
    except ValueError:
        raise InputError("checkType", "must be one of " + ", ".join(Kind)) from None
