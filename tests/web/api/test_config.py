"""``/api/config``: a tenant's configuration as a file, by programs."""

import pytest
import sqlalchemy as sa

from podhealth.models import Pod
from podhealth.store.db import read

TEXT = """
version: 1
pods:
- name: as code
  address: 10.0.0.5
  provider: webhook
  providerConfig: {url: "https://10.0.0.9/hook", secret: "${HOOK_SECRET}"}
"""
SECRETS = {"HOOK_SECRET": "canary-of-sixteen-characters"}


@pytest.fixture
def admin(site):
    """An admin's token of a tenant of its own."""
    site = site.afresh()
    return site.program("admin", site.acme)


def test_a_plan_is_applied_once_and_then_there_is_none(admin):
    file = {"yaml": TEXT, "secrets": SECRETS}
    seen = admin.post("/api/config/plan", json=file).json
    assert (seen["add"], seen["change"], seen["remove"]) == (1, 0, 0)
    done = admin.post("/api/config/apply", json=file | {"expect": seen["fingerprint"]})
    assert (done.status_code, done.json["changes"]) == (200, seen["changes"])

    assert admin.post("/api/config/plan", json={"yaml": TEXT}).json["changes"] == []
    stale = admin.post("/api/config/apply", json=file | {"expect": seen["fingerprint"]})
    assert (stale.status_code, stale.json["code"]) == (409, "conflict")
    exported = admin.get("/api/config")
    assert exported.mimetype == "application/yaml"
    assert "canary-of" not in f"{seen}{done.json}{exported.get_data(as_text=True)}"
    assert admin.post("/api/config/plan", json={"yaml": exported.get_data(as_text=True)}).json["changes"] == []


def test_a_refused_file_names_each_place_and_leaves_no_trace(site, admin):
    bad = TEXT + "- {name: other, address: 8.8.8.8}\n- {name: third, adress: x}\n"
    answer = admin.post(
        "/api/config/apply", json={"yaml": bad.replace("adress", "address")}, headers={"Idempotency-Key": "once"}
    )

    assert answer.status_code == 422
    assert answer.json["field"] == "pods[0].providerConfig.secret"
    assert [(fault["field"], fault["line"]) for fault in answer.json["faults"]] == [
        ("pods[0].providerConfig.secret", 7),
        ("pods[1].address", 8),
    ]
    assert "did you mean address?" in admin.post("/api/config/plan", json={"yaml": bad}).json["error"]
    with read(site.engine) as conn:
        assert conn.scalar(sa.select(Pod.id).where(Pod.name == "other")) is None


def test_secrets_are_never_taken_from_the_servers_own_environment(monkeypatch, admin, tmp_path):
    monkeypatch.setenv("HOOK_SECRET", SECRETS["HOOK_SECRET"])
    path = tmp_path / "secret"
    path.write_text(SECRETS["HOOK_SECRET"])

    for text in (TEXT, TEXT.replace("${HOOK_SECRET}", f"file:{path}")):
        answer = admin.post("/api/config/plan", json={"yaml": text})
        assert (answer.status_code, answer.json["field"]) == (422, "pods[0].providerConfig.secret")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "yaml"),
        ({"yaml": 5}, "yaml"),
        ({"yaml": "a: &x [*x]"}, "a"),
        ({"yaml": "version: 1", "secrets": {"A": 5}}, "secrets.A"),
        ({"yaml": "version: 1", "prune": "yes"}, "prune"),
        ({"yaml": "version: 1", "prun": True}, "prun"),
    ],
)
def test_a_bad_request_names_its_field(admin, body, field):
    answer = admin.post("/api/config/plan", json=body)

    assert (answer.status_code, answer.json["field"]) == (422, field)


def test_a_file_may_be_longer_than_other_requests_but_not_without_end(admin):
    longer = "version: 1\n" + "#" * 100_000

    assert admin.post("/api/config/plan", json={"yaml": longer}).status_code == 200
    assert admin.post("/api/config/plan", json={"yaml": longer * 12}).status_code == 413
    assert admin.post("/api/windows", json={"name": "x" * 100_000}).status_code == 413


def test_only_admins_see_and_change_it(site):
    for name in ("viewer", "operator"):
        caller = site.program(name)
        assert caller.get("/api/config").status_code == 403
        assert caller.post("/api/config/apply", json={"yaml": "version: 1"}).status_code == 403


def test_what_is_exported_is_the_own_tenants(site):
    text = site.program("admin").get("/api/config").get_data(as_text=True)

    assert site.acme.canary in text
    assert site.zeta.canary not in text
