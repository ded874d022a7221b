"""``PUT /api/cloud-pods/ID/health/config`` makes or changes a check; DELETE disables it."""

import threading

import pytest
import sqlalchemy as sa

from podhealth import clock
from podhealth.models import AuditEntry, Check, CheckState, FeedEntry
from podhealth.store.db import write
from tests.support import rows
from tests.support.build import a_check, a_pod
from tests.web.api.test_pods import has_shape

CHECK = {
    "id": int, "podId": int, "name": str, "checkType": str, "target": (str, type(None)), "config": dict,
    "intervalSeconds": int, "timeoutSeconds": (int, float), "failureThreshold": int, "successThreshold": int,
    "severity": str, "heal": bool, "healOn": str, "latencyLimitMs": (int, float, type(None)), "keepExcerpt": bool,
    "enabled": bool, "vantage": str, "version": int, "createdAt": str, "updatedAt": str,
}  # fmt: skip
SEED_DEFAULTS = {
    "intervalSeconds": 60, "timeoutSeconds": 10, "failureThreshold": 3, "successThreshold": 1, "enabled": True,
    "severity": "critical", "heal": True, "healOn": "down", "latencyLimitMs": None, "keepExcerpt": False,
    "vantage": "local",
}  # fmt: skip


@pytest.fixture
def admin(site):
    return site.program("admin")


@pytest.fixture
def bare(site):
    """A pod of acme without checks."""
    with write(site.engine) as conn:
        return a_pod(conn, site.acme.tenant_id, f"bare-{clock.monotonic()}")


def _put(caller, pod_id, **fields):
    return caller.put(f"/api/cloud-pods/{pod_id}/health/config", json=fields)


def _stored(site, check_id):
    with site.engine.connect() as conn:
        return conn.execute(sa.select(Check.__table__).where(Check.id == check_id)).one()


@pytest.mark.parametrize(
    ("fields", "target"),
    [
        ({"checkType": "ping"}, None),
        ({"checkType": "tcp", "target": "22"}, "22"),
        ({"checkType": "tcp", "target": 22}, "22"),
        ({"checkType": "http", "target": "/health"}, "/health"),
        ({"checkType": "http"}, "/"),
        ({"checkType": "agent"}, None),
        ({"checkType": "agent", "target": "90"}, "90"),
    ],
    ids=str,
)
def test_a_new_check_has_the_seeds_defaults_and_its_target_as_text(site, admin, bare, fields, target):
    answer = _put(admin, bare, **fields)

    assert answer.status_code == 200
    assert has_shape(answer.json, CHECK)
    assert {name: answer.json[name] for name in SEED_DEFAULTS} == SEED_DEFAULTS
    assert (answer.json["target"], answer.json["name"]) == (target, fields["checkType"])
    assert _stored(site, answer.json["id"]).target == target


def test_every_field_comes_back_as_it_went(site, admin, bare):
    fields = {
        "checkType": "http",
        "name": "Startseite ü",
        "target": "/a/b?c=%20d",
        "config": {
            "scheme": "https",
            "port": 8443,
            "method": "POST",
            "host": "shop.example",
            "headers": {"X-Probe": "1"},
            "expectedCodes": "200,301-302",
            "bodyContains": "ok",
            "bodyRegex": "^o(k|kay)$",
            "bodyJson": {"status": ["up", 1, None]},
            "verifyTls": False,
            "minCertificateDays": 14,
        },
        "intervalSeconds": 30,
        "timeoutSeconds": 2.5,
        "failureThreshold": 20,
        "successThreshold": 2,
        "severity": "warning",
        "heal": False,
        "healOn": "content",
        "latencyLimitMs": 250,
        "keepExcerpt": True,
        "enabled": False,
    }

    answer = _put(admin, bare, **fields)
    again = _put(admin, bare, **{name: answer.json[name] for name in fields})

    assert {name: answer.json[name] for name in fields} == fields
    assert again.json == answer.json


def test_absent_fields_stay_on_a_change_and_zero_is_a_value(site, admin, bare):
    _put(admin, bare, checkType="agent", target="0", intervalSeconds=20, failureThreshold=7)

    changed = _put(admin, bare, checkType="agent", enabled=False).json

    assert (changed["target"], changed["config"]) == ("0", {"graceSeconds": 0})
    assert (changed["intervalSeconds"], changed["failureThreshold"], changed["enabled"]) == (20, 7, False)


def test_false_and_zero_are_told_from_absent_on_create(site, admin, bare):
    made = _put(admin, bare, checkType="ping", heal=False, enabled=False).json

    assert (made["heal"], made["enabled"]) == (False, False)


