"""Monitors, notifications and maintenances of Uptime Kuma as ours; whatever is otherwise is said."""

import pytest

from podhealth.core.channel_fields import Platform
from podhealth.core.errors import InputError
from podhealth.core.words import Declared
from podhealth.declared.document import read_document
from podhealth.declared.fields import Ids
from podhealth.declared.kuma import from_kuma
from podhealth.declared.kuma_file import read_kuma
from podhealth.declared.plan import Asked, State
from podhealth.declared.planning import plan
from podhealth.declared.secrets import Secrets
from tests.declared import kuma_files

EVERYWHERE = ("0.0.0.0/0",)
PLATFORM = Platform(EVERYWHERE, ("discord",), True)


@pytest.fixture(params=["backup", "database"])
def found(request, tmp_path):
    """What each kind of file comes to."""
    return from_kuma(read_kuma(getattr(kuma_files, request.param)(tmp_path)))


def why(found, what):
    return [remark.why for remark in found.remarks if remark.what == what]


def pods(found):
    return {pod["name"]: pod for pod in found.document()["pods"]}


def test_monitors_of_one_host_are_checks_of_one_pod(found):
    shop = pods(found)["shop.example"]

    assert shop["tags"] == ["Shop", "prod", "tell Chat", "tell Ops"]
    assert shop["checks"][0] == {
        "name": "Shop page",
        "checkType": "http",
        "target": "/health?full=1",
        "config": {
            "scheme": "https",
            "port": 8443,
            "headers": {"X-Probe": "kuma"},
            "host": "www.shop.example",
            "expectedCodes": "200-299,304",
            "verifyTls": False,
            "bodyContains": "all good",
        },
        "intervalSeconds": 30,
        "timeoutSeconds": 24.0,
        "failureThreshold": 3,
    }
    assert (shop["checks"][1]["checkType"], shop["checks"][1]["target"]) == ("tcp", 5432)
    (ping,) = pods(found)["Router"]["checks"]
    assert ping == {
        "checkType": "ping",
        "config": {"packets": 3},
        "intervalSeconds": 20,
        "timeoutSeconds": 16.0,
        "failureThreshold": 1,
        "enabled": False,
    }


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("Backup job", "it has no address"),
        ("Admin", "it signs in"),
        ("Token", "it sends the header Authorization"),
        ("Opposite", "it is upside down"),
        ("Name server", "there is no check of the kind dns"),
        ("Upload", "its method PUT"),
        ("Container", "a container comes by sync"),
    ],
)
def test_what_has_no_counterpart_is_left_out_with_its_reason(found, name, reason):
    (said,) = why(found, f"monitor {name}")

    assert said.startswith(reason)
    assert name not in pods(found)


def test_what_is_otherwise_is_said(found):
    assert why(found, "monitor Slow")[:2] == [
        "redirects are not followed here: an answer 3xx is judged by its own code",
        "its timeout is 60 s in place of 240 s: at most 60 s, and below the interval",
    ]
    assert "unhealthy after 20 failures in place of 41, which is our most" in why(found, "monitor Slow")
    assert "its JSON query is left out" in why(found, "monitor Query")[0]


def test_notifications_are_channels_and_secrets_are_references(found):
    channels = {channel["name"]: channel for channel in found.document()["channels"]}

    assert channels["Ops"] == {
        "name": "Ops",
        "kind": "slack",
        "config": {"url": "${CHANNEL_OPS_URL}"},
        "routes": [{"severity": "warning", "tags": ["tell Ops"]}],
    }
    assert channels["Mail"]["config"] == {"to": ["a@b.example", "c@d.example"]}
    assert channels["Mail"]["routes"] == [{"severity": "warning"}]  # it tells of all that was taken
    assert found.secrets == {
        "CHANNEL_OPS_URL": "https://hooks.slack.com/services/canary",
        "CHANNEL_CHAT_URL": "discord://12/canary-discord",
    }
    assert why(found, "notification Pager") == ["there is no channel for PagerDuty"]
    assert "canary" not in found.text()


def test_the_file_is_one_that_plan_takes(found):
    state = State({noun: {} for noun in Declared}, {}, Ids())

    made = plan(read_document(found.text()), state, Asked([EVERYWHERE], PLATFORM, Secrets(found.secrets)))

    assert len(made.changes) > 10


def test_maintenances_are_windows_where_a_rule_can_say_them(tmp_path):
    found = from_kuma(read_kuma(kuma_files.database(tmp_path)))
    windows = {window["name"]: window for window in found.windows}

    assert {name: (w["zone"], w["starts"], w["minutes"], w.get("recurrence")) for name, w in windows.items()} == {
        "Move": ("Europe/Berlin", "2030-05-01T22:00", 210, None),
        "Weekly": ("Europe/Berlin", "2000-01-01T23:00", 120, "FREQ=WEEKLY;BYDAY=SU,WE"),
        "Monthly": ("UTC", "2000-01-01T02:00", 60, "FREQ=MONTHLY;BYMONTHDAY=1,-1;UNTIL=20310101"),
    }
    assert windows["Monthly"]["pods"] == ["Router"]
    assert "cron" in why(found, "maintenance Cron")[0]
    assert why(found, "maintenance Of nothing") == ["none of its monitors has become a check"]
    assert why(found, "1 × status page") == ["is not carried over: make it anew on its page"]


@pytest.mark.parametrize("content", [b"{}", b"not json", b"SQLite format 3\x00 broken", b"[" * 5000, b"\xff\xfe"])
@pytest.mark.attack("A61")
def test_what_is_no_file_of_uptime_kuma_is_refused(tmp_path, content):
    path = tmp_path / "file"
    path.write_bytes(content)

    with pytest.raises(InputError):
        read_kuma(path)
