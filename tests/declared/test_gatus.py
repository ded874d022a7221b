"""A Gatus file as ours: endpoints by their conditions, alerting, maintenance; whatever is otherwise is said."""

import pytest

from podhealth.core.channel_fields import Platform
from podhealth.core.errors import InputError
from podhealth.core.words import Declared
from podhealth.declared.document import read_document
from podhealth.declared.fields import Ids
from podhealth.declared.gatus import from_gatus
from podhealth.declared.plan import Asked, State
from podhealth.declared.planning import plan
from podhealth.declared.reading import read_yaml
from podhealth.declared.secrets import Secrets

FILE = """
alerting:
  slack: {webhook-url: "https://hooks.slack.com/services/canary", default-alert: {failure-threshold: 5}}
  email: {from: gatus@x.example, host: mail.x.example, port: 587, password: canary-mail, to: "a@b.example,c@d.example"}
  discord: {webhook-url: "${DISCORD}"}
  pagerduty: {integration-key: canary-pager}
maintenance: {start: "23:00", duration: 1h30m, timezone: Europe/Berlin, every: [Monday, Thursday]}
default-endpoint: &defaults
  group: core
  interval: 5m
  client: {insecure: true, timeout: 12s, ignore-redirect: true}
endpoints:
- name: front
  <<: *defaults
  url: "https://shop.example:8443/health"
  headers: {X-Probe: gatus}
  conditions:
  - "[STATUS] == any(200, 204, 301)"
  - "[STATUS] < 300"
  - "[BODY].status == UP"
  - "[BODY] == pat(*all good*)"
  - "[RESPONSE_TIME] < 150"
  - "[CERTIFICATE_EXPIRATION] > 49h"
  alerts: [{type: slack}, {type: email, failure-threshold: 2, success-threshold: 1}]
- {name: db, group: core, url: "tcp://10.0.0.2:5432", conditions: ["[CONNECTED] == true"], alerts: [{type: email}]}
- {name: db, group: spare, url: "tcp://10.0.0.3:5432", conditions: ["[CONNECTED] == true"], enabled: false,
   alerts: [{type: email}], maintenance-windows: [{start: "01:00", duration: 30m}]}
- {name: router, url: "icmp://10.0.0.1", conditions: ["[CONNECTED] == true"], alerts: [{type: email}]}
- {name: not there, url: "http://10.0.0.4/x", conditions: ["[STATUS] == 404"], alerts: [{type: email}]}
- {name: resolver, url: 8.8.8.8, dns: {query-name: x.example, query-type: A}, conditions: ["[DNS_RCODE] == NOERROR"]}
- {name: env, url: "https://${HOST}/", conditions: ["[STATUS] == 200"]}
- {name: token, url: "https://10.0.0.5/", headers: {Authorization: "Bearer canary-bearer"},
   conditions: ["[STATUS] == 200"]}
- {name: poster, url: "https://10.0.0.6/", method: POST, body: "{}", conditions: ["[STATUS] == 200"]}
- {name: signed, url: "https://10.0.0.7/", client: {oauth2: {client-secret: canary-oauth}},
   conditions: ["[STATUS] == 200"]}
- {name: shell, url: "ssh://10.0.0.8:22", ssh: {username: x, password: canary-ssh}, conditions: ["[CONNECTED] == true"]}
external-endpoints: [{name: pushed, group: jobs, token: canary-push}]
security: {basic: {username: x, password-bcrypt-base64: canary-basic}}
storage: {type: sqlite, path: /data/data.db}
"""


@pytest.fixture(scope="module")
def found():
    """What the file comes to."""
    return from_gatus(read_yaml(FILE, of_others=True).value)


def why(found, what):
    return [remark.why for remark in found.remarks if remark.what == what]


def pods(found):
    return {pod["name"]: pod for pod in found.document()["pods"]}


