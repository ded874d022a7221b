"""The page of the brakes, and what people may switch there; the same by the API."""

import re
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from podhealth.core.words import BreakerScope, BreakerState, HealState, KillScope, Role
from podhealth.models import AuditEntry, Breaker, BreakerHold, KillSwitch
from podhealth.store import holds
from podhealth.store.db import db_now, read, write
from podhealth.store.tenancy import system_scope
from tests.support.build import a_heal, a_pod, a_tenant, a_user
from tests.support.cast import Caller
from tests.web.conftest import SignedIn

STOP = {"scope": "tenant", "pod": "", "length": "60", "until": "", "reason": "storage move"}


@pytest.fixture
def people(engine: sa.Engine, tenant: int, signed_in: SignedIn) -> dict[str, Caller]:
    """Vic looks, ann operates, adam is admin; zoe is another tenant's admin."""
    with write(engine) as conn:
        ids = {
            "vic": a_user(conn, tenant, "vic", Role.VIEWER),
            "ann": a_user(conn, tenant, "ann", Role.OPERATOR),
            "adam": a_user(conn, tenant, "adam", Role.ADMIN, email="adam@acme.example"),
            "zoe": a_user(conn, a_tenant(conn, "zeta"), "zoe", Role.ADMIN),
        }
    return {name: signed_in(user_id) for name, user_id in ids.items()}


@pytest.fixture
def adam(people: dict[str, Caller]) -> Caller:
    return people["adam"]


@pytest.fixture
def web(engine: sa.Engine, tenant: int) -> int:
    with write(engine) as conn:
        return a_pod(conn, tenant, "web-1", status="unhealthy")


def switches(engine: sa.Engine) -> list[Any]:
    with read(engine) as conn:
        return list(conn.execute(sa.select(KillSwitch.__table__).order_by(KillSwitch.id)))


def audited(engine: sa.Engine) -> list[str]:
    with read(engine) as conn:
        return list(conn.execute(sa.select(AuditEntry.what).order_by(AuditEntry.seq)).scalars())


def a_switch(engine: sa.Engine, tenant_id: int, scope: KillScope, pod_id: int | None = None) -> int:
    with write(engine) as conn:
        until = db_now(conn) + timedelta(hours=1)
        by = system_scope(tenant_id, "eve")
        return holds.set_kill_switch(conn, by, scope, until, "storage move", pod_id)


def a_breaker(engine: sa.Engine, scope: BreakerScope, key: str, **columns: Any) -> int:
    with write(engine) as conn:
        values = {"scope": scope, "scope_key": key, "state": BreakerState.OPEN, "opened_at": db_now(conn)}
        values |= {"suspects": 7, "rest": 5, "updated_at": db_now(conn)} | columns
        return int(conn.execute(sa.insert(Breaker).values(**values).returning(Breaker.id)).scalar_one())


def forms_of(page: Any) -> set[str]:
    return set(re.findall(r'action="(/brakes/[^"]*)"', page.text))


def test_with_nothing_held_the_page_says_so(adam: Caller):
    page = adam.get("/brakes")

    assert page.status_code == 200
    assert "Healing is on: nobody has switched it off." in page.text
    assert "All closed" in page.text
    assert "0 of 6" in page.text


def test_what_holds_is_shown_with_who_why_and_until_when(engine, tenant, web, adam: Caller):
    a_switch(engine, tenant, KillScope.TENANT)
    a_switch(engine, tenant, KillScope.POD, web)
    page = adam.get("/brakes").text

    assert "All pods of acme" in page
    assert f'<a href="/pods/{web}">web-1</a>' in page
    assert page.partition("<main")[2].count("storage move") == 2
    assert "eve" in page


def test_an_open_breaker_says_how_many_and_whom_it_holds(engine, tenant, web, adam: Caller):
    breaker_id = a_breaker(engine, BreakerScope.TENANT, str(tenant), limit=3)
    with write(engine) as conn:
        held = {"breaker_id": breaker_id, "pod_id": web, "tenant_id": tenant, "since": db_now(conn)}
        conn.execute(sa.insert(BreakerHold).values(**held))
    page = re.sub(r"\s+", " ", adam.get("/brakes").text)

    assert "7 suspects, more than 3 open it; 1 of your pods waits" in page
    assert "Closes by itself after 5 min at 3 or fewer" in page


def test_breakers_of_scopes_without_own_pods_are_not_shown(engine, tenant, web, adam: Caller):
    a_breaker(engine, BreakerScope.NODE, "4711")
    a_breaker(engine, BreakerScope.TENANT, str(tenant + 1))
    a_breaker(engine, BreakerScope.VANTAGE, "dc9")

    assert "All closed" in adam.get("/brakes").text


