"""``/api/sources`` and ``/api/tag-rules``: made, changed, previewed and asked for by programs."""

import itertools

import pytest

from tests.support.cast import Caller, Site

_numbers = itertools.count()
TOKEN = "5a3e1f00-secret-part"
CONFIG = {"url": "https://10.0.0.2:8006", "tokenId": "ph@pve!sync", "token": TOKEN}
CHECK = {"checkType": "tcp", "target": "5432"}


def a_source(site: Site, **more: object) -> dict:
    given = {"name": f"made {next(_numbers)}", "kind": "proxmox", "config": CONFIG} | more
    answer = site.program("admin").post("/api/sources", json=given)
    assert answer.status_code == 201, answer.text
    return answer.json


def of(caller: Caller, source: dict, more: str = "") -> str:
    return f"/api/sources/{source['id']}{more}"


def test_a_source_is_answered_without_its_secrets_and_to_admins_alone_with_its_settings(site: Site) -> None:
    made = a_source(site, takes={"tags": ["web"]})
    seen = site.program("viewer").get(of(site.program("viewer"), made))

    assert (made["enabled"], made["takes"]["tags"], made["everySeconds"]) == (False, ["web"], 300)
    assert made["config"] == {"url": CONFIG["url"], "tokenId": CONFIG["tokenId"]}
    assert "config" not in seen.json
    assert TOKEN not in str(made) + seen.text


def test_a_secret_stays_unless_the_source_moves(site: Site) -> None:
    admin, made = site.program("admin"), a_source(site)
    config = {"url": CONFIG["url"], "tokenId": "other@pve!sync"}
    changed = admin.send("PATCH", of(admin, made), json={"config": config, "version": made["version"]})
    moved = admin.send("PATCH", of(admin, made), json={"config": config | {"url": "https://10.0.0.3:8006"}})
    late = admin.send("PATCH", of(admin, made), json={"everySeconds": 60, "version": made["version"]})

    assert (changed.status_code, changed.json["config"]["tokenId"]) == (200, "other@pve!sync")
    assert (moved.status_code, moved.json["field"]) == (422, "config.token")
    assert late.status_code == 409


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"kind": "webhook"}, "kind"),
        ({"config": CONFIG | {"url": "https://169.254.169.254"}}, "config.url"),
        ({"takes": {"tags": [1]}}, "takes.tags"),
        ({"takes": {"labels": ["x"]}}, "takes.labels"),
        ({"enabled": True}, "takes"),
        ({"isShared": True}, "isShared"),
    ],
)
def test_a_bad_field_is_named(site: Site, given: dict, field: str) -> None:
    answer = site.program("admin").post("/api/sources", json={"name": "x", "kind": "proxmox", "config": CONFIG} | given)

    assert (answer.status_code, answer.json["field"]) == (422, field)


def test_a_preview_says_of_each_guest_what_would_be_done(site: Site) -> None:
    (own,) = [one for one in site.program("viewer").get("/api/sources").json if one["name"] == "acme-canary source"]
    (line,) = site.program("viewer").get(f"/api/sources/{own['id']}/preview").json["lines"]

    assert (line["act"], line["name"], line["address"]) == ("add", "acme-canary-guest", "10.0.0.9")


def test_operators_ask_for_a_sync_and_only_a_doubted_answer_can_be_believed(site: Site) -> None:
    made = a_source(site)
    asked = site.program("operator").post(of(site.program("operator"), made, "/sync"))
    believed = site.program("admin").post(of(site.program("admin"), made, "/believe"))

    assert asked.status_code == 202
    assert believed.status_code == 409
    assert site.program("admin").send("DELETE", of(site.program("admin"), made)).json == {"deleted": True}


def test_a_rule_is_made_changed_and_deleted(site: Site) -> None:
    admin = site.program("admin")
    made = admin.post("/api/tag-rules", json={"tag": "db", "check": CHECK}).json
    path = f"/api/tag-rules/{made['id']}"
    changed = admin.send("PATCH", path, json={"check": CHECK | {"target": "5433"}})
    bad = admin.send("PATCH", path, json={"check": CHECK | {"target": "0"}})
    gone = admin.send("DELETE", path)

    assert (made["check"]["target"], changed.json["check"]["target"]) == ("5432", "5433")
    assert (bad.status_code, bad.json["field"]) == (422, "check.target")
    assert (gone.status_code, admin.get(path).status_code) == (200, 404)
