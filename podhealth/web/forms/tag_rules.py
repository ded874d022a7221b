"""Reads the form of a tag rule: a tag, and the few things about a check that matter at first.

What a rule has beside them, set by the API, stays as it is.
"""

from collections.abc import Mapping
from typing import Any

from podhealth.core.errors import InputError
from podhealth.core.tag_rules import TagRuleRules, parse_tag_rule
from podhealth.core.words import Kind
from podhealth.web.forms.collect import EditForm, Fields, posted_texts, read_all, text_of, whole_or_text

LABELS = {
    "tag": "Tag",
    "checkType": "Check",
    "path": "Path",
    "scheme": "Scheme",
    "port": "Port",
    "tcpPort": "Port",
    "name": "Name of the check",
    "intervalSeconds": "Every",
    "severity": "Severity",
}
KINDS = (Kind.HTTP, Kind.TCP, Kind.AGENT)
_TEXTS = tuple(LABELS)
_PLAIN = {"tag": "x", "checkType": "tcp", "target": "80", "name": "x", "intervalSeconds": 60, "severity": "critical"}

TagRuleForm = EditForm[Mapping[str, Any]]


def new_form() -> TagRuleForm:
    """Return the form of a rule that is not stored yet."""
    values = {"checkType": "http", "path": "/", "scheme": "http", "intervalSeconds": "60", "severity": "critical"}
    return EditForm(dict.fromkeys(LABELS, "") | values)


def form_of(rules: TagRuleRules) -> TagRuleForm:
    """Return the form as it shows a stored rule."""
    check = rules.check
    values = dict.fromkeys(LABELS, "") | {"path": "/", "scheme": "http"}
    values |= {"tag": rules.tag, "checkType": check.kind.value, "severity": check.severity.value}
    values |= {"name": "" if check.name == check.kind.value else check.name}
    values["intervalSeconds"] = text_of(check.interval_seconds)
    if check.kind == Kind.HTTP:
        values |= {"path": check.target or "/", "scheme": str(check.config.get("scheme", "http"))}
        values["port"] = text_of(check.config.get("port"))
    if check.kind == Kind.TCP:
        values["tcpPort"] = check.target or ""
    return EditForm(values)


def read_form(posted: Mapping[str, str], existing: TagRuleRules | None = None) -> TagRuleForm:
    """Return what was sent, read as a change of ``existing`` (null: as a new rule)."""
    values = posted_texts(posted, _TEXTS)
    kind = next((one for one in (*KINDS, Kind.PING) if one.value == values["checkType"]), None)
    if kind is None:
        return EditForm(values, None, {"checkType": "must be one of " + ", ".join(KINDS)})
    fields = {"tag": values["tag"].strip(), "check": _check(kind, values, existing)}
    rules, refused = read_all(lambda asked: parse_tag_rule(asked, existing), fields, _take_out)
    return EditForm(values, None if rules is None else fields, {own_field(n, values): s for n, s in refused.items()})


def own_field(name: str, values: Mapping[str, str]) -> str:
    """Return the form's own name of a refused field."""
    name = name.removeprefix("check.")
    if name == "target":
        return "tcpPort" if values["checkType"] == Kind.TCP else "path"
    return {"timeoutSeconds": "intervalSeconds"}.get(name, name if name in LABELS else "tag")


def refused_by_store(form: TagRuleForm, refused: InputError) -> TagRuleForm:
    """Return the form with what the store refused beside its field."""
    return form.refused(own_field(refused.field, form.values), refused.message)


def _check(kind: Kind, values: Mapping[str, str], existing: TagRuleRules | None) -> Fields:
    is_same = existing is not None and existing.check.kind == kind
    before = existing.check.as_fields() if existing is not None and is_same else {}
    interval = whole_or_text(values["intervalSeconds"])
    said: Fields = {"checkType": kind.value, "intervalSeconds": interval, "severity": values["severity"]}
    said["name"] = values["name"].strip() or kind.value
    if values["severity"] == "warning":
        said["heal"] = False  # a warning never heals
    elif existing is not None and existing.check.severity.value == "warning":
        said["heal"] = True
    if isinstance(interval, int) and interval != before.get("intervalSeconds"):
        said["timeoutSeconds"] = min(10.0, max(interval, 1) / 2)
    if kind == Kind.HTTP:
        config = before.get("config")
        config = {**config} if isinstance(config, dict) else {}
        config |= {"scheme": values["scheme"], "port": whole_or_text(values["port"])}
        said |= {"target": values["path"].strip(), "config": config}
    if kind == Kind.TCP:
        said["target"] = values["tcpPort"].strip()
    return before | said


def _take_out(fields: Fields, name: str) -> None:
    if name == "tag":
        fields["tag"] = _PLAIN["tag"]
        return
    name, check = name.removeprefix("check."), fields["check"]
    if name in ("port", "scheme"):
        check["config"].pop(name, None)
    elif name == "target":
        check["target"] = "80" if check["checkType"] == Kind.TCP else "/"
    elif name == "timeoutSeconds":
        check["timeoutSeconds"] = 1.0
    else:
        check[name] = _PLAIN.get(name)
