"""The schema of a file and what plan accepts say the same, as far as a schema can."""

import copy

import jsonschema
import pytest

from podhealth.core.channel_fields import Platform
from podhealth.core.words import Declared
from podhealth.declared.document import read_document
from podhealth.declared.faults import FileError
from podhealth.declared.fields import KNOWN, SECTIONS, Ids
from podhealth.declared.plan import Asked, State
from podhealth.declared.planning import plan
from podhealth.declared.reading import read_yaml
from podhealth.declared.schema import schema
from podhealth.declared.secrets import Secrets
from podhealth.declared.writing import as_yaml

NETWORKS = ("10.0.0.0/8",)
ASKED = Asked(
    [NETWORKS], Platform((*NETWORKS, "0.0.0.0/0"), ("json",), True), Secrets({"S": "https://hooks.example/x", "T": "t"})
)
JUDGE = jsonschema.Draft202012Validator(schema())
WHOLE = """
version: 1
nodes: [{name: pve1, address: 10.0.0.1}]
policies:
- {name: web, action: restart, maxAttempts: 2, escalationAction: migrate, selector: [web]}
- {name: told, steps: [{action: notify_only, attempts: 1}]}
pods:
- name: web-1
  address: 10.0.0.5
  node: pve1
  policy: web
  tags: [web]
  provider: proxmox
  providerRef: pve1/100
  providerConfig: {url: "https://10.0.0.1:8006", tokenId: "root@pam!x", token: "${T}"}
  desiredState: running
  startDeadlineSeconds: 60
  checks:
  - {checkType: http, target: /health, config: {port: 8080}, intervalSeconds: 30}
  - {name: ssh, checkType: tcp, target: 22}
  - {checkType: agent, target: 90}
  - {checkType: ping, config: {packets: 2}}
  - {checkType: running, enabled: false}
windows:
- {name: night, reason: backup, zone: Europe/Berlin, starts: "2026-11-24T02:00", minutes: 60, pods: [web-1]}
channels:
- {name: ops, kind: slack, config: {url: "${S}"}, routes: [{severity: critical, tags: [web]}]}
- {name: hook, kind: webhook, config: {url: "https://hooks.example/x"}}
- {name: mail, kind: email, config: {to: [a@b.example]}}
"""


def is_taken(value):
    state = State({noun: {} for noun in Declared}, {}, Ids())
    try:
        plan(read_document(as_yaml(value)), state, ASKED)
    except FileError:
        return False
    return True


def changed(path, value):
    whole = copy.deepcopy(read_yaml(WHOLE).value)
    inner = whole
    for part in path[:-1]:
        inner = inner[part]
    inner[path[-1]] = value
    return whole


def test_a_file_with_everything_is_good_for_both():
    assert [error.message for error in JUDGE.iter_errors(read_yaml(WHOLE).value)] == []
    assert is_taken(read_yaml(WHOLE).value)


CHECK = ("pods", 0, "checks", 0)
CELLS = [
    (("version",), 2),
    (("pods",), {}),
    (("podz",), []),
    (("nodes", 0, "adress"), "10.0.0.1"),
    (("nodes", 0, "name"), " x"),
    (("policies", 0, "maxAttempts"), 21),
    (("policies", 0, "mode"), "maybe"),
    (("policies", 1, "steps", 0, "action"), "dance"),
    (("pods", 0, "address"), 5),
    (("pods", 0, "tags"), "web"),
    (("pods", 0, "desiredState"), "paused"),
    (("pods", 0, "providerConfig", "token"), "the secret itself"),
    (("pods", 0, "checks"), "all"),
    ((*CHECK, "intervalSeconds"), 4),
    ((*CHECK, "intervalSeconds"), "30"),
    ((*CHECK, "checkType"), "smtp"),
    ((*CHECK, "config"), {"prot": 1}),
    ((*CHECK, "config"), {"port": 0}),
    ((*CHECK, "target"), "health"),
    (("windows", 0, "minutes"), 0),
    (("windows", 0, "starts"), "tomorrow"),
    (("channels", 0, "kind"), "pager"),
    (("channels", 0, "config"), {"url": "https://hooks.slack.example/plain"}),
    (("channels", 0, "routes", 0, "severity"), "some"),
]


@pytest.mark.parametrize(("path", "value"), CELLS, ids=lambda part: str(part)[:40])
def test_what_the_schema_underlines_is_refused_by_plan_too(path, value):
    spoilt = changed(path, value)

    assert not JUDGE.is_valid(spoilt)
    assert not is_taken(spoilt)


GOOD = [
    (("policies", 0, "maxAttempts"), 0),
    (("policies", 0, "maxAttempts"), 20),
    (("pods", 0, "node"), None),
    (("pods", 0, "checks"), []),
    (("pods", 0, "checks"), None),
    (("pods", 0, "providerConfig", "token"), "${T}"),
    ((*CHECK, "intervalSeconds"), 86_400),
    ((*CHECK, "config"), {"port": None}),
    (("windows",), None),
    (("windows", 0, "recurrence"), "FREQ=DAILY"),
]


@pytest.mark.parametrize(("path", "value"), GOOD, ids=lambda part: str(part)[:40])
def test_what_plan_takes_is_not_underlined(path, value):
    assert is_taken(changed(path, value))
    assert JUDGE.is_valid(changed(path, value))


def test_every_field_of_a_file_is_in_the_schema():
    found = schema()
    for section, noun in SECTIONS.items():
        items = found["properties"][section].get("items") or found["properties"][section]["anyOf"][0]["items"]
        kinds = items.get("anyOf", [items]) if "properties" not in items else [items]
        assert {name for kind in kinds for name in kind["properties"]} == KNOWN[noun]
    checks = {name for kind in found["$defs"]["check"]["anyOf"] for name in kind["properties"]}
    assert checks == KNOWN[Declared.CHECK]