def test_heals_under_way_and_the_budget_are_shown(engine, web, adam: Caller):
    with write(engine) as conn:
        a_heal(conn, web, state=HealState.VERIFYING, called_at=db_now(conn), cost=2)
    page = re.sub(r"\s+", " ", adam.get("/brakes").text)

    assert "2 of 6" in page
    assert "1 of 1 at a time" in page
    assert f'<a href="/pods/{web}">web-1</a>: Restart 1 of 3, verifying' in page


@pytest.mark.parametrize(
    ("who", "forms"),
    [
        ("vic", set()),
        ("ann", {"/brakes/switches", "/brakes/switches/2/end"}),
        ("adam", {"/brakes/switches", "/brakes/switches/1/end", "/brakes/switches/2/end", "/brakes/override"}),
    ],
)
def test_each_sees_the_buttons_of_the_own_role(engine, tenant, web, people, who, forms):
    a_switch(engine, tenant, KillScope.TENANT)
    a_switch(engine, tenant, KillScope.POD, web)
    ids = [str(row.id) for row in switches(engine)]
    named = {form.replace("/1/", f"/{ids[0]}/").replace("/2/", f"/{ids[1]}/") for form in forms}

    assert forms_of(people[who].get("/brakes")) == named


def test_an_admin_switches_all_off_and_on_again(engine, tenant, adam: Caller):
    off = adam.post("/brakes/switches", data=STOP)
    (row,) = switches(engine)
    on = adam.post(f"/brakes/switches/{row.id}/end")

    assert (off.status_code, on.status_code) == (303, 303)
    assert (row.scope, row.tenant_id, row.reason, row.by) == ("tenant", tenant, "storage move", "adam@acme.example")
    assert abs(row.until - row.at - timedelta(hours=1)) < timedelta(seconds=5)
    assert switches(engine)[0].ended_at is not None
    assert audited(engine) == ["kill switch set", "kill switch ended"]


def test_an_operator_stops_one_pod_by_name_and_not_the_tenant(engine, web, people):
    one = people["ann"].post("/brakes/switches", data=STOP | {"scope": "pod", "pod": "web-1"})
    all_of_it = people["ann"].post("/brakes/switches", data=STOP)

    assert (one.status_code, all_of_it.status_code) == (303, 403)
    assert [(row.scope, row.pod_id) for row in switches(engine)] == [("pod", web)]


def test_no_tenant_stops_or_starts_the_healing_of_everybody(engine, tenant, adam: Caller):
    with write(engine) as conn:
        now = db_now(conn)
        stop = {"scope": "system", "reason": "fire", "by": "op", "at": now, "until": now + timedelta(hours=1)}
        of_all = int(conn.execute(sa.insert(KillSwitch).values(**stop).returning(KillSwitch.id)).scalar_one())
    answers = [
        adam.post("/brakes/switches", data=STOP | {"scope": "system"}),
        adam.post(f"/brakes/switches/{of_all}/end"),
        adam.post("/api/brakes/switches", json={"scope": "system", "reason": "x", "until": stop["until"].isoformat()}),
        adam.delete(f"/api/brakes/switches/{of_all}"),
    ]

    assert [answer.status_code for answer in answers] == [403] * 4
    assert "All healing, everywhere" in adam.get("/brakes").text
    assert [(row.id, row.ended_at) for row in switches(engine)] == [(of_all, None)]


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"reason": ""}, "reason"),
        ({"reason": "x" * 201}, "reason"),
        ({"length": "until", "until": ""}, "until"),
        ({"length": "until", "until": "2020-01-01T00:00"}, "until"),
        ({"length": "until", "until": "2099-01-01T00:00"}, "until"),
        ({"length": "5"}, "length"),
        ({"scope": "world"}, "scope"),
        ({"scope": "pod", "pod": ""}, "pod"),
        ({"scope": "pod", "pod": "nobody"}, "pod"),
    ],
)
def test_a_bad_stop_is_refused_beside_its_field_with_what_was_typed(engine, adam: Caller, typed, field):
    answer = adam.post("/brakes/switches", data=STOP | typed)

    assert answer.status_code == 422
    assert f'id="switch-{field}-error"' in answer.text
    assert field == "reason" or 'value="storage move"' in answer.text
    assert switches(engine) == []


def test_a_form_that_is_sent_twice_stops_once(engine, adam: Caller):
    for _ in range(2):
        adam.post("/brakes/switches", data=STOP | {"op": "one-and-the-same"})

    assert len(switches(engine)) == 1


