"""Each route that changes something, asked by another site, by nobody's page, with doubled and foreign fields."""

import itertools
import logging
import re
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from podhealth.core.words import Role
from podhealth.models import AuditEntry, Pod, User, db
from podhealth.store import accounts
from podhealth.store.db import read, write
from podhealth.web.access import RULES, Door
from tests.flows.test_bad_input import PAGES, _Forms
from tests.support import cast, matrix, rows
from tests.support.cast import Caller, Site, csrf_token

site = cast.site
pytestmark = [pytest.mark.slow, pytest.mark.parametrize("site", ["sqlite"], indirect=True, scope="module")]

PATHS = matrix.paths(cast.an_app("sqlite:///nowhere.db"))
UNSAFE = [
    (path, method)
    for path in PATHS
    for method, endpoint in path.endpoints.items()
    if method in ("POST", "PUT", "PATCH", "DELETE") and RULES[endpoint].door is not Door.AGENT
]
FOREIGN = ("https://evil.example", "null", "http://127.0.0.1:8701", "http://localhost.evil.example:8700")


def _platform(site: Site) -> Caller:
    return Caller(site.app, session=cast.a_platform_session(site.engine, site.acme.tenant_id), csrf=False)


@pytest.mark.attack("A27", "A28", "A30", "A37")
def test_no_route_does_anything_for_another_site_or_without_its_pages_token(site: Site) -> None:
    token, origins = csrf_token(site.app), itertools.cycle(FOREIGN)
    tokens = itertools.cycle([{}, {"csrf_token": "x" * 40}, {"csrf_token": csrf_token(site.app, "another")}])
    kinds = itertools.cycle(["application/x-www-form-urlencoded", "multipart/form-data", "text/plain"])
    callers = {False: site.browser("adam", csrf=False), True: _platform(site)}
    watch, let_in = rows.Watch(site.engine), []
    for path, method in UNSAFE:
        caller, address = (
            callers[RULES[path.endpoints[method]].role is Role.PLATFORM],
            matrix.address(site, path, matrix.Cell(matrix.IDENTITIES[3], method, path.which[0])),
        )
        asked = {
            "another's token": {"data": next(tokens)},
            "the token in the address": {"query_string": {"csrf_token": token}, "data": {}},
            "another site": {"data": {"csrf_token": token}, "headers": {"Origin": next(origins), "X-CSRFToken": token}},
            "a plain form": {"data": '{"a":"b"}', "content_type": next(kinds)},
        }
        for name, options in asked.items():
            answer = caller.send(method, address, **options)
            if answer.status_code != 403 or watch.stored():
                let_in.append((method, address, name, answer.status_code))
    watch.close()

    assert len(UNSAFE) > 150
    assert let_in == []


@pytest.mark.attack("A66")
def test_what_is_given_twice_is_refused_and_neither_is_chosen(site: Site) -> None:
    adam, token = site.browser("adam", csrf=False), csrf_token(site.app)
    vic = site.acme.people["vic"]
    forms = [
        (f"/users/{vic}/role", [("role", "viewer"), ("role", "admin")]),
        (f"/users/{vic}/role", [("role", "admin"), ("role", "viewer")]),
        ("/policies", [("name", "a"), ("name", "b")]),
        ("/pods", [("name", "a"), ("address", "10.0.0.1"), ("address", "10.0.0.2")]),
    ]
    before = rows.marks(site.engine)
    by_form = [
        adam.post(path, data="&".join(f"{k}={v}" for k, v in [*fields, ("csrf_token", token)]),
                  content_type="application/x-www-form-urlencoded").status_code
        for path, fields in forms
    ]  # fmt: skip
    admin = site.program("admin")
    by_json = [
        admin.send(method, path, data=body, content_type="application/json").json.get("code")
        for method, path, body in [
            ("POST", "/api/pods", '{"name": "a", "name": "b", "address": "10.0.0.1"}'),
            ("PATCH", f"/api/users/{vic}", '{"role": "viewer", "role": "admin"}'),
            ("POST", "/api/tokens", '{"name": "a", "role": "viewer", "role": "admin"}'),
            (
                "POST",
                "/api/channels",
                '{"name": "a", "config": {"url": "https://a.example", "url": "https://b.example"}}',
            ),
        ]
    ]
    viewer = site.program("viewer")
    by_query = [
        viewer.get(path).json.get("code")
        for path in (
            "/api/heals?limit=1&limit=2",
            "/api/pods?cursor=a&cursor=b",
            "/api/cloud-pods/health/overview?tag=a&tag=b",
        )
    ]
    twice_named = admin.post("/api/tokens?role=admin", json={"name": "by-query", "role": "viewer"})

    assert by_form == [422] * 4
    assert by_json == ["given_twice"] * 4
    assert by_query == ["given_twice"] * 3
    assert (twice_named.status_code, twice_named.json.get("role")) in ((201, "viewer"), (422, None))
    changed = rows.changed(before, rows.marks(site.engine))
    assert "users" not in changed
    assert "pods" not in changed


