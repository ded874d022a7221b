"""What a check may be, kind by kind, as JSON Schema, for whoever describes the API. Its rules: ``check_rules``."""

from collections.abc import Mapping
from typing import Any

from podhealth.core.check_options import options_schema
from podhealth.core.check_rules import MAX_GRACE_S, MAX_NAME, MAX_PATH, PLAIN_READERS, RUNNING
from podhealth.core.readers import A_FLAG, Schema, a_line
from podhealth.core.vantage_names import LOCAL
from podhealth.core.words import Kind

_PORT = "^([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])$"
_SECONDS = "^(0|[1-9][0-9]{0,3}|[1-7][0-9]{4}|8[0-5][0-9]{3}|86[0-3][0-9]{2}|86400)$"
_PLAIN = r"[A-Za-z0-9._~!$&'()*+,;=:@?\[\]-]|%[0-9A-Fa-f]{2}"
_PATH = f"^/(({_PLAIN})(/|{_PLAIN})*)?$"

_TARGETS: Mapping[Kind, Schema] = {
    Kind.PING: {"type": "null"},
    Kind.TCP: {"anyOf": [{"type": "integer", "minimum": 1, "maximum": 65_535}, {"type": "string", "pattern": _PORT}]},
    Kind.HTTP: {"type": ["string", "null"], "maxLength": MAX_PATH, "pattern": _PATH},
    Kind.AGENT: {
        "anyOf": [
            {"type": "integer", "minimum": 0, "maximum": MAX_GRACE_S},
            {"type": "string", "pattern": _SECONDS},
            {"type": "null"},
        ]
    },
}
_NEEDS_TARGET = (Kind.TCP,)
# What is plain everywhere else and says nothing on a heartbeat: it comes by itself, and has no latency.
_NARROWER: Mapping[Kind, Mapping[str, Schema]] = {
    Kind.AGENT: {"vantage": {"const": LOCAL}, "latencyLimitMs": {"type": "null"}},
}


def check_schema(is_new: bool, is_kind_known: bool = False, **more: Schema) -> Schema:
    """Return what a check may be: a new one, or what may be changed of one. ``more``: further fields.

    ``is_kind_known``: the kind need not be said, since the check is there already.
    """
    kinds = [_of_kind(kind, is_new, is_kind_known, more) for kind in _TARGETS]
    running = {"checkType": {"const": RUNNING.kind.value}, "name": {"const": RUNNING.name}, "enabled": A_FLAG.schema}
    of_running = {"type": "object", "properties": {**running, **more}, "additionalProperties": False}
    needed = {} if is_kind_known else {"required": ["checkType"]}
    return {"anyOf": kinds if is_new else [*kinds, of_running | needed]}


def _of_kind(kind: Kind, is_new: bool, is_known: bool, more: Mapping[str, Schema]) -> Schema:
    fields: dict[str, Any] = {
        "checkType": {"const": kind.value},
        "name": a_line(MAX_NAME).schema,
        "target": _TARGETS[kind],
        "config": options_schema(kind),
        **{name: reader.schema for name, reader in PLAIN_READERS.items()},
        **_NARROWER.get(kind, {}),
        **more,
    }
    needed = ([] if is_known else ["checkType"]) + (["target"] if is_new and kind in _NEEDS_TARGET else [])
    found = {"type": "object", "properties": fields, "additionalProperties": False}
    return found | ({"required": needed} if needed else {})
