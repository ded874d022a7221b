"""Reads the form that makes and changes a channel into the fields of core/channel_fields, which says what they may be.

A secret is never filled in again: an empty one keeps what is stored. A route whose row says "None" goes.
"""

from collections.abc import Mapping
from typing import Any

from podhealth.core.channel_fields import MOST_ROUTES, ChannelRules, Platform, parse_channel
from podhealth.core.errors import InputError
from podhealth.core.words import ChannelKind
from podhealth.web.forms.collect import EditForm, Fields, lines_of, posted_texts, read_all

KINDS = (ChannelKind.EMAIL, ChannelKind.SLACK, ChannelKind.WEBHOOK, ChannelKind.APPRISE)
# Which field of the form is the one setting of each kind.
SETTING = {
    ChannelKind.EMAIL: "to",
    ChannelKind.SLACK: "slackUrl",
    ChannelKind.WEBHOOK: "hookUrl",
    ChannelKind.APPRISE: "appriseUrl",
}
SECRET_FIELDS = ("slackUrl", "appriseUrl")
_LABELS = {
    "name": "Name",
    "kind": "Kind",
    "to": "Recipients",
    "slackUrl": "Web hook URL of Slack",
    "hookUrl": "URL",
    "appriseUrl": "URL of the service",
    "enabled": "Tell over this channel",
}
_SPARE_ROWS = 2
_PLAIN: Mapping[str, Any] = {"name": "x", "enabled": True, "routes": []}

ChannelForm = EditForm[Mapping[str, Any]]


def route_rows(form: ChannelForm) -> range:
    """Return the numbers of the rows in which the form shows routes, spare ones at the end."""
    used = [number for number in range(MOST_ROUTES) if form.values.get(f"routes-{number}-severity")]
    return range(min(MOST_ROUTES, (used[-1] + 1 if used else 0) + _SPARE_ROWS))


def labels(form: ChannelForm) -> dict[str, str]:
    """Return the words that stand beside the fields of a form, in their order on the page."""
    found = dict(_LABELS)
    for number in route_rows(form):
        found |= {f"routes-{number}-{part}": f"Route {number + 1}, {part}" for part in ("severity", "tags")}
    return found


def new_form() -> ChannelForm:
    """Return the form of a channel that is not stored yet."""
    return EditForm(_texts({}) | {"kind": ChannelKind.EMAIL.value, "enabled": "on"})


def form_of(rules: ChannelRules) -> ChannelForm:
    """Return the form as it shows a stored channel; no secret is in it."""
    values = _texts({}) | {"name": rules.name, "kind": rules.kind.value, "enabled": "on" if rules.enabled else ""}
    if rules.kind == ChannelKind.EMAIL:
        values["to"] = "\n".join(rules.config.get("to", []))
    if rules.kind == ChannelKind.WEBHOOK:
        values["hookUrl"] = str(rules.config.get("url", ""))
    for number, route in enumerate(rules.routes):
        values |= {f"routes-{number}-severity": route.severity.value}
        values |= {f"routes-{number}-tags": ", ".join(sorted(route.tags))}
    return EditForm(values)


def read_form(posted: Mapping[str, str], platform: Platform, existing: ChannelRules | None = None) -> ChannelForm:
    """Return what was sent, read as a change of ``existing`` (null: as a new channel)."""
    values = _texts(posted) | {"enabled": "on" if posted.get("enabled") else ""}
    if existing is not None:
        values["kind"] = existing.kind.value
    fields, rows = _fields(values, existing)
    rules, refused = read_all(lambda asked: parse_channel(asked, platform, existing), fields, _take_out)
    errors = {own_field(name, values["kind"], rows): said for name, said in refused.items()}
    shown = values | dict.fromkeys(SECRET_FIELDS, "")
    return EditForm(shown, None if rules is None else fields, errors)


def own_field(name: str, kind: str, rows: list[int] | None = None) -> str:
    """Return the form's own name of a refused field."""
    if name.startswith("config"):
        return SETTING.get(_kind_or_none(kind) or ChannelKind.EMAIL, "kind")
    if name.startswith("routes["):
        place, _, part = name.removeprefix("routes[").partition("].")
        return f"routes-{rows[int(place)] if rows else place}-{part or 'tags'}"
    return name if name in _LABELS else "kind"


def refused_by_store(form: ChannelForm, refused: InputError) -> ChannelForm:
    """Return the form with what the store refused beside its field."""
    return form.refused(own_field(refused.field, form.values["kind"]), refused.message)


def _texts(posted: Mapping[str, str]) -> dict[str, str]:
    rows = [f"routes-{number}-{part}" for number in range(MOST_ROUTES) for part in ("severity", "tags")]
    return posted_texts(posted, ("name", "kind", *SETTING.values(), *rows))


def _fields(values: Mapping[str, str], existing: ChannelRules | None) -> tuple[Fields, list[int]]:
    rows = [number for number in range(MOST_ROUTES) if values[f"routes-{number}-severity"]]
    fields: Fields = {
        "name": values["name"].strip(),
        "kind": values["kind"],
        "enabled": values["enabled"] == "on",
        "routes": [
            {
                "severity": values[f"routes-{number}-severity"],
                "tags": [tag.strip() for tag in values[f"routes-{number}-tags"].split(",") if tag.strip()],
            }
            for number in rows
        ],
    }
    kind = _kind_or_none(values["kind"])
    if kind is not None:
        typed = values[SETTING[kind]].strip()
        is_kept = existing is not None and not typed and SETTING[kind] in SECRET_FIELDS
        if not is_kept:
            setting: Any = lines_of(typed) if kind == ChannelKind.EMAIL else typed or None
            fields["config"] = {"to" if kind == ChannelKind.EMAIL else "url": setting or None}
    return fields, rows


def _kind_or_none(text: str) -> ChannelKind | None:
    return next((kind for kind in ChannelKind if kind.value == text), None)


def _take_out(fields: Fields, name: str) -> None:
    if name.startswith("config") or name == "kind":
        # Something that no rule minds, so that the fields after it are looked at.
        fields |= {"kind": "webhook", "config": {"url": "https://podhealth.example/"}}
    elif name.startswith("routes["):
        place, _, part = name.removeprefix("routes[").partition("].")
        row: Fields = fields["routes"][int(place)]
        row[part or "tags"] = "warning" if part == "severity" else []
    else:
        fields[name] = _PLAIN[name]