def _all(engine: sa.Engine) -> dict[tuple[str, Any], dict[str, Any]]:
    found = {}
    with read(engine) as conn:
        for table in db.metadata.sorted_tables:
            for row in conn.execute(sa.select(table)).mappings():
                found[table.name, tuple(row[c.name] for c in table.primary_key)] = dict(row)
    return found


def _differs(before: dict[Any, Any], after: dict[Any, Any]) -> set[tuple[str, str]]:
    """Which columns of which tables another row or value stands in."""
    return {
        (key[0], column)
        for key in before.keys() | after.keys()
        for column in (before.get(key) or after.get(key) or {})
        if before.get(key, {}).get(column) != after.get(key, {}).get(column)
    }


COLUMNS = sorted({column.name for table in db.metadata.sorted_tables for column in table.c} - {"op"})
MORE = {name: "1" for name in COLUMNS} | {
    **{"role": "admin", "tenant_id": "{zeta}", "tenantId": "{zeta}", "is_operator": "true", "isOperator": "true"},
    **{"is_shared": "on", "active": "", "deleted_at": "", "password": "x" * 20, "by": "somebody", "userId": "1"},
}


def _edits(site: Site) -> list[tuple[str, dict[str, str]]]:
    """The forms by which an admin edits what there is: filled in with what is stored, so they can be sent back."""
    adam, found = site.browser("adam"), {}
    for path in PAGES:
        if RULES[path.endpoints["GET"]].role is Role.PLATFORM:
            continue
        address = matrix.address(site, path, matrix.Cell(matrix.IDENTITIES[3], "GET", path.which[0]))
        found |= _Forms(adam.get(address).get_data(as_text=True)).found
    over = (
        "/sign-out",
        "/sign-in",
        "delete",
        "/remove",
        "/everywhere",
        "/second-factor",
        "/password",
        "/sessions",
        "/preview",
    )
    return [(action, fields) for action, fields in found.items() if not any(word in action for word in over)]


@pytest.mark.attack("A6", "A67")
def test_no_form_sets_a_column_that_it_does_not_show(site: Site) -> None:
    site = site.afresh()
    more = {name: value.format(zeta=site.zeta.tenant_id) for name, value in MORE.items()}
    sent, wrong = 0, []
    adam = site.browser("adam")
    for action, fields in [form for form in _edits(site) if "version" in form[1]]:
        plain = {name: value for name, value in fields.items() if name not in ("op", "csrf_token")}
        start = _all(site.engine)
        first = adam.post(action, data=plain)
        middle = _all(site.engine)
        usual = _differs(start, middle)
        again = plain | (
            {"version": str(int(plain["version"]) + 1)} if plain.get("version", "").isdigit() and usual else {}
        )
        answer = adam.post(action, data={**more, **again})
        changed = _differs(middle, _all(site.engine))
        sent += answer.status_code < 400
        # What a second sending of the same may change, a first one changed as well.
        extra = {(t, c) for t, c in changed - usual if t not in ("audit_entries", "audit_heads", "feed", "submissions")}
        if first.status_code < 400 and extra - {(t, c) for t, c in extra if (t, "id") in extra}:
            wrong.append((action, sorted(extra)))
        if answer.status_code >= 500:
            wrong.append((action, answer.status_code))
    with read(site.engine) as conn:
        moved = conn.scalar(sa.select(sa.func.count()).select_from(Pod).where(Pod.tenant_id == site.zeta.tenant_id))
        admins = set(
            conn.scalars(sa.select(User.name).where(User.role == Role.ADMIN, User.tenant_id == site.acme.tenant_id))
        )

    assert sent >= 6
    assert wrong == []
    assert moved == 2
    assert admins == {"adam"}


