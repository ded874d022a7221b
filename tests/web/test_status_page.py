"""The public status page: set up by admins, read by everybody, and never a word more than was chosen."""

import json
import re
from datetime import timedelta
from typing import Any
from xml.etree import ElementTree

import pytest
import sqlalchemy as sa

from podhealth import clock
from podhealth.core.words import Role
from podhealth.models import AuditEntry, Incident, PodStatus, StatusPage, StatusPagePod, Tenant
from podhealth.store import publictexts
from podhealth.store.db import read, write
from podhealth.store.tenancy import system_scope
from tests.support.apps import an_app
from tests.support.build import a_check, a_pod, a_tenant, a_user, an_incident
from tests.support.cast import Caller
from tests.support.windowing import a_window
from tests.web.conftest import SignedIn

SECRET_NAMES = ("srv-internal-7", "10.9.8.7", "node-cellar", "secret-check", "ann@acme.example", "acme")


@pytest.fixture
def adam(engine: sa.Engine, tenant: int, signed_in: SignedIn) -> Caller:
    """An admin of acme."""
    with write(engine) as conn:
        user_id = a_user(conn, tenant, "adam", Role.ADMIN)
    return signed_in(user_id)


@pytest.fixture
def shop(engine: sa.Engine, tenant: int) -> int:
    """A pod whose every name is a secret."""
    with write(engine) as conn:
        pod_id = a_pod(conn, tenant, "srv-internal-7", address="10.9.8.7", status="healthy")
        a_check(
            conn, pod_id, "http", name="secret-check", status="healthy", fresh_until=clock.utcnow() + timedelta(hours=1)
        )
    return pod_id


def fields(*pods: int, **changed: Any) -> dict[str, Any]:
    """What the form sends for these pods."""
    told: dict[str, Any] = {"title": "Shop status", "slug": "shop-status", "is_on": "on", "version": "0"}
    told |= {"shows_incidents": "on", "shows_windows": "on", "pod": [str(pod) for pod in pods]}
    return told | {f"label-{pod}": "Shop" for pod in pods} | changed


@pytest.fixture
def visitor(app: Any) -> Caller:
    """Somebody without an account."""
    return Caller(app)


@pytest.fixture
def shown(adam: Caller, shop: int) -> int:
    """The shop on a page that is on."""
    assert adam.post("/status-page", data=fields(shop)).status_code == 303
    return shop


def stored(engine: sa.Engine) -> Any:
    with read(engine) as conn:
        return conn.execute(sa.select(StatusPage.__table__)).one_or_none()


def test_nobody_sees_anything_before_it_is_switched_on(engine, adam: Caller, visitor: Caller, shop: int):
    first = adam.get("/status-page")
    adam.post("/status-page", data=fields(shop, is_on=""))

    assert re.search(r'name="slug"\s+value="[0-9a-f]{24}"', first.text)
    assert not stored(engine).is_on
    assert visitor.get("/s/shop-status").status_code == 404


@pytest.mark.parametrize("path", ["/s/shop-status", "/s/shop-status/status.json", "/s/shop-status/feed.xml"])
def test_visitors_read_the_chosen_names_and_no_other(engine, tenant: int, visitor: Caller, shown: int, path: str):
    with write(engine) as conn:
        an_incident(conn, shown, "srv-internal-7 is unhealthy on node-cellar")
        incident_id = conn.scalar(sa.select(Incident.id))
        scope = system_scope(tenant, "ann@acme.example")
        publictexts.write(conn, scope, incident_id, "identified", "A disk is full.")
    answer = visitor.get(path)

    assert answer.status_code == 200
    assert "Shop" in answer.text
    assert "A disk is full." in answer.text
    assert [name for name in SECRET_NAMES if name in answer.text] == []


@pytest.mark.parametrize("path", ["/s/shop-status", "/s/shop-status/status.json", "/s/shop-status/feed.xml"])
def test_the_answer_is_kept_for_ten_seconds_and_holds_no_cookie(visitor: Caller, adam: Caller, shown: int, path: str):
    first = visitor.get(path)
    again = visitor.get(path, headers={"If-None-Match": first.headers["ETag"]})

    assert first.headers["Cache-Control"] == "public, max-age=10"
    assert "Set-Cookie" not in first.headers
    assert "Cookie" not in first.headers.get("Vary", "")
    assert again.status_code == 304
    assert adam.get(path).get_data() == first.get_data()


@pytest.mark.parametrize(("status", "words"), [("unhealthy", "The service is down"), ("healthy", "All services work")])
def test_the_headline_follows_the_pod(engine, app: Any, tenant: int, shown: int, status: str, words: str):
    with write(engine) as conn:
        conn.execute(sa.update(PodStatus).where(PodStatus.pod_id == shown).values(status=status))

    assert words in Caller(app).get("/s/shop-status").text


def test_programs_read_the_same(visitor: Caller, shown: int):
    told = json.loads(visitor.get("/s/shop-status/status.json").text)

    assert (told["status"], told["headline"]) == ("works", "All services work")
    assert [(one["name"], one["status"]) for one in told["services"]] == [("Shop", "works")]


def test_readers_of_feeds_get_one_item_an_incident(engine, visitor: Caller, shown: int):
    with write(engine) as conn:
        an_incident(conn, shown, "down")
    root = ElementTree.fromstring(visitor.get("/s/shop-status/feed.xml").get_data())

    assert [item.findtext("title") for item in root.iter("item")] == ["Shop"]


