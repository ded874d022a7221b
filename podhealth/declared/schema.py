"""The JSON schema of a file, for editors: completes its fields and underlines what is none.

It says the shapes and bounds that can be said so; what the rules of core refuse besides (addresses, contradictions) is
told by ``podhealth plan``. A test holds both together.
"""

from typing import Any

from podhealth.core import check_options, check_rules, node_rules, phase, pod_rules, policy, window_rules
from podhealth.core.channel_fields import MOST_RECIPIENTS, MOST_ROUTES
from podhealth.core.windows import MAX_MINUTES
from podhealth.core.words import (
    Action,
    ChannelKind,
    DesiredState,
    HealOn,
    Kind,
    Mode,
    ProviderKind,
    Severity,
    SnoozeHolds,
)
from podhealth.declared.document import VERSION

Schema = dict[str, Any]
_NAME: Schema = {"type": "string", "minLength": 1, "maxLength": 63}
_FLAG: Schema = {"type": "boolean"}
_SECRET: Schema = {
    "type": "string",
    "pattern": r"^(\$\{[A-Za-z_][A-Za-z0-9_]*\}|file:.+)$",
    "description": "A reference: ${NAME} of the environment, or file:PATH. Absent or unset, the stored one stays.",
}


def _whole(low: int, high: int, about: str = "") -> Schema:
    return {"type": "integer", "minimum": low, "maximum": high} | ({"description": about} if about else {})


def _text(longest: int, about: str = "") -> Schema:
    return {"type": "string", "minLength": 1, "maxLength": longest} | ({"description": about} if about else {})


def _word(words: Any) -> Schema:
    return {"enum": [one.value for one in words]}


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _list(items: Schema, most: int) -> Schema:
    return {"type": "array", "items": items, "maxItems": most}


def _object(properties: Schema, *required: str) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


_TAGS = _list(_text(pod_rules.MAX_TAG), pod_rules.MAX_TAGS)


def _node() -> Schema:
    return _object({"name": _NAME, "address": _or_null(_text(node_rules.MAX_ADDRESS))}, "name")


def _policy() -> Schema:
    attempts = _whole(0, 20)
    step = {
        "action": _word(Action),
        "attempts": attempts,
        "graceful": _FLAG,
        "timeoutSeconds": _or_null(_whole(5, 1800)),
    }
    fields = {
        "name": _NAME,
        "enabled": _FLAG,
        "mode": _word(Mode),
        "triggerAfterFailures": _whole(1, 100),
        "action": _word(Action),
        "cooldownMinutes": _whole(0, 1440),
        "maxAttempts": attempts,
        "notifyOnTrigger": _FLAG,
        "escalateAfterAttempts": _or_null(attempts),
        "escalationAction": _or_null(_word(Action)),
        "backoffFactor": {"type": "number", "minimum": 1, "maximum": 4},
        "verifyTimeout": _whole(10, 7200, "seconds"),
        "healthyDelay": _whole(0, 3600, "seconds"),
        "sustainedHealth": _whole(0, 86_400, "seconds"),
        "startDeadline": _whole(10, 1800, "seconds"),
        "selector": _TAGS | {"description": "Tags, all of which a pod must carry"},
        "priority": _whole(-1000, 1000),
        "isDefault": _FLAG,
        "steps": _or_null(_list(_object(step, "action"), policy.MAX_STEPS)),
    }
    return _object(fields, "name") | {"anyOf": [{"required": ["action"]}, {"required": ["steps"]}]}


def _check() -> Schema:
    seconds = _whole(check_rules.MIN_INTERVAL_S, check_rules.MAX_INTERVAL_S)
    timeout = {"type": "number", "minimum": check_rules.MIN_TIMEOUT_S, "maximum": check_rules.MAX_TIMEOUT_S}
    latency = {"type": "number", "exclusiveMinimum": 0, "maximum": check_rules.MAX_LATENCY_MS}
    threshold = _whole(1, check_rules.MAX_THRESHOLD)
    fields = {
        "name": _NAME | {"description": "Absent: its kind"},
        "checkType": _word(Kind),
        "target": {
            "anyOf": [_text(check_rules.MAX_PATH), _whole(0, check_rules.MAX_GRACE_S), {"type": "null"}],
            "description": "tcp: the port; http: the path; agent: the grace in seconds; ping: none",
        },
        "config": _options(),
        "intervalSeconds": seconds,
        "timeoutSeconds": timeout,
        "failureThreshold": threshold,
        "successThreshold": threshold,
        "severity": _word(Severity),
        "heal": _FLAG,
        "healOn": _word(HealOn),
        "latencyLimitMs": _or_null(latency),
        "keepExcerpt": _FLAG,
        "enabled": _FLAG,
    }
    return _object(fields, "checkType")


