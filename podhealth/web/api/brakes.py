"""What holds a tenant's healing back, kill switches and overrides of breakers: ``/api/brakes``."""

from typing import Any

import sqlalchemy as sa
from flask.typing import ResponseReturnValue

from podhealth.core.fields import text
from podhealth.core.readers import A_MOMENT, AN_ID, a_line, a_text, a_word, or_null
from podhealth.core.words import BreakerScope, BreakerState, KillScope
from podhealth.store import brakeview, holds, overrides
from podhealth.store.db import db_now, read
from podhealth.web.api import api
from podhealth.web.api.declare import acts, body, fields_of, reads
from podhealth.web.api.schema import ID, TEXT, TIME, WHOLE, answer, done, many, maybe, words
from podhealth.web.api.shapes import iso
from podhealth.web.installed import engine_of
from podhealth.web.session import current_scope

_LONGEST = 40
_REASON = a_line(200)
_BREAKER = {"scope": a_word(BreakerScope), "key": a_text(_LONGEST)}

SWITCH = answer("KillSwitch", id=ID, scope=words(KillScope), pod=maybe(TEXT), by=TEXT, reason=TEXT, at=TIME, until=TIME)
BREAKER = answer(
    "Breaker",
    scope=words(BreakerScope),
    key=TEXT,
    name=TEXT,
    state=words(BreakerState),
    openedAt=maybe(TIME),
    halfOpenAt=maybe(TIME),
    suspects=WHOLE,
    limit=WHOLE,
    heldPods=WHOLE,
    overrideUntil=maybe(TIME),
    overrideBy=maybe(TEXT),
    overrideReason=maybe(TEXT),
)
BRAKES = answer(
    "Brakes",
    killSwitches=many(SWITCH),
    breakers=many(BREAKER),
    budget=answer(heals=WHOLE, mostHeals=WHOLE, migrations=WHOLE, mostMigrations=WHOLE),
    openHeals=WHOLE,
    mostOpenHeals=WHOLE,
)


@api.get("/brakes")
@reads("Brakes", BRAKES)
def brakes() -> dict[str, Any]:
    """Answer what holds healing back now: kill switches, breakers, budget, heals under way."""
    return _shown()


@api.post("/brakes/switches")
@acts(
    "Brakes",
    answer(id=ID, until=TIME),
    status=201,
    body=fields_of(
        {"scope": a_word(KillScope), "podId": or_null(AN_ID), "until": A_MOMENT, "reason": _REASON},
        ["scope", "until", "reason"],
    ),
    refusals={404: "`podId` names no pod of the tenant.", 409: "It is off already."},
)
def switch_off(conn: sa.Connection) -> ResponseReturnValue:
    """Switch healing off for a pod, the tenant (admin) or everything (platform), with a reason and an end."""
    asked = body()
    what, until = asked["scope"], asked["until"]
    switch_id = holds.set_kill_switch(conn, current_scope(), what, until, asked["reason"], asked.get("podId"))
    return {"id": switch_id, "until": iso(until)}, 201


@api.delete("/brakes/switches/<id:switch_id>")
@acts("Brakes", done("ended"), refusals={409: "It is over already."})
def end_switch(conn: sa.Connection, switch_id: int) -> dict[str, Any]:
    """End a kill switch; the pods it held are judged at once."""
    holds.end_kill_switch(conn, current_scope(), switch_id)
    return {"ended": True}


@api.post("/brakes/overrides")
@acts(
    "Brakes",
    answer(scope=words(BreakerScope), key=TEXT, until=TIME),
    status=201,
    body=fields_of({**_BREAKER, "until": A_MOMENT, "reason": _REASON}, ["scope", "until", "reason"]),
    refusals={404: "There is no such breaker."},
)
def override_breaker(conn: sa.Connection) -> ResponseReturnValue:
    """Let heals pass a breaker for at most a day: the tenant's own, or (platform) that of a node or vantage."""
    asked = body()
    what, key = _breaker(asked)
    overrides.override(conn, current_scope(), what, key, asked["until"], asked["reason"])
    return {"scope": what.value, "key": key, "until": iso(asked["until"])}, 201


@api.post("/brakes/overrides/end")
@acts(
    "Brakes",
    done("ended"),
    body=fields_of(_BREAKER, ["scope"]),
    refusals={404: "There is no such breaker.", 409: "Nothing is overridden."},
)
def end_override_of_breaker(conn: sa.Connection) -> dict[str, Any]:
    """Let a breaker hold again; 409 where nothing is overridden."""
    overrides.end_override(conn, current_scope(), *_breaker(body()))
    return {"ended": True}


def _breaker(asked: dict[str, Any]) -> tuple[BreakerScope, str]:
    what: BreakerScope = asked["scope"]
    own = str(current_scope().tenant_id) if what == BreakerScope.TENANT else None
    return what, text("key", asked.get("key", own), _LONGEST)


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
