"""What a channel may be, kind by kind, as JSON Schema: for whoever describes the API. Its rules: ``channel_fields``."""

from typing import Any

from podhealth.core.channel_fields import MAX_NAME, MAX_URL, MOST_RECIPIENTS, MOST_ROUTES
from podhealth.core.pod_rules import MAX_TAG, MAX_TAGS
from podhealth.core.readers import A_FLAG, AN_ID, Schema, a_line, a_word, nullable, shape, tags
from podhealth.core.words import ChannelKind, Severity

_URL: Schema = {"type": "string", "minLength": 1, "maxLength": MAX_URL}
_TO: Schema = {"type": "array", "minItems": 1, "maxItems": MOST_RECIPIENTS, "items": {"type": "string"}}
_ROUTE = shape({"severity": a_word(Severity), "tags": tags(MAX_TAGS, MAX_TAG)})


def channel_schema(is_new: bool) -> Schema:
    """Return what a channel may be: a new one, or what may be changed of one."""
    return {"anyOf": [_of_kind(kind, is_new) for kind in ChannelKind]}


def _of_kind(kind: ChannelKind, is_new: bool) -> Schema:
    name, value = ("to", _TO) if kind == ChannelKind.EMAIL else ("url", _URL)
    # Of a channel that is there, null leaves the setting as it is.
    held = value if is_new else nullable(value)
    config: Schema = {"type": "object", "properties": {name: held}, "additionalProperties": False}
    fields: dict[str, Any] = {
        "name": a_line(MAX_NAME).schema,
        "kind": {"const": kind.value},
        "enabled": A_FLAG.schema,
        "config": {**config, "required": [name]} if is_new else nullable(config),
        "routes": {"type": "array", "maxItems": MOST_ROUTES, "items": _ROUTE},
    }
    if not is_new:
        return {
            "type": "object",
            "properties": fields | {"version": nullable(AN_ID.schema)},
            "additionalProperties": False,
        }
    needed = ["name", "kind", "config"]
    return {"type": "object", "properties": fields, "required": needed, "additionalProperties": False}