def test_planned_work_of_what_is_shown_is_told(engine, tenant: int, adam: Caller, app: Any, shown: int):
    with write(engine) as conn:
        scope = system_scope(tenant)
        a_window(conn, scope, name="network work", recurrence="FREQ=DAILY")
        other = a_pod(conn, tenant, "other")
        a_window(conn, scope, name="nobody's business", recurrence="FREQ=DAILY", allPods=False, podIds=[other])
    page = Caller(app).get("/s/shop-status").text

    assert "network work (Shop)" in page
    assert "nobody" not in page


@pytest.mark.parametrize("slug", ["unknown", "SHOP-STATUS", "shop%2Dstatus%20", "x" * 64, "shöp"])
def test_an_unknown_address_is_not_there(visitor: Caller, shown: int, slug: str):
    assert visitor.get(f"/s/{slug}").status_code == 404


@pytest.mark.attack("A15")
def test_the_page_of_a_tenant_that_is_gone_is_gone(engine, tenant: int, app: Any, shown: int):
    with write(engine) as conn:
        conn.execute(sa.update(Tenant).where(Tenant.id == tenant).values(deleted_at=clock.utcnow()))

    assert Caller(app).get("/s/shop-status").status_code == 404


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"title": ""}, "title"),
        ({"title": "x" * 81}, "title"),
        ({"slug": "ab"}, "slug"),
        ({"slug": "has space"}, "slug"),
        ({"slug": "-x-"}, "slug"),
        ({"pod": []}, "pods"),
        ({"added": "no-such-pod"}, "added"),
    ],
)
def test_what_cannot_be_shown_is_refused_beside_its_field(engine, adam: Caller, shop: int, changed, field: str):
    page = adam.post("/status-page", data=fields(shop, slug="kept-as-typed") | changed)

    assert page.status_code == 422
    assert f'id="status-{field}-error"' in page.text
    assert "slug" in changed or 'value="kept-as-typed"' in page.text
    assert stored(engine) is None


def test_pods_are_added_by_name_moved_by_place_and_taken_away(engine, tenant: int, adam: Caller, shop: int):
    with write(engine) as conn:
        mail = a_pod(conn, tenant, "mail-1")
    adam.post("/status-page", data=fields(shop, added="mail-1, srv-internal-7"))
    order = sa.select(StatusPagePod.pod_id).order_by(StatusPagePod.place)
    with read(engine) as conn:
        both = list(conn.scalars(order))
    moved = fields(shop, mail, version="1") | {f"place-{shop}": "2", f"place-{mail}": "1"}
    adam.post("/status-page", data=moved)
    with read(engine) as conn:
        turned = list(conn.scalars(order))
    adam.post("/status-page", data=fields(shop, mail, version="2") | {f"away-{shop}": "on"})
    with read(engine) as conn:
        left = list(conn.scalars(order))

    assert both == [shop, mail]
    assert turned == [mail, shop]
    assert left == [mail]


@pytest.mark.attack("A2")
def test_a_strangers_pod_is_not_shown(engine, adam: Caller, shop: int):
    with write(engine) as conn:
        foreign = a_pod(conn, a_tenant(conn, "zeta"), "zeta-pod")
    adam.post("/status-page", data=fields(shop, foreign))
    named = adam.post("/status-page", data=fields(shop, version="1", added="zeta-pod"))

    assert named.status_code == 422
    with read(engine) as conn:
        assert list(conn.scalars(sa.select(StatusPagePod.pod_id))) == [shop]


def test_two_who_save_at_once_are_told(engine, adam: Caller, shop: int):
    adam.post("/status-page", data=fields(shop))
    late = adam.post("/status-page", data=fields(shop, title="Late"))
    again = adam.post("/status-page", data=fields(shop, title="Late", version="1"))

    assert late.status_code == 409
    assert 'value="Late"' in late.text
    assert again.status_code == 303
    assert stored(engine).version == 2


def test_a_form_sent_twice_saves_once(engine, adam: Caller, shop: int):
    twice = [adam.post("/status-page", data=fields(shop, op="abcdefgh12")).status_code for _ in range(2)]

    assert twice == [303, 303]
    assert stored(engine).version == 1
    with read(engine) as conn:
        saved = sa.select(sa.func.count()).where(AuditEntry.what == "status page saved")
        assert conn.scalar(saved) == 1


def test_no_two_tenants_have_one_address(engine, app: Any, adam: Caller, signed_in: SignedIn, shop: int):
    adam.post("/status-page", data=fields(shop))
    with write(engine) as conn:
        zeta = a_tenant(conn, "zeta")
        zoe, pod_id = a_user(conn, zeta, "zoe", Role.ADMIN), a_pod(conn, zeta, "z-1")
    page = signed_in(zoe).post("/status-page", data=fields(pod_id))

    assert page.status_code == 422
    assert "is taken" in page.text


def test_only_admins_set_it_up(ann: Caller, vic: Caller):
    assert [who.get("/status-page").status_code for who in (ann, vic)] == [403, 403]


def test_it_answers_while_nobody_can_sign_in(engine, database_url: str, shown: int):
    # Another process, with another key: no session of anybody is good there.
    other = Caller(an_app(database_url, SECRET_KEY="another key " * 4))

    assert other.get("/s/shop-status").status_code == 200