def test_an_endpoint_is_a_check_by_its_conditions(found):
    front = pods(found)["front"]

    assert (front["address"], front["tags"]) == ("shop.example", ["core", "tell slack"])
    assert front["checks"] == [
        {
            "checkType": "http",
            "target": "/health",
            "config": {
                "scheme": "https",
                "port": 8443,
                "headers": {"X-Probe": "gatus"},
                "verifyTls": False,
                "bodyContains": "all good",
                "minCertificateDays": 3,
                "expectedCodes": "200,204",
            },
            "intervalSeconds": 300,
            "timeoutSeconds": 12.0,
            "failureThreshold": 2,
            "successThreshold": 1,
            "latencyLimitMs": 150.0,
        }
    ]
    assert why(found, "monitor front: condition '[BODY].status == UP'") == ["our checks cannot ask for it"]
    assert "slower than 150 ms it is degraded here, not unhealthy" in why(found, "monitor front")
    assert pods(found)["not there"]["checks"][0]["config"]["expectedCodes"] == "404"
    assert pods(found)["router"]["checks"][0]["checkType"] == "ping"


def test_one_name_in_several_groups_is_told_apart(found):
    assert pods(found)["core db"]["checks"][0]["target"] == 5432
    assert pods(found)["spare db"]["checks"][0]["enabled"] is False


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("monitor resolver", "there is no check of the kind dns"),
        ("monitor env", "it holds a variable that Gatus fills in"),
        ("monitor token", "it sends the header Authorization"),
        ("monitor poster", "it sends a body"),
        ("monitor signed", "it signs in"),
        ("monitor shell", "there is no check of the kind ssh"),
        ("external endpoint pushed", "it has no address"),
        ("notification discord", "its address is a variable that Gatus fills in"),
        ("notification pagerduty", "there is no channel for pagerduty"),
        ("security", "people sign in by"),
        ("storage", "it is about Gatus itself"),
    ],
)
def test_what_has_no_counterpart_is_left_out_with_its_reason(found, what, reason):
    assert [said for said in why(found, what) if said.startswith(reason)]


def test_alerting_is_channels_and_maintenance_is_windows(found):
    assert found.channels == [
        {
            "name": "slack",
            "kind": "slack",
            "config": {"url": "${CHANNEL_SLACK_URL}"},
            "routes": [{"severity": "warning", "tags": ["tell slack"]}],
        },
        {
            "name": "email",
            "kind": "email",
            "config": {"to": ["a@b.example", "c@d.example"]},
            "routes": [{"severity": "warning"}],
        },
    ]
    whole, own = found.windows
    assert (whole["recurrence"], whole["minutes"], whole["allPods"]) == ("FREQ=WEEKLY;BYDAY=MO,TH", 90, True)
    assert (own["recurrence"], own["minutes"], own["pods"], own["holds"]) == ("FREQ=DAILY", 30, ["spare db"], "alerts")


def test_the_file_is_one_that_plan_takes_and_holds_no_secret(found):
    state = State({noun: {} for noun in Declared}, {}, Ids())
    everywhere = ("0.0.0.0/0",)
    asked = Asked([everywhere], Platform(everywhere, (), True), Secrets(found.secrets))

    assert len(plan(read_document(found.text()), state, asked).changes) > 8
    assert "canary" not in found.text()
    assert found.secrets == {"CHANNEL_SLACK_URL": "https://hooks.slack.com/services/canary"}


def test_a_remark_ends_no_comment_before_its_end():
    row = {
        "name": "x",
        "url": "http://10.0.0.1/",
        "conditions": [],
        "headers": {"Cookie\npods: []": "x"},
        "method": "A\nb: c",
    }
    found = from_gatus({"endpoints": [row]})

    assert read_yaml(found.text()).value == {"version": 1, "pods": []}


@pytest.mark.parametrize("value", [None, [], {}, {"endpoints": {}}, "x"])
@pytest.mark.attack("A61")
def test_what_is_no_gatus_file_is_refused(value):
    with pytest.raises(InputError):
        from_gatus(value)
