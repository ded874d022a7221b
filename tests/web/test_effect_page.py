"""What policies came to and what shadow would have done, as pages and the API tell it."""

import re
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from podhealth.core.words import Role
from podhealth.store.db import db_now, write
from tests.support.build import a_heal, a_pod, a_policy, a_shadow_heal, a_tenant, a_user, an_episode
from tests.support.cast import Caller
from tests.web.conftest import SignedIn


@pytest.fixture
def scene(engine: sa.Engine, signed_in: SignedIn) -> tuple[Caller, Caller, int, int]:
    """A viewer, another tenant's admin, a policy with a heal that helped and one that did not, and one in shadow."""
    with write(engine) as conn:
        tenant = a_tenant(conn)
        vic = a_user(conn, tenant, "vic", Role.VIEWER)
        zoe = a_user(conn, a_tenant(conn, "zeta"), "zoe", Role.ADMIN)
        acting, watching = a_policy(conn, tenant, "acting"), a_policy(conn, tenant, "watching", mode="shadow")
        pod_id = a_pod(conn, tenant, "web-1")
        now = db_now(conn)
        for number, state in enumerate(("succeeded", "failed")):
            at = now - timedelta(days=3 + number)
            done: dict[str, Any] = {"triggered_at": at, "completed_at": at + timedelta(minutes=2), "next_step_at": None}
            a_heal(conn, pod_id, policy_id=acting, policy_version=1, state=state, idempotency_key=state, **done)
        episode_id = an_episode(conn, pod_id, watching)
        a_shadow_heal(conn, pod_id, episode_id, watching, reason="tcp refused <i>us</i>")
    return signed_in(vic), signed_in(zoe), acting, watching


def test_the_policys_page_says_what_it_came_to(scene):
    vic, _, acting, _ = scene
    page = re.sub(r"\s+", " ", vic.get(f"/policies/{acting}?tab=effect").text)

    assert "What it came to in 30 days" in page
    cells = re.findall(r'data-label="([^"]+)">([^<]*)<', page)
    assert cells[:3] == [("Heals", "2"), ("Helped", "50 % (1 of 2)"), ("Down again within 24 h", "0 % (0 of 1)")]


def test_a_policy_in_shadow_says_how_often_it_would_have_acted(scene):
    vic, _, _, watching = scene

    assert "In shadow it would have acted once." in vic.get(f"/policies/{watching}?tab=effect").text


def test_the_list_says_it_in_a_row(scene):
    page = scene[0].get("/policies").text
    cells = re.findall(r'<td data-label="([^"]+)"[^>]*>\s*([^<]*?)\s*<', page)

    assert {("Heals in 30 days", "2"), ("Helped", "50 %"), ("Down again in 24 h", "0 %")} <= set(cells)
    assert "1 in shadow" in page


def test_the_api_answers_numbers(scene):
    vic, _, acting, watching = scene
    found = vic.get(f"/api/policies/{acting}/effect").json

    assert found["days"] == 30
    assert found["total"]["successRate"] == 0.5
    assert [one["action"] for one in found["actions"]] == ["restart"]
    assert vic.get(f"/api/policies/{watching}/effect").json["shadowHeals"] == 1


def test_another_tenants_policy_is_not_found(scene):
    _, zoe, acting, _ = scene

    assert zoe.get(f"/api/policies/{acting}/effect").status_code == 404


def test_the_heal_log_shows_shadow_where_it_is_asked_for(scene):
    vic, zoe, _, _ = scene

    assert "In shadow" not in vic.get("/heals").text
    assert "tcp refused &lt;i&gt;us&lt;/i&gt;" in vic.get("/heals?shadow=1").text
    assert "tcp refused" not in vic.get("/heals?shadow=1&pod=db").text
    assert "tcp refused" not in zoe.get("/heals?shadow=1").text
    assert "shadow=1" in vic.get("/heals?shadow=1").text
