"""Entity tags: only what is new is sent, and an edit changes only the version that was read."""

import pytest

from tests.support import cast

site = cast.site


@pytest.fixture
def pod(site):
    return f"/api/pods/{site.a_pod()}"


OBJECTS = [
    "/api/pods/{pod_id}",
    "/api/policies/{policy_id}",
    "/api/windows/{window_id}",
    "/api/pods/{pod_id}/checks/{check_id}",
]


@pytest.mark.parametrize("path", OBJECTS)
def test_an_edit_of_an_older_version_changes_nothing_and_says_which_there_is(site, path):
    site = site.afresh()
    admin = site.program("admin")
    path = path.format(**site.acme._asdict(), check_id=site.acme.check_id)
    before = admin.get(path)
    first = admin.send("PATCH", path, json={"name": "renamed"}, headers={"If-Match": before.headers["ETag"]})

    late = admin.send("PATCH", path, json={"name": "late"}, headers={"If-Match": before.headers["ETag"]})
    by_body = admin.send("PATCH", path, json={"name": "late", "version": before.json["version"]})

    assert first.status_code == 200, first.json
    assert first.headers["ETag"] == admin.get(path).headers["ETag"] != before.headers["ETag"]
    assert (late.status_code, late.json["code"]) == (412, "changed_meanwhile")
    assert (by_body.status_code, by_body.json["code"]) == (409, "conflict")
    assert late.json["version"] == by_body.json["version"] == first.json["version"]
    assert admin.get(path).json["name"] == "renamed"


@pytest.mark.parametrize("path", [*OBJECTS, "/api/channels/{channel_id}"])
def test_what_was_changed_meanwhile_is_not_deleted(site, path):
    admin = site.program("admin")
    channel_id = admin.get("/api/channels").json[0]["id"]
    path = path.format(**site.acme._asdict(), check_id=site.acme.check_id, channel_id=channel_id)

    answer = admin.delete(path, headers={"If-Match": '"77-0"'})

    assert (answer.status_code, answer.json["code"]) == (412, "changed_meanwhile")
    assert admin.get(path).status_code == 200


def test_what_is_known_already_is_not_sent_again(site, pod):
    viewer = site.program("viewer")
    tag = viewer.get(pod).headers["ETag"]

    same = viewer.get(pod, headers={"If-None-Match": tag})
    site.program("admin").send("PATCH", pod, json={"tags": ["new"]})
    other = viewer.get(pod, headers={"If-None-Match": tag})

    assert (same.status_code, same.data, same.headers["ETag"]) == (304, b"", tag)
    assert (other.status_code, other.json["tags"]) == (200, ["new"])


@pytest.mark.parametrize("given", ['"x"', "7", 'W/"7-ab", "8"', '""', "\xe9"])
def test_a_tag_that_is_none_of_ours_fits_nothing(site, pod, given):
    answer = site.program("admin").send("PATCH", pod, json={"tags": ["no"]}, headers={"If-Match": given})

    assert answer.status_code == 412


def test_a_star_fits_whatever_there_is(site, pod):
    assert site.program("admin").send("PATCH", pod, json={"tags": ["x"]}, headers={"If-Match": "*"}).status_code == 200


def test_a_body_and_a_header_that_name_two_versions_are_refused(site, pod):
    answer = site.program("admin").send("PATCH", pod, json={"version": 3}, headers={"If-Match": '"1"'})

    assert (answer.status_code, answer.json["field"]) == (422, "version")


def test_head_says_what_get_would_without_sending_it(site, pod):
    viewer = site.program("viewer")
    whole, head = viewer.get(pod), viewer.send("HEAD", pod)

    assert (head.status_code, head.data) == (200, b"")
    assert head.headers["ETag"] == whole.headers["ETag"]
    assert head.headers["Content-Length"] == whole.headers["Content-Length"]