def test_a_short_interval_shortens_the_default_timeout(admin, bare):
    assert _put(admin, bare, checkType="ping", intervalSeconds=6).json["timeoutSeconds"] == 3


def test_several_checks_of_one_kind_go_by_their_names(admin, bare):
    first = _put(admin, bare, checkType="tcp", name="ssh", target="22").json
    second = _put(admin, bare, checkType="tcp", name="smtp", target="25").json
    changed = _put(admin, bare, name="ssh", target="2222").json

    assert first["id"] == changed["id"] != second["id"]
    assert changed["target"] == "2222"


def test_a_change_is_a_new_generation_due_at_once_audited_and_told(site, admin, bare):
    made = _put(admin, bare, checkType="ping").json
    _put(admin, bare, checkType="ping", intervalSeconds=30)

    with site.engine.connect() as conn:
        row = conn.execute(sa.select(CheckState).where(CheckState.check_id == made["id"])).one()
        about = AuditEntry.object_type == "check", AuditEntry.object_id == str(made["id"])
        audit = conn.execute(sa.select(AuditEntry.what, AuditEntry.actor).where(*about).order_by(AuditEntry.seq)).all()
        of_check = FeedEntry.object_id == made["id"], FeedEntry.kind == "check"
        told = conn.scalar(sa.select(sa.func.count()).where(*of_check))
    assert [tuple(entry) for entry in audit] == [("check created", "token"), ("check edited", "token")]
    assert _stored(site, made["id"]).generation == 2
    assert row.status == "unknown"
    assert told == 2


def test_putting_the_same_again_changes_nothing(site, admin, bare):
    first = _put(admin, bare, checkType="http", target="/health").json
    before = rows.marks(site.engine)

    again = _put(admin, bare, checkType="http", target="/health").json

    assert again == first
    assert rows.changed(before, rows.marks(site.engine)) == []


def test_two_who_change_different_fields_at_once_both_have_their_way(site, bare):
    _put(site.program("admin"), bare, checkType="ping")
    changes = [{"intervalSeconds": 90}, {"failureThreshold": 9}, {"successThreshold": 8}, {"keepExcerpt": True}]
    together = threading.Barrier(len(changes))

    def change(fields):
        caller = site.program("admin")
        together.wait(10)
        assert _put(caller, bare, checkType="ping", **fields).status_code == 200

    threads = [threading.Thread(target=change, args=(fields,)) for fields in changes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    check = _put(site.program("admin"), bare, checkType="ping").json
    assert {name: check[name] for one in changes for name in one} == {k: v for one in changes for k, v in one.items()}


def test_delete_disables_the_check_and_keeps_it(site, admin, bare):
    made = _put(admin, bare, checkType="ping").json

    answers = [admin.delete(f"/api/cloud-pods/{bare}/health/config/ping") for _ in range(2)]

    assert [(a.status_code, a.json) for a in answers] == [(200, {"disabled": True})] * 2
    assert _stored(site, made["id"]).enabled is False


@pytest.mark.parametrize("kind", ["http", "PING", "ssh", "ping%00", "%20ping", "ping%2F", "running", "*", "1"])
def test_there_is_no_check_of_another_kind_to_disable(site, admin, bare, kind):
    _put(admin, bare, checkType="ping")
    before = rows.marks(site.engine)

    answer = admin.delete(f"/api/cloud-pods/{bare}/health/config/{kind}")

    assert (answer.status_code, answer.json["code"]) == (404, "not_found")
    assert rows.changed(before, rows.marks(site.engine)) == []


def test_a_check_named_otherwise_is_not_disabled_by_its_kind(admin, bare):
    _put(admin, bare, checkType="ping", name="round trip")

    assert admin.delete(f"/api/cloud-pods/{bare}/health/config/ping").status_code == 404


def test_a_disabled_check_is_enabled_by_saying_so(admin, bare):
    _put(admin, bare, checkType="ping")
    admin.delete(f"/api/cloud-pods/{bare}/health/config/ping")

    still = _put(admin, bare, checkType="ping", intervalSeconds=30).json
    again = _put(admin, bare, checkType="ping", enabled=True).json

    assert (still["enabled"], again["enabled"]) == (False, True)


def test_the_fifty_first_check_of_a_pod_is_refused(site, admin, bare):
    with write(site.engine) as conn:
        for number in range(50):
            a_check(conn, bare, "ping", f"p{number}")

    answer = _put(admin, bare, checkType="ping", name="one more")

    assert (answer.status_code, answer.json["field"], answer.json["code"]) == (422, "name", "too_many")


def test_a_signed_in_admin_may_put_a_check_with_the_pages_token(site, bare):
    assert _put(site.browser("adam"), bare, checkType="ping").status_code == 200
