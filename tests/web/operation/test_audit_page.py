"""The audit trail on its page and as a file: whose it is, what it may be asked for, and whether it is whole."""

import csv
import io
import json
import re
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from podhealth import clock
from podhealth.core.words import Actor, Role
from podhealth.models import AuditEntry
from podhealth.store import audit
from podhealth.store.db import write
from podhealth.store.tenancy import Scope
from tests.support.build import a_tenant, a_user
from tests.support.cast import Caller, a_platform_session, a_session
from tests.web.conftest import SignedIn


def _done(engine: sa.Engine, tenant_id: int, *what: str, who: str = "ann", **more: Any) -> None:
    scope = Scope(tenant_id, Role.ADMIN, Actor.USER, who, "10.9.8.7")
    told = {"kind": "policy", "id": 3, "before": None, "after": None} | more
    with write(engine) as conn:
        for one in what:
            audit.write(conn, scope, one, told["kind"], told["id"], told["before"], told["after"])


@pytest.fixture
def people(engine: sa.Engine, tenant: int, signed_in: SignedIn) -> dict[str, Caller]:
    """Vic looks, ann operates, adam is admin; zoe is another tenant's admin."""
    with write(engine) as conn:
        ids = {
            "vic": a_user(conn, tenant, "vic", Role.VIEWER),
            "ann": a_user(conn, tenant, "ann", Role.OPERATOR),
            "adam": a_user(conn, tenant, "adam", Role.ADMIN),
            "zoe": a_user(conn, a_tenant(conn, "zeta"), "zoe", Role.ADMIN),
        }
    return {name: signed_in(user_id) for name, user_id in ids.items()}


@pytest.fixture
def adam(people: dict[str, Caller]) -> Caller:
    return people["adam"]


def _lines(page: Any) -> list[str]:
    """The sentences of the entries on a page."""
    found = re.findall(r'<span class="what">(.*?)</span>', page.text, re.DOTALL)
    return [" ".join(one.split()) for one in found]


def _rows(answer: Any) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(answer.text)))


def test_an_entry_says_what_differed(engine: sa.Engine, tenant: int, adam: Caller):
    before = {"name": "web", "cooldownMinutes": 10, "mode": "auto"}
    _done(engine, tenant, "policy changed", before=before, after=before | {"cooldownMinutes": 20})
    page = adam.get("/audit")
    cells = re.findall(r"<t[hd][^>]*>([^<]*)</t[hd]>", page.text)

    assert _lines(page) == ["policy changed: web"]
    assert cells[-3:] == ["cooldown minutes", "10", "20"]
    assert 'href="/policies/3"' in page.text
    assert "10.9.8.7" in page.text


def test_operators_read_it_without_addresses_and_viewers_not_at_all(engine, tenant: int, people: dict[str, Caller]):
    _done(engine, tenant, "policy changed")

    assert "10.9.8.7" not in people["ann"].get("/audit").text
    assert "10.9.8.7" not in people["ann"].get("/audit/export").text
    assert "10.9.8.7" in people["adam"].get("/audit/export").text
    assert people["vic"].get("/audit").status_code == 403
    assert people["ann"].post("/audit/verify").status_code == 403


def test_each_tenant_reads_its_own_chain(engine: sa.Engine, tenant: int, people: dict[str, Caller]):
    _done(engine, tenant, "policy changed", after={"name": "acme's own"})

    assert _lines(people["adam"].get("/audit")) == ["policy changed: acme&#39;s own"]
    assert "acme" not in people["zoe"].get("/audit/export?format=jsonl").text
    assert _lines(people["zoe"].get("/audit")) == []


