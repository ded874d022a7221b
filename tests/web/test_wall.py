"""The wall: what a screen in an office shows, and the links by which it may."""

import re
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from podhealth import clock
from podhealth.core.words import Role
from podhealth.models import AuditEntry, Node, Pod, PodStatus, WallLink
from podhealth.store import walllinks
from podhealth.store.db import db_now, read, write
from podhealth.store.tenancy import system_scope
from podhealth.store.wall import wall_view
from tests.support.build import a_check, a_pod, a_tenant, a_user
from tests.support.cast import Caller
from tests.web.conftest import SignedIn


@pytest.fixture
def adam(engine: sa.Engine, tenant: int, signed_in: SignedIn) -> Caller:
    """An admin of acme."""
    with write(engine) as conn:
        user_id = a_user(conn, tenant, "adam", Role.ADMIN)
    return signed_in(user_id)


@pytest.fixture
def screen(app: Any) -> Caller:
    """A browser in which nobody is signed in."""
    return Caller(app)


def pods(engine: sa.Engine, tenant: int, **statuses: str) -> dict[str, int]:
    """Pods of these names and statuses, each with a check that was just probed."""
    fresh, found = clock.utcnow() + timedelta(hours=1), {}
    with write(engine) as conn:
        for name, status in statuses.items():
            found[name] = a_pod(conn, tenant, name, status=status)
            a_check(conn, found[name], "http", status=status, fresh_until=fresh)
    return found


def made(engine: sa.Engine, tenant: int, lifetime: str = "") -> str:
    with write(engine) as conn:
        return walllinks.create_link(conn, system_scope(tenant), "kitchen", lifetime)


def tiles(page: Any) -> list[str]:
    return re.findall(r"<h2>([^<]+)</h2>", page.text)


def test_the_sick_come_first_and_the_healthy_are_a_number(engine, tenant: int, vic: Caller):
    pods(engine, tenant, a="healthy", b="degraded", c="unhealthy", d="healthy")
    page = vic.get("/wall")

    assert tiles(page) == ["c", "b"]
    assert "<title>(1) Wall" in page.text
    assert re.search(r"<b>2</b>\s*<span>healthy</span>", page.text)


def test_where_nothing_is_wrong_it_says_so_and_where_nothing_is_watched_not(engine, tenant: int, vic: Caller):
    empty = vic.get("/wall").text
    pods(engine, tenant, a="healthy")

    assert "Nothing is watched" in empty
    assert "Nothing is wrong" in vic.get("/wall").text


def test_what_is_stopped_or_maintained_is_no_alarm(engine, tenant: int, vic: Caller):
    ids = pods(engine, tenant, off="unhealthy", work="unhealthy")
    with write(engine) as conn:
        for name, phase in (("off", "stopped"), ("work", "maintenance")):
            conn.execute(sa.update(PodStatus).where(PodStatus.pod_id == ids[name]).values(phase=phase))
    page = vic.get("/wall")

    assert tiles(page) == []
    assert re.search(r"<b>2</b>\s*<span>aside</span>", page.text)


def test_a_node_is_a_line_with_its_sick_first(engine: sa.Engine, tenant: int):
    ids = pods(engine, tenant, a="healthy", b="unhealthy", c="healthy")
    with write(engine) as conn:
        node = sa.insert(Node).values(tenant_id=tenant, name="node-3", created_at=db_now(conn)).returning(Node.id)
        conn.execute(sa.update(Pod).where(Pod.id.in_(ids.values())).values(node_id=conn.scalar(node)))
    with read(engine) as conn:
        (line,) = wall_view(conn, tenant, db_now(conn), 10).nodes

    assert (line.name, line.total, line.unhealthy, line.more) == ("node-3", 3, 1, 0)
    assert line.squares == ("unhealthy", "healthy", "healthy")


