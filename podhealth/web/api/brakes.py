"""What holds a tenant's healing back, kill switches and overrides of breakers: ``/api/brakes``."""

from datetime import datetime
from typing import Any

from flask import request
from flask.typing import ResponseReturnValue

from podhealth.core.errors import InputError
from podhealth.core.fields import text, word
from podhealth.core.words import BreakerScope, KillScope
from podhealth.store import brakeview, holds, overrides
from podhealth.store.db import db_now, read, write
from podhealth.web.api import api
from podhealth.web.api.body import json_object, refuse_unknown, take_number
from podhealth.web.api.shapes import iso
from podhealth.web.installed import engine_of
from podhealth.web.session import current_scope
from podhealth.web.telling import tell_browsers

_LONGEST = 40


@api.get("/brakes")
def brakes() -> dict[str, Any]:
    """Answer what holds healing back now: kill switches, breakers, budget, heals under way."""
    return _shown()


@api.post("/brakes/switches")
def switch_off() -> ResponseReturnValue:
    """Switch healing off for a pod, the tenant (admin) or everything (platform), with a reason and an end."""
    fields = json_object(request)
    refuse_unknown(fields, frozenset({"scope", "podId", "until", "reason"}))
    what, until, pod_id = word("scope", fields.get("scope"), KillScope), _until(fields), take_number(fields, "podId")
    with write(engine_of(), durable=True) as conn:
        switch_id = holds.set_kill_switch(conn, current_scope(), what, until, fields.get("reason", ""), pod_id)
    tell_browsers()
    return {"id": switch_id, "until": iso(until)}, 201


@api.delete("/brakes/switches/<id:switch_id>")
def end_switch(switch_id: int) -> dict[str, Any]:
    """End a kill switch; the pods it held are judged at once."""
    with write(engine_of(), durable=True) as conn:
        holds.end_kill_switch(conn, current_scope(), switch_id)
    tell_browsers()
    return {"ended": True}


@api.post("/brakes/overrides")
def override_breaker() -> ResponseReturnValue:
    """Let heals pass a breaker for at most a day: the tenant's own, or (platform) that of a node or vantage."""
    fields = json_object(request)
    refuse_unknown(fields, frozenset({"scope", "key", "until", "reason"}))
    what, key, until = *_breaker(fields), _until(fields)
    with write(engine_of(), durable=True) as conn:
        overrides.override(conn, current_scope(), what, key, until, fields.get("reason", ""))
    tell_browsers()
    return {"scope": what.value, "key": key, "until": iso(until)}, 201


@api.post("/brakes/overrides/end")
def end_override_of_breaker() -> dict[str, Any]:
    """Let a breaker hold again; 409 where nothing is overridden."""
    fields = json_object(request)
    refuse_unknown(fields, frozenset({"scope", "key"}))
    what, key = _breaker(fields)
    with write(engine_of(), durable=True) as conn:
        overrides.end_override(conn, current_scope(), what, key)
    tell_browsers()
    return {"ended": True}


def _breaker(fields: dict[str, Any]) -> tuple[BreakerScope, str]:
    what = word("scope", fields.get("scope"), BreakerScope)
    if what == BreakerScope.TENANT:
        return what, text("key", fields.get("key", str(current_scope().tenant_id)), _LONGEST)
    return what, text("key", fields.get("key"), _LONGEST)


def _until(fields: dict[str, Any]) -> datetime:
    try:
        moment = datetime.fromisoformat(text("until", fields.get("until"), _LONGEST))
        if moment.tzinfo is not None:
            moment.timestamp()
    except (ValueError, OverflowError):
        raise InputError("until", "must be a time such as 2026-11-24T18:00:00Z") from None
    return moment


def _shown() -> dict[str, Any]:
    with read(engine_of()) as conn:
        view = brakeview.brakes_view(conn, current_scope(), db_now(conn))
    return {
        "killSwitches": [
            {
                "id": one.switch_id,
                "scope": one.scope.value,
                "pod": one.pod,
                "by": one.by,
                "reason": one.reason,
                "at": iso(one.at),
                "until": iso(one.until),
            }
            for one in view.switches
        ],
        "breakers": [_breaker_shape(one) for one in view.breakers],
        "budget": {
            "heals": view.spent,
            "mostHeals": view.budget,
            "migrations": view.migrations,
            "mostMigrations": view.migration_budget,
        },
        "openHeals": len(view.heals),
        "mostOpenHeals": view.most_open,
    }


def _breaker_shape(one: brakeview.BreakerLine) -> dict[str, Any]:
    return {
        "scope": one.scope.value,
        "key": one.key,
        "name": one.name,
        "state": one.state.value,
        "openedAt": iso(one.opened_at),
        "halfOpenAt": iso(one.half_open_at),
        "suspects": one.suspects,
        "limit": one.limit,
        "heldPods": one.held,
        "overrideUntil": iso(one.override_until),
        "overrideBy": one.override_by,
        "overrideReason": one.override_reason,
    }