def test_a_platform_admin_reads_the_chain_of_the_installation_or_of_the_tenant_viewed(engine, tenant: int, app: Any):
    _done(engine, tenant, "policy changed")
    with write(engine) as conn:
        scope = Scope(0, Role.PLATFORM, Actor.SYSTEM, "command line")
        audit.write_installation(conn, scope, "kill switch set", "kill_switch", 1, {})
    outside = Caller(app, session=a_platform_session(engine))
    inside = Caller(app, session=a_platform_session(engine, tenant))

    assert _lines(outside.get("/audit")) == ["kill switch set: 1"]
    assert _lines(inside.get("/audit")) == ["policy changed: 3"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["pod deleted", "policy changed", "policy created"]),
        ("who=BO", ["policy changed"]),
        ("who=%25", []),
        ("what=policy+created", ["policy created"]),
        ("object=pod", ["pod deleted"]),
        ("object=pod&id=7", ["pod deleted"]),
        ("object=pod&id=8", []),
        ("from=2020-01-01&to=2020-01-02", []),
        ("from=2020-01-01", ["pod deleted", "policy changed", "policy created"]),
    ],
)
def test_the_address_narrows_the_entries(engine: sa.Engine, tenant: int, adam: Caller, query: str, found: list[str]):
    _done(engine, tenant, "policy created")
    _done(engine, tenant, "policy changed", who="bob")
    _done(engine, tenant, "pod deleted", kind="pod", id=7)
    page = adam.get(f"/audit?{query}")

    assert [line.partition(":")[0] for line in _lines(page)] == found
    assert [row["what"] for row in _rows(adam.get(f"/audit/export?{query}"))] == found


def test_the_last_day_asked_for_belongs_to_what_is_asked_for(engine: sa.Engine, tenant: int, adam: Caller):
    _done(engine, tenant, "policy created")
    today = clock.utcnow().date()

    assert _lines(adam.get(f"/audit?from={today}&to={today}")) != []
    assert _lines(adam.get(f"/audit?to={today - timedelta(days=1)}")) == []


@pytest.mark.parametrize("query", ["object=nonsense", "from=yesterday", "to=9999-12-31", "from=0001-01-01", "cursor=x"])
def test_what_is_not_understood_is_left_out_with_a_word(engine: sa.Engine, tenant: int, adam: Caller, query: str):
    _done(engine, tenant, "policy created")
    page = adam.get(f"/audit?{query}")

    assert page.status_code == 200
    assert "was not understood" in page.text
    assert _lines(page) == ["policy created: 3"]


def test_older_entries_come_page_by_page_without_a_gap(engine: sa.Engine, tenant: int, adam: Caller):
    _done(engine, tenant, *(f"step {number}" for number in range(51)))
    first = adam.get("/audit")
    _done(engine, tenant, "written meanwhile")
    older = adam.get(re.search(r'href="(/audit\?cursor=[^"]+)"', first.text)[1])

    assert _lines(first)[0] == "step 50: 3"
    assert _lines(older) == ["step 0: 3"]


@pytest.mark.attack("A81")
def test_a_changed_entry_shows_as_a_broken_chain(engine: sa.Engine, tenant: int, adam: Caller):
    _done(engine, tenant, "one", "two", "three")
    whole = adam.get("/audit").text
    with engine.begin() as conn:  # around PodHealth, as somebody would who owns the database
        if engine.dialect.name == "sqlite":
            for (name,) in conn.execute(sa.text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).all():
                conn.execute(sa.text(f'DROP TRIGGER "{name}"'))
        else:
            conn.execute(sa.text("ALTER TABLE audit_entries DISABLE TRIGGER USER"))
        conn.execute(sa.update(AuditEntry).where(AuditEntry.seq == 2).values(actor_name="nobody"))

    assert "The chain is whole: 3 entries" in whole
    assert "Broken at entry 2." in adam.get("/audit").text
    assert "Broken at entry 2." in adam.post("/audit/verify").text


@pytest.mark.attack("A59")
def test_an_export_holds_all_and_no_formula(engine: sa.Engine, tenant: int, adam: Caller):
    _done(engine, tenant, *(f"step {number}" for number in range(501)))
    _done(engine, tenant, "user created", who="=HYPERLINK(1)", after={"name": "x"})
    rows = _rows(adam.get("/audit/export"))
    lines = [json.loads(line) for line in adam.get("/audit/export?format=jsonl").text.splitlines()]

    assert [row["number"] for row in rows] == [str(number) for number in range(502, 0, -1)]
    assert rows[0]["who"] == "'=HYPERLINK(1)"
    assert len(lines) == 502
    assert lines[0]["actor_name"] == "=HYPERLINK(1)"
    assert lines[0]["after"] == {"name": "x"}
    assert {row["hash"] for row in rows} == {line["hash"] for line in lines}


def test_people_of_a_session_that_ended_are_sent_to_the_sign_in(engine: sa.Engine, tenant: int, app: Any):
    with write(engine) as conn:
        user_id = a_user(conn, tenant, "gone", Role.ADMIN)
    gone = Caller(app, session=a_session(engine, user_id, ended_at=clock.utcnow()))

    assert gone.get("/audit/export").status_code == 303
