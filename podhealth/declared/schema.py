"""The JSON schema of a file, for editors: completes its fields and underlines what is none.

Made of the schemas of core's readers, so that it says what the rules say; names stand where the API has ids, and
references where it has secrets.
"""

from collections.abc import Mapping
from typing import Any

from podhealth.core import node_rules, pod_rules, policy, window_rules
from podhealth.core.channel_fields import CHANNEL_SECRETS
from podhealth.core.channel_schema import channel_schema
from podhealth.core.check_rules import PLAIN_READERS, RUNNING
from podhealth.core.check_schema import check_schema
from podhealth.core.provider_fields import SECRETS
from podhealth.core.readers import A_FLAG, Reader, Schema, a_line, nullable, shape
from podhealth.core.words import ChannelKind
from podhealth.declared.document import MAX_NAME, VERSION
from podhealth.declared.planning import MOST_CHECKS

_NAME = a_line(MAX_NAME).schema
_NAMES: Schema = {"type": "array", "items": _NAME, "maxItems": window_rules.MAX_CHOSEN}
_SECRET: Schema = {
    "type": "string",
    "pattern": r"^(\$\{[A-Za-z_][A-Za-z0-9_]{0,127}\}|file:[\s\S]+)$",
    "description": "A reference: ${NAME} of the environment, or file:PATH. Absent or unset, the stored one stays.",
}


def schema() -> Schema:
    """Return the schema of a whole file (JSON Schema 2020-12)."""
    sections = {
        "nodes": shape(node_rules.READERS, ["name"]),
        "policies": _policy(),
        "pods": _pod(),
        "windows": _window(),
        "channels": _channel(),
    }
    listed = {name: nullable({"type": "array", "items": one}) for name, one in sections.items()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "PodHealth configuration",
        "type": "object",
        "properties": {"version": {"const": VERSION}, **listed},
        "required": ["version"],
        "additionalProperties": False,
        "$defs": {"check": _check()},
    }


def _policy() -> Schema:
    needs = [{"required": ["action"]}, {"required": ["steps"]}]
    return shape(policy.READERS, ["name"], anyOf=needs)


def _named(readers: Mapping[str, Reader], without: tuple[str, ...], **more: Schema) -> dict[str, Any]:
    return {name: reader.schema for name, reader in readers.items() if name not in without} | more


def _object(properties: Mapping[str, Schema], *required: str) -> dict[str, Any]:
    return {"type": "object", "properties": dict(properties), "required": list(required), "additionalProperties": False}


def _pod() -> Schema:
    secrets = {"type": "object", "properties": {name: nullable(_SECRET) for name in sorted(SECRETS)}}
    stays = {"description": "Absent: stays as it is"}
    checks = nullable({"type": "array", "items": {"$ref": "#/$defs/check"}, "maxItems": MOST_CHECKS})
    fields = _named(
        pod_rules.READERS,
        ("nodeId", "policyId", "sourceId", "providerConfig", "desiredState"),
        address=pod_rules.ADDRESS_SCHEMA,
        node={**nullable(_NAME), **stays},
        desiredState={**pod_rules.READERS["desiredState"].schema, **stays},
        policy=nullable(_NAME),
        source=nullable(_NAME),
        providerConfig=nullable(secrets),
        checks={**checks, "description": "Absent: left alone; a new pod gets the default ones"},
    )
    return _object(fields, "name", "address")


def _check() -> Schema:
    running = {"checkType": {"const": RUNNING.kind.value}, "name": {"const": RUNNING.name}, "enabled": A_FLAG.schema}
    as_it_is: dict[str, Any] = {"severity": {}, "heal": {}, **{name: {} for name in PLAIN_READERS if name != "enabled"}}
    needs = {"anyOf": [{"required": ["checkType"]}, {"required": ["name"]}]}
    usual: Any = check_schema(is_new=True)["anyOf"]
    return {"anyOf": [*usual, {**_object({**as_it_is, **running}), **needs}]}


def _window() -> Schema:
    return _object(
        _named(window_rules.READERS, ("podIds", "nodeIds"), pods=_NAMES, nodes=_NAMES), *window_rules.REQUIRED
    )


def _channel() -> Schema:
    """Return the channel of the API, but for addresses that are secrets: those are references."""
    hidden = [kind.value for kind in ChannelKind if "url" in CHANNEL_SECRETS[kind]]
    config = {"type": ["object", "null"], "properties": {"url": nullable(_SECRET)}, "additionalProperties": False}
    usual: Any = channel_schema(is_new=True)
    named = ["name", "kind"]  # one that is stored keeps its settings
    kinds = [{**one, "required": named} for one in usual["anyOf"] if one["properties"]["kind"]["const"] not in hidden]
    by_reference = {**usual["anyOf"][0]["properties"], "kind": {"enum": hidden}, "config": config}
    return {"anyOf": [*kinds, _object(by_reference, *named)]}
