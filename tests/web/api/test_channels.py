"""Channels by API: what goes in, what comes out, and that no secret does."""

import pytest

from tests.support import cast

site = cast.site

HOOK = {"kind": "webhook", "config": {"url": "https://10.0.0.9/secret-path"}}


def made(site, name: str, **fields) -> dict:
    answer = site.program("admin").post("/api/channels", json=HOOK | {"name": name} | fields)
    assert answer.status_code == 201, answer.text
    return answer.json


def test_a_channel_is_made_listed_changed_and_deleted(site) -> None:
    admin = site.program("admin")
    channel = made(site, "by-api", routes=[{"severity": "critical", "tags": ["web"]}])
    path = f"/api/channels/{channel['id']}"
    changed = admin.send("PATCH", path, json={"name": "by-api-2", "version": channel["version"]})
    listed = admin.get("/api/channels").json
    deleted = admin.delete(path)

    assert channel["secret"].startswith("whsec_")
    assert channel["routes"] == [{"severity": "critical", "tags": ["web"]}]
    assert (changed.json["name"], changed.json["version"]) == ("by-api-2", 2)
    assert "secret" not in str(listed).replace("secret-path", "")
    assert deleted.json == {"deleted": True}
    assert admin.get(path).status_code == 404


def test_a_version_that_is_old_is_a_conflict(site) -> None:
    channel = made(site, "versions")
    path = f"/api/channels/{channel['id']}"
    site.program("admin").send("PATCH", path, json={"enabled": False})

    assert site.program("admin").send("PATCH", path, json={"enabled": True, "version": 1}).status_code == 409


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"kind": "webhook"}, "name"),
        ({"name": "x"}, "kind"),
        ({"name": "x", "kind": "fax"}, "kind"),
        ({"name": "x", "kind": "webhook"}, "config.url"),
        ({"name": "x", "kind": "webhook", "config": []}, "config"),
        ({"name": "x", "kind": "webhook", "config": {"url": "https://10.0.0.9/", "secret": "mine"}}, "secret"),
        ({"name": "x", "kind": "webhook", "config": {"url": 5}}, "config.url"),
        ({"name": "x", "kind": "webhook", "config": {"url": "http://[::1]/"}}, "config.url"),
        (HOOK | {"name": "x", "enabled": 1}, "enabled"),
        (HOOK | {"name": "x", "routes": {}}, "routes"),
        (HOOK | {"name": "x", "routes": [{"severity": "loud"}]}, "routes[0].severity"),
        (HOOK | {"name": "x", "routes": [{"tags": "web"}]}, "routes[0].tags"),
        (HOOK | {"name": "x", "routes": [{"tag": "web"}]}, "tag"),
        (HOOK | {"name": "x", "colour": "red"}, "colour"),
        ({"name": "x", "kind": "email", "config": {"to": ["a@example.com"]}}, "kind"),
    ],
)
def test_a_bad_value_is_refused_by_its_name(site, fields, field) -> None:
    answer = site.program("admin").post("/api/channels", json=fields)

    assert (answer.status_code, answer.json["field"]) == (422, field)


def test_the_kind_of_a_channel_never_changes(site) -> None:
    channel = made(site, "kinds")
    answer = site.program("admin").send("PATCH", f"/api/channels/{channel['id']}", json={"kind": "slack"})

    assert (answer.status_code, answer.json["field"]) == (422, "kind")


def test_a_viewer_reads_no_address(site) -> None:
    channel = made(site, "addresses")
    answer = site.program("viewer").get(f"/api/channels/{channel['id']}")

    assert answer.json["name"] == "addresses"
    assert "config" not in answer.json
    assert "secret-path" not in answer.text


def test_a_test_stands_in_the_deliveries(site) -> None:
    channel = made(site, "tests")
    asked = site.program("operator").post(f"/api/channels/{channel['id']}/test")
    listed = site.program("viewer").get(f"/api/channels/{channel['id']}/deliveries").json

    assert (asked.status_code, asked.json["state"], asked.json["kind"]) == (202, "waiting", "test")
    assert [one["id"] for one in listed] == [asked.json["id"]]
    assert listed[0]["tries"] == []


def test_deliveries_come_in_pages(site) -> None:
    channel = made(site, "pages")
    operator, path = site.program("operator"), f"/api/channels/{channel['id']}"
    ids = [operator.post(f"{path}/test").json["id"] for _ in range(3)]
    first = operator.get(f"{path}/deliveries?limit=2")
    link = first.headers["Link"].partition("<")[2].partition(">")[0]
    second = operator.get(link)

    assert [one["id"] for one in first.json + second.json] == ids[::-1]
    assert "Link" not in second.headers


def test_only_a_dead_message_is_tried_again(site) -> None:
    channel = made(site, "alive")
    operator, path = site.program("operator"), f"/api/channels/{channel['id']}"
    message_id = operator.post(f"{path}/test").json["id"]

    assert operator.post(f"{path}/messages/{message_id}/retry").status_code == 409


def test_a_channel_that_is_off_cannot_be_tested(site) -> None:
    channel = made(site, "off", enabled=False)

    assert site.program("operator").post(f"/api/channels/{channel['id']}/test").status_code == 409


def test_another_secret_is_answered_once_and_only_a_web_hook_has_one(site) -> None:
    admin, channel = site.program("admin"), made(site, "rotated")
    answer = admin.post(f"/api/channels/{channel['id']}/secret")
    slack = {"name": "no-secret", "kind": "slack", "config": {"url": "https://10.0.0.7/services/x"}}
    other = admin.post("/api/channels", json=slack).json

    assert answer.json["secret"].startswith("whsec_")
    assert answer.json["secret"] != channel["secret"]
    assert "secret" not in other
    assert admin.post(f"/api/channels/{other['id']}/secret").status_code == 409
