"""Reads the form of a check into the fields of core/check_rules, which says what they may hold, and fills it again.

A form always says the whole check: what it leaves empty is asked for no more. Ids of fields are the API's names.
"""

import json
from collections.abc import Mapping
from typing import Any

from podhealth.core.check_rules import CheckRules, parse_check
from podhealth.core.errors import InputError
from podhealth.core.vantage_names import LOCAL
from podhealth.core.words import HealOn, Kind, Severity
from podhealth.web.forms.collect import (
    EditForm,
    Fields,
    lines_of,
    number_or_text,
    posted_texts,
    read_all,
    text_of,
    whole_or_text,
)

# Kinds that people make by hand, in the order in which they are offered.
KINDS = {
    Kind.HTTP: "Ask for a page and look at its code, its text, its certificate and how long it took.",
    Kind.TCP: "Connect to a port; whatever listens there, a database or a mail server.",
    Kind.PING: "Send an echo request: does the host answer at all?",
    Kind.AGENT: "Wait for heartbeats that the pod itself sends, for work that nobody can connect to.",
}
TARGETS = {Kind.HTTP: "Path", Kind.TCP: "Port"}
LABELS = {
    "name": "Name",
    "scheme": "Scheme",
    "target": "Target",
    "port": "Port",
    "expectedCodes": "Expected codes",
    "bodyContains": "Body contains",
    "banner": "Banner begins with",
    "packets": "Packets",
    "graceSeconds": "Grace",
    "intervalSeconds": "Interval",
    "timeoutSeconds": "Timeout",
    "failureThreshold": "Unhealthy after",
    "successThreshold": "Healthy after",
    "severity": "Severity",
    "heal": "Heals",
    "method": "Method",
    "host": "Host",
    "headers": "Headers",
    "bodyRegex": "Body matches",
    "bodyJson": "Body is, as JSON",
    "verifyTls": "Verify the certificate",
    "minCertificateDays": "Certificate days left",
    "latencyLimitMs": "Latency limit",
    "healOn": "What heals",
    "keepExcerpt": "Keep an excerpt of the answer",
    "vantage": "Probed from",
}
_OPTIONS = {
    Kind.HTTP: (
        "scheme",
        "port",
        "expectedCodes",
        "bodyContains",
        "method",
        "host",
        "headers",
        "bodyRegex",
        "bodyJson",
        "verifyTls",
        "minCertificateDays",
    ),
    Kind.TCP: ("banner",),
    Kind.PING: ("packets",),
    Kind.AGENT: ("graceSeconds",),
}
_WHOLE = ("intervalSeconds", "failureThreshold", "successThreshold")
_NUMBERS = ("timeoutSeconds", "latencyLimitMs")
_WHOLE_OPTIONS = ("port", "packets", "graceSeconds", "minCertificateDays")
_BOXES = ("heal", "verifyTls", "keepExcerpt")
_TEXTS = tuple(name for name in LABELS if name not in _BOXES)
# Fields that stand folded away: shown where one of them says something else than by default.
FOLDED = (
    "method",
    "host",
    "headers",
    "bodyRegex",
    "bodyJson",
    "verifyTls",
    "minCertificateDays",
    "latencyLimitMs",
    "healOn",
    "keepExcerpt",
    "vantage",
)
_BAD_HEADERS = "must be lines such as X-Token: abc, each name once"

CheckForm = EditForm[CheckRules]


def new_form(kind: Kind, name: str) -> CheckForm:
    """Return the form of a check that is not stored yet, with the defaults of its kind."""
    asked: Fields = {"checkType": kind.value, "target": "80"} if kind == Kind.TCP else {"checkType": kind.value}
    form = form_of(parse_check(asked))
    # The default of the timeout follows the interval, so it is left to be filled in.
    values = {**form.values, "name": name, "timeoutSeconds": ""}
    return EditForm(values | ({"target": ""} if kind == Kind.TCP else {}))