@pytest.mark.attack("A6", "A67")
def test_the_api_takes_no_field_that_it_does_not_describe(site: Site) -> None:
    admin, before = site.program("admin"), rows.marks(site.engine)
    document = admin.get("/api/openapi.json").json
    open_ones = [
        (path, method)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        for content in operation.get("requestBody", {}).get("content", {}).values()
        for schema in content["schema"].get("anyOf", [content["schema"]])
        if _resolved(document, schema).get("additionalProperties") is not False
    ]
    vic = site.acme.people["vic"]
    tried = [
        admin.send("PATCH", f"/api/users/{vic}", json={"role": "viewer", "tenantId": site.zeta.tenant_id}),
        admin.send("PATCH", f"/api/pods/{site.acme.pod_id}", json={"tenant_id": site.zeta.tenant_id}),
        admin.post("/api/invitations", json={"email": "x@y.example", "role": "platform"}),
        admin.post("/api/tokens", json={"name": "x", "role": "platform"}),
        site.program("operator").post(
            f"/api/pods/{site.acme.pod_id}/snoozes", json={"minutes": 5, "reason": "r", "by": "adam"}
        ),
    ]

    assert open_ones == []
    assert [answer.status_code for answer in tried] == [422] * 5
    assert rows.changed(before, rows.marks(site.engine)) == []


def _resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


# One's own, or nothing that anybody else could notice.
UNAUDITED = {
    "saved_views",
    "policy_drafts",
    "submissions",
    "sessions",
    "feed",
    "check_runs",
    "audit_entries",
    "audit_heads",
}


@pytest.mark.attack("A82")
def test_each_form_that_changes_something_leaves_one_entry_of_whoever_sent_it(site: Site) -> None:
    site = site.afresh()
    adam, silent, loud = site.browser("adam"), [], 0
    for action, fields in _edits(site):
        typed = {
            n: v or ("reason " if "reason" in n or n == "note" else "") for n, v in fields.items() if n != "csrf_token"
        }
        before, entries = rows.marks(site.engine), _entries(site)
        answer = adam.post(action, data=typed)
        changed = set(rows.changed(before, rows.marks(site.engine))) - UNAUDITED
        new = [one for one in _entries(site) if one not in entries]
        if answer.status_code < 400 and changed:
            loud += 1
            if len(new) != 1 or not new[0].actor_name.startswith("adam"):
                silent.append((action, sorted(changed), [(one.what, one.object_type, one.actor_name) for one in new]))

    assert loud > 12
    assert silent == []


def _entries(site: Site) -> list[sa.Row[Any]]:
    with read(site.engine) as conn:
        return list(conn.execute(sa.select(AuditEntry.__table__).where(AuditEntry.chain == site.acme.tenant_id)))


@pytest.mark.attack("A7", "A82")
def test_who_is_refused_is_in_the_log(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    site.browser("vic").post(f"/pods/{site.acme.pod_id}/reset")
    site.browser("adam").get("/ops")
    site.browser("adam", csrf=False).post(f"/pods/{site.acme.pod_id}/reset")
    site.browser("adam", origin="https://evil.example").post(f"/pods/{site.acme.pod_id}/reset")
    told = [r.msg for r in caplog.records if isinstance(r.msg, dict) and r.msg.get("event") == "request refused"]

    assert [one["why"] for one in told] == ["role", "role", "page token", "origin"]
    assert told[0] == told[0] | {"endpoint": "pods.reset", "role": "viewer", "needed": "operator"}
    assert told[0]["who"]


@pytest.mark.attack("A21", "A82")
def test_who_signs_in_or_fails_to_is_in_the_log_and_no_password_is(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    browser = site.nobody()
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', browser.get("/sign-in").text)[1]  # type: ignore[index]
    for email in ("ann@acme.example", "my password in the wrong field"):
        browser.post("/sign-in", data={"email": email, "password": "wrong horse battery", "csrf_token": token})
    with write(site.engine) as conn:
        link = accounts.create_sign_in_link(conn, site.acme.people["ann"], timedelta(minutes=5))
    page = browser.get(f"/sign-in/link/{link}").text
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page)[1]  # type: ignore[index]
    browser.post(f"/sign-in/link/{link}", data={"csrf_token": token})
    page = browser.get("/account").text
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page)[1]  # type: ignore[index]
    browser.post("/sign-out", data={"csrf_token": token})
    Caller(site.app, token="ph_of-nobody").get("/api/pods")
    told = [r.msg for r in caplog.records if isinstance(r.msg, dict)]
    ours = [one for one in told if one["event"] in ("try failed", "session begun", "session ended", "request refused")]

    assert [one["event"] for one in ours] == [
        "try failed",
        "try failed",
        "session begun",
        "session ended",
        "request refused",
    ]
    assert [one.get("account") for one in ours[:2]] == ["ann@acme.example", None]
    assert ours[2]["user_id"] == ours[3]["user_id"] == site.acme.people["ann"]
    assert all(one["address"] for one in ours)
    assert not any(word in str(told) for word in ("wrong horse", "wrong field", "of-nobody", link))