def test_more_than_fit_are_counted(engine, tenant: int, vic: Caller):
    pods(engine, tenant, **{f"p{n}": "unhealthy" for n in range(5)})
    page = vic.get("/wall?limit=2")

    assert len(tiles(page)) == 2
    assert "+ 3 more" in page.text


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "limit=99999", "theme=pink", "tag=%00x", "sound=maybe"])
def test_a_query_that_means_nothing_breaks_nothing(engine, tenant: int, vic: Caller, query: str):
    assert vic.get(f"/wall?{query}").status_code == (422 if "%00" in query else 200)


def test_a_tag_narrows_counts_and_tiles_alike(engine, tenant: int, vic: Caller):
    pods(engine, tenant, b="unhealthy")
    with write(engine) as conn:
        a_pod(conn, tenant, "tagged", tags=["web"], status="unhealthy")
    page = vic.get("/wall?tag=web")

    assert "b" not in tiles(page)
    assert re.search(r"<b>0</b>\s*<span>healthy</span>", page.text)


def test_the_screen_asks_for_the_middle_alone(engine, tenant: int, vic: Caller):
    page = vic.get("/wall?part=1").text.strip()

    assert page.startswith("<main")
    assert page.endswith("</main>")


def test_a_link_opens_its_tenants_wall_and_nothing_else(engine, tenant: int, screen: Caller):
    pods(engine, tenant, acme_pod="unhealthy")
    with write(engine) as conn:
        zeta = a_tenant(conn, "zeta")
    pods(engine, zeta, zeta_pod="unhealthy")
    link = made(engine, tenant)

    assert tiles(screen.get(f"/wall/{link}")) == ["acme_pod"]
    assert tiles(screen.get(f"/wall/{made(engine, zeta)}")) == ["zeta_pod"]
    assert screen.get("/pods").status_code == 303
    assert "Set-Cookie" not in screen.get(f"/wall/{link}").headers


def test_a_link_that_ended_expired_or_was_never_made_opens_nothing(engine, tenant: int, adam: Caller, screen: Caller):
    ended, expired = made(engine, tenant), made(engine, tenant, "30")
    with write(engine) as conn:
        past = clock.utcnow() - timedelta(minutes=1)
        conn.execute(sa.update(WallLink).where(WallLink.hint == expired[-4:]).values(expires_at=past))
        link_id = conn.scalar(sa.select(WallLink.id).where(WallLink.token_hash == walllinks.hash_of(ended)))
    before = screen.get(f"/wall/{ended}").status_code
    adam.post(f"/wall/links/{link_id}/end")

    assert before == 200
    assert [screen.get(f"/wall/{link}").status_code for link in (ended, expired, "guessed")] == [404, 404, 404]


def test_a_link_is_shown_once_and_its_use_is_listed(engine, tenant: int, adam: Caller, screen: Caller):
    shown = adam.post("/wall/links", data={"name": "kitchen", "lifetime": "365"})
    link = re.search(r"/wall/([\w-]{40,})", shown.text)[1]
    fresh = adam.get("/wall/links").text
    screen.get(f"/wall/{link}")

    assert link not in fresh
    assert "not yet" in fresh
    assert "not yet" not in adam.get("/wall/links").text
    with read(engine) as conn:
        assert list(conn.scalars(sa.select(AuditEntry.what))) == ["wall link created"]


@pytest.mark.parametrize(
    ("typed", "field"), [({"name": ""}, "name"), ({"name": "x" * 64}, "name"), ({"lifetime": "7"}, "lifetime")]
)
def test_a_link_that_is_not_well_asked_for_is_not_made(engine, adam: Caller, typed: dict[str, str], field: str):
    page = adam.post("/wall/links", data={"name": "kitchen", "lifetime": "30"} | typed)

    assert page.status_code == 422
    assert f'id="wall-{field}-error"' in page.text
    with read(engine) as conn:
        assert conn.scalar(sa.select(sa.func.count()).select_from(WallLink)) == 0


def test_only_admins_make_links(ann: Caller, vic: Caller):
    assert [who.get("/wall/links").status_code for who in (ann, vic)] == [403, 403]