def form_of(rules: CheckRules) -> CheckForm:
    """Return the form as it shows a check."""
    fields = rules.as_fields()
    stored = {**fields, **rules.config}
    values = {name: text_of(stored.get(name)) for name in _TEXTS}
    values |= {name: "on" if stored.get(name) else "" for name in _BOXES}
    if rules.kind not in TARGETS:
        values["target"] = ""  # an agent's is its grace in another spelling
    headers = rules.config.get("headers") or {}
    values["headers"] = "\n".join(f"{name}: {content}" for name, content in headers.items())
    if "bodyJson" in rules.config:
        values["bodyJson"] = json.dumps(rules.config["bodyJson"], ensure_ascii=False)
    return EditForm(values, rules)


def read_form(posted: Mapping[str, str], kind: Kind, is_enabled: bool = True) -> CheckForm:
    """Return what was sent, read as a check of that kind."""
    # Only kinds that look at an answer ask what of it heals, and only where there are several vantages may one choose.
    values = posted_texts({"healOn": HealOn.DOWN.value, "vantage": LOCAL, **posted}, _TEXTS, _BOXES)
    errors: dict[str, str] = {}
    fields = _fields(values, kind, errors) | {"enabled": is_enabled}
    rules, refused = read_all(parse_check, fields, lambda asked, name: _take_out(asked, name, kind))
    errors |= refused
    return EditForm(values, None if errors else rules, errors)


def is_unfolded(form: CheckForm, kind: Kind) -> bool:
    """Return whether a field that is folded away by default says something, or is refused."""
    usual = new_form(kind, "").values
    return any(form.errors.get(name) or form.values[name] != usual[name] for name in FOLDED)


def own_field(refused: InputError) -> str:
    """Return the form's name of a field that the store refused. Raises it again where the form has no such field."""
    if refused.field not in LABELS:
        raise refused
    return refused.field


def _fields(values: Mapping[str, str], kind: Kind, errors: dict[str, str]) -> Fields:
    severity = values["severity"]
    fields: Fields = {name: whole_or_text(values[name]) for name in _WHOLE}
    fields |= {
        "checkType": kind.value,
        "name": values["name"].strip(),
        "severity": severity,
        # The form says that a warning never heals, so its box says nothing there.
        "heal": values["heal"] == "on" and severity != Severity.WARNING,
        "healOn": values["healOn"],
        "vantage": values["vantage"],
        "keepExcerpt": values["keepExcerpt"] == "on",
        "config": _options(values, kind, errors),
    }
    fields |= {name: number for name in _NUMBERS if (number := number_or_text(values[name])) is not None}
    if kind in TARGETS:
        fields["target"] = values["target"].strip()
    return fields


def _options(values: Mapping[str, str], kind: Kind, errors: dict[str, str]) -> Fields:
    """Return the options of the kind; what cannot even be read is in ``errors`` and left out."""
    found: Fields = {}
    for name in _OPTIONS[kind]:
        try:
            found[name] = _option(name, values[name])
        except InputError as refused:
            errors[name] = refused.message
    return {name: value for name, value in found.items() if value is not None}


def _option(name: str, written: str) -> Any:  # noqa: ANN401 - text, number, flag, object
    if name == "verifyTls":
        return written == "on"
    if name in _WHOLE_OPTIONS:
        return whole_or_text(written)
    if name == "headers":
        return _headers(written)
    if name == "bodyJson":
        return _json(written)
    # What a body must contain may begin with a space; everywhere else that is a slip.
    return (written if name in ("bodyContains", "bodyRegex", "banner") else written.strip()) or None


def _headers(written: str) -> dict[str, str] | None:
    found: dict[str, str] = {}
    for line in lines_of(written):
        name, colon, content = line.partition(":")
        if not colon or name.strip().lower() in {seen.lower() for seen in found}:
            raise InputError("headers", _BAD_HEADERS)
        found[name.strip()] = content.strip()
    return found or None


def _json(written: str) -> Any:  # noqa: ANN401 - any JSON
    if not written.strip():
        return None
    try:
        value = json.loads(written)
    except (ValueError, RecursionError):
        raise InputError("bodyJson", "is no valid JSON") from None
    if value is None:
        raise InputError("bodyJson", "must be something else than null")
    return value


def _take_out(fields: Fields, name: str, kind: Kind) -> None:
    if name == "target":
        fields["target"] = "80" if kind == Kind.TCP else "/"
    elif name in _OPTIONS[kind]:
        fields["config"].pop(name, None)
    else:
        fields.pop(name, None)