def test_another_tenants_switch_and_pod_are_not_there(engine, tenant, web, people):
    mine = a_switch(engine, tenant, KillScope.TENANT)
    zoe = people["zoe"]
    ended = [zoe.post(f"/brakes/switches/{mine}/end"), zoe.delete(f"/api/brakes/switches/{mine}")]
    stopped = zoe.post("/brakes/switches", data=STOP | {"scope": "pod", "pod": "web-1"})

    assert [answer.status_code for answer in ended] == [404, 404]
    assert stopped.status_code == 422
    assert "storage move" not in zoe.get("/brakes").text
    assert "web-1" not in zoe.get(f"/brakes?pod={web}").text


def test_a_switch_that_is_over_is_said_to_be(engine, tenant, adam: Caller):
    switch_id = a_switch(engine, tenant, KillScope.TENANT)
    adam.post(f"/brakes/switches/{switch_id}/end")
    again = adam.post(f"/brakes/switches/{switch_id}/end")

    assert again.status_code == 409
    assert "It is over already." in again.text


def test_the_pods_page_leads_here_with_its_name_typed(web, adam: Caller):
    assert f'href="/brakes?pod={web}"' in adam.get(f"/pods/{web}").text
    assert 'value="web-1"' in adam.get(f"/brakes?pod={web}").text


def test_an_admin_overrides_the_tenants_breaker_and_lets_it_hold_again(engine, tenant, adam: Caller):
    a_breaker(engine, BreakerScope.TENANT, str(tenant))
    over = adam.post("/brakes/override", data={"length": "60", "until": "", "reason": "known outage"})
    shown = adam.get("/brakes").text
    ended = adam.post("/brakes/override/end")
    again = adam.post("/brakes/override/end")

    assert [over.status_code, ended.status_code, again.status_code] == [303, 303, 409]
    assert "Overridden by adam@acme.example until" in shown
    assert "known outage" in shown
    assert "Overridden by" not in again.text


@pytest.mark.attack("A98")
def test_an_override_over_a_day_is_refused_and_an_operator_may_not(engine, people):
    far = {"length": "until", "until": "2099-01-01T00:00", "reason": "known outage"}
    refused = people["adam"].post("/brakes/override", data=far)

    assert refused.status_code == 422
    assert 'id="override-until-error"' in refused.text
    assert people["ann"].post("/brakes/override", data=far).status_code == 403


def test_the_api_says_the_same_and_switches(engine, tenant, web, adam: Caller):
    with read(engine) as conn:
        until = (db_now(conn) + timedelta(hours=2)).isoformat()
    made = adam.post("/api/brakes/switches", json={"scope": "pod", "podId": web, "until": until, "reason": "move"})
    over = adam.post("/api/brakes/overrides", json={"scope": "tenant", "until": until, "reason": "known"})
    shown = adam.get("/api/brakes").json
    ended = adam.delete(f"/api/brakes/switches/{made.json['id']}")
    held = adam.post("/api/brakes/overrides/end", json={"scope": "tenant"})

    assert [made.status_code, over.status_code, ended.status_code, held.status_code] == [201, 201, 200, 200]
    assert [(one["scope"], one["pod"], one["reason"]) for one in shown["killSwitches"]] == [("pod", "web-1", "move")]
    assert shown["breakers"][0]["overrideBy"] == "adam@acme.example"
    assert shown["budget"] == {"heals": 0, "mostHeals": 6, "migrations": 0, "mostMigrations": 1}
    assert adam.get("/api/brakes").json["killSwitches"] == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"scope": "world"}, "scope"),
        ({"scope": "tenant"}, "until"),
        ({"scope": "tenant", "until": "soon"}, "until"),
        ({"scope": "tenant", "until": "2099-01-01T00:00:00Z", "reason": "x"}, "until"),
        ({"scope": "pod", "podId": True, "until": "2099-01-01T00:00:00Z"}, "podId"),
        ({"scope": "pod", "until": "2099-01-01T00:00:00Z", "reason": "x"}, "podId"),
        ({"scope": "tenant", "until": "2099-01-01T00:00:00Z", "why": "x"}, "why"),
    ],
)
def test_the_api_names_the_field_it_refuses(engine, adam: Caller, body, field):
    answer = adam.post("/api/brakes/switches", json=body)

    assert (answer.status_code, answer.json["field"]) == (422, field)
    assert switches(engine) == []


def test_only_the_platform_overrides_the_breaker_of_a_vantage(engine, adam: Caller):
    with read(engine) as conn:
        until = (db_now(conn) + timedelta(hours=2)).isoformat()
    answer = adam.post(
        "/api/brakes/overrides", json={"scope": "vantage", "key": "local", "until": until, "reason": "known"}
    )

    assert answer.status_code == 403
