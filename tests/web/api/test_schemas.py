"""What the API's schemas allow and what the rules take are held together, field by field: neither may drift.

From a good body, one field after the other is given values made from its schema, and values of any kind. A rule may
refuse what its schema allows only where it says why no schema of one field could.
"""

from functools import partial

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from podhealth.core.channel_fields import Platform, parse_channel
from podhealth.core.channel_schema import channel_schema
from podhealth.core.check_rules import parse_check
from podhealth.core.check_schema import check_schema
from podhealth.core.errors import InputError
from podhealth.core.heartbeat import parse_report
from podhealth.core.node_rules import READERS as NODE
from podhealth.core.node_rules import parse_node
from podhealth.core.pod_rules import ADDRESS_SCHEMA, parse_pod
from podhealth.core.pod_rules import READERS as POD
from podhealth.core.policy import READERS as POLICY
from podhealth.core.policy import parse_policy
from podhealth.core.readers import shape
from podhealth.core.source_rules import READERS as SOURCE
from podhealth.core.source_rules import REQUIRED as REQUIRED_OF_SOURCE
from podhealth.core.source_rules import parse_source
from podhealth.core.tag_rules import parse_tag_rule
from podhealth.core.window_rules import READERS as WINDOW
from podhealth.core.window_rules import REQUIRED, parse_window
from podhealth.web.api.heartbeats import REPORT
from podhealth.web.api.sync import NEW_RULE
from tests.support.schemas import made_of

_NETWORKS = ["10.0.0.0/8"]
_pod = shape(POD, ["name", "address"])
_POD = {**_pod, "properties": {**_pod["properties"], "address": ADDRESS_SCHEMA}}
_CHECKS = dict(zip(("ping", "tcp", "http", "agent"), check_schema(is_new=True)["anyOf"], strict=True))
_CHANNELS = {one["properties"]["kind"]["const"]: one for one in channel_schema(is_new=True)["anyOf"]}
_HOOK = {"name": "a", "config": {"url": "https://hooks.example/x"}}
_WORK = {"name": "a", "reason": "b", "zone": "UTC", "starts": "2026-11-24T02:00", "minutes": 5, "allPods": True}
_HTTP = {"config": {"scheme": "https"}}  # what its other options need

# Each: the schema, the rule, a good body, and what the rule may refuse that no schema of one field could.
CASES = {
    "policy": (shape(POLICY, ["name", "action"]), parse_policy, {"name": "a", "action": "restart"},
               ["escalationAction: must differ"]),
    "window": (shape(WINDOW, REQUIRED), parse_window, _WORK,
               ["zone: ", "recurrence: ", "allPods: must be true"]),
    "pod": (_POD, partial(parse_pod, networks=[_NETWORKS]), {"name": "a", "address": "10.0.0.7"},
            ["address: ", "providerRef: ", "providerConfig", "sourceId: "]),
    "node": (shape(NODE, ["name"]), partial(parse_node, networks=_NETWORKS), {"name": "a"}, ["address: "]),
    "source": (shape(SOURCE, REQUIRED_OF_SOURCE), partial(parse_source, networks=_NETWORKS),
               {"name": "a", "kind": "docker", "config": {"url": "https://10.0.0.2:2376"}},
               ["config", "takes", "tokenId: ", "url: ", "is no field of its provider's settings"]),
    "tag rule": (NEW_RULE, parse_tag_rule, {"tag": "a", "check": {"checkType": "ping"}}, ["check"]),
    "heartbeat": (REPORT, parse_report, {}, ["exitCode: "]),
    "slack": (_CHANNELS["slack"], partial(parse_channel, platform=Platform()), {"kind": "slack", **_HOOK},
              ["config.url: "]),
    **{
        kind: (schema, parse_check, {"checkType": kind, **({"target": "22"} if kind == "tcp" else {}),
                                     **(_HTTP if kind == "http" else {})},
               ["timeout must be shorter", "heal: must be false", "name: is reserved",
                "graceSeconds: says something else", "headers: ", "minCertificateDays: needs", "cannot be asked with",
                "expectedCodes: ", "host: ", "banner: must not hold"])
        for kind, schema in _CHECKS.items()
    },
}  # fmt: skip

_PLAIN = st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=70)
_ANY = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 100_000), st.floats(0.1, 99.9).filter(lambda n: n != int(n)), _PLAIN,
    st.lists(_PLAIN, max_size=3), st.dictionaries(_PLAIN, st.integers(0, 9), max_size=2),
)  # fmt: skip


def _refusal(rule, body):
    try:
        rule(body)
    except InputError as refused:
        return str(refused)
    return None


@pytest.mark.parametrize("noun", CASES)
@settings(max_examples=120, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(data=st.data())
@pytest.mark.attack("A64", "A65")
def test_a_body_is_taken_where_its_schema_allows_it_and_nowhere_else(noun, data):
    schema, rule, good, unsaid = CASES[noun]
    field = data.draw(st.sampled_from([*schema["properties"], "nonsense"]))
    own = schema["properties"].get(field)
    values = _ANY if own is None else st.one_of(_ANY, made_of(own))
    body = good | {field: data.draw(values)}

    refusal, is_allowed = _refusal(rule, body), jsonschema.Draft202012Validator(schema).is_valid(body)

    if is_allowed and refusal is not None:
        assert any(said in refusal for said in unsaid), f"the schema allows what is refused: {refusal}"
    assert is_allowed or refusal is not None, "the schema forbids what is taken"
