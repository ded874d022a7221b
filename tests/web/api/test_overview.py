"""``GET /api/cloud-pods/health/overview``: the counts of all pods, and one page of them."""

import pytest

from tests.web.api.test_pods import has_shape

_moment = (str, type(None))
POD = {
    "podId": int, "name": str, "status": str, "consecutiveFailures": int, "lastCheckAt": _moment,
    "lastHealthyAt": _moment, "since": str, "phase": str, "ipAddress": str, "tags": list,
}  # fmt: skip


def _overview(site, query="", who="viewer"):
    return site.program(who).get(f"/api/cloud-pods/health/overview{query}")


def test_the_overview_has_counts_and_pods_of_the_own_tenant_only(site):
    answer = _overview(site).json

    assert answer.keys() == {"summary", "pods", "nextCursor"}
    assert answer["summary"] == {"total": 1, "healthy": 0, "unhealthy": 1, "degraded": 0, "unknown": 0}
    assert [pod["podId"] for pod in answer["pods"]] == [site.acme.pod_id]
    assert has_shape(answer["pods"][0], POD)
    assert answer["pods"][0]["consecutiveFailures"] == 4
    assert answer["nextCursor"] is None


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("status=fine", "status"),
        ("status=Healthy", "status"),
        ("status=healthy&status=unknown", "status"),
        ("status=healthy%00", "status"),
        ("tag=a&tag=b", "tag"),
        ("tag=%00", "tag"),
        ("cursor=-1", "cursor"),
        ("cursor=MQ&cursor=MQ", "cursor"),
    ],
)
def test_a_bad_parameter_of_the_overview_is_named(site, query, field):
    answer = _overview(site, f"?{query}")

    assert (answer.status_code, answer.json["field"]) == (422, field)


@pytest.mark.parametrize(
    "tag", ["'", '"', "%25", "_", "\\", "x' OR '1'='1", "%EF%BF%BD", "%FF%FE", "a" * 3000, "[1]", "%F0%9F%98%80"]
)
def test_no_tag_is_more_than_a_text_to_compare(site, tag):
    answer = _overview(site, f"?tag={tag}")

    assert (answer.status_code, answer.json["pods"]) == (200, [])


def test_an_empty_filter_narrows_nothing(site):
    assert len(_overview(site, "?status=&tag=&cursor=").json["pods"]) == 1