def _options() -> Schema:
    code: Schema = {"type": ["string", "integer"]}
    fields = {
        "packets": _whole(1, 5),
        "banner": _text(200),
        "scheme": _word(check_options.Scheme),
        "port": _whole(1, 65_535),
        "method": _word(check_options.Method),
        "host": _text(253),
        "headers": {"type": "object", "additionalProperties": {"type": "string"}, "maxProperties": 20},
        "expectedCodes": {"anyOf": [code, _list(code, check_options.MAX_CODE_RANGES)]},
        "bodyContains": _text(500),
        "bodyRegex": _text(500),
        "bodyJson": {"description": "Any JSON value, as YAML"},
        "verifyTls": _FLAG,
        "minCertificateDays": _whole(1, 825),
        "graceSeconds": _whole(0, 86_400),
    }
    nullable = {name: one if name == "bodyJson" else _or_null(one) for name, one in fields.items()}
    return _object(nullable) | {"description": "Options of its kind"}


def _pod() -> Schema:
    provider = {
        "type": "object",
        "properties": {"secret": _or_null(_SECRET), "token": _or_null(_SECRET), "key": _or_null(_SECRET)},
    }
    deadline = _whole(int(phase.MIN_START_DEADLINE_S), int(phase.MAX_START_DEADLINE_S))
    fields = {
        "name": _NAME,
        "address": _text(pod_rules.MAX_ADDRESS),
        "tags": _TAGS,
        "node": _or_null(_NAME) | {"description": "Absent: stays as it is"},
        "policy": _or_null(_NAME) | {"description": "An override; absent: by tags, or the default"},
        "source": _or_null(_NAME),
        "provider": _word(ProviderKind),
        "providerRef": _or_null(_text(pod_rules.MAX_REF)),
        "providerConfig": _or_null(provider),
        "desiredState": _word(DesiredState) | {"description": "Absent: stays as it is"},
        "startDeadlineSeconds": _or_null(deadline),
        "checks": _or_null(_list({"$ref": "#/$defs/check"}, 50))
        | {"description": "Absent: left alone, and of a new pod the default ones"},
    }
    return _object(fields, "name", "address")


def _window() -> Schema:
    names = _list(_NAME, window_rules.MAX_CHOSEN)
    fields = {
        "name": _NAME,
        "reason": _text(window_rules.MAX_REASON),
        "zone": _text(window_rules.MAX_ZONE, "IANA name, such as Europe/Berlin"),
        "starts": {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}$"},
        "minutes": _whole(1, MAX_MINUTES),
        "recurrence": _or_null(_text(200, "A rule such as FREQ=WEEKLY;BYDAY=SU; absent: once")),
        "holds": _word(SnoozeHolds),
        "allPods": _FLAG,
        "tags": _TAGS,
        "pods": names,
        "nodes": names,
        "enabled": _FLAG,
    }
    return _object(fields, "name", "reason", "zone", "starts", "minutes")


def _channel() -> Schema:
    # Of a web hook the URL is plain, of the others it is the secret.
    config = {"url": _text(1_000), "to": _list(_text(254), MOST_RECIPIENTS) | {"minItems": 1}}
    route = _object({"severity": _word(Severity), "tags": _TAGS})
    fields = {
        "name": _NAME,
        "kind": _word(ChannelKind),
        "enabled": _FLAG,
        "config": _or_null(_object(config)),
        "routes": _list(route, MOST_ROUTES),
    }
    by_reference = {"properties": {"config": {"properties": {"url": _SECRET}}}}
    is_hidden = {"properties": {"kind": {"enum": [ChannelKind.SLACK.value, ChannelKind.APPRISE.value]}}}
    return _object(fields, "name", "kind") | {"if": is_hidden, "then": by_reference}


def schema() -> Schema:
    """Return the schema of a whole file (JSON Schema 2020-12)."""
    sections = {
        "nodes": _node(),
        "policies": _policy(),
        "pods": _pod(),
        "windows": _window(),
        "channels": _channel(),
    }
    listed = {name: _or_null({"type": "array", "items": one}) for name, one in sections.items()}
    whole = _object({"version": {"const": VERSION}, **listed}, "version")
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "PodHealth configuration"}
    return {**head, **whole, "$defs": {"check": _check()}}
