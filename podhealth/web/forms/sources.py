"""Reads the form that makes and changes a source into the fields of core/source_rules, which says what they may be.

How it is reached is asked as for a pod (provider_settings.py).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from podhealth.core.errors import InputError
from podhealth.core.source_rules import KINDS, SourceRules, parse_source
from podhealth.core.words import ProviderKind
from podhealth.web.forms import provider_settings
from podhealth.web.forms.collect import EditForm, Fields, lines_of, posted_texts, read_all, whole_or_text
from podhealth.web.forms.provider_settings import PLAIN, SETTINGS, form_name

LABELS = {
    "name": "Name",
    "kind": "Kind",
    **provider_settings.LABELS,
    "tags": "Tags",
    "pools": "Pools",
    "labels": "Labels",
    "everything": "Everything",
    "minutes": "Read every",
}
_TAKEN = {ProviderKind.PROXMOX: ("tags", "pools"), ProviderKind.DOCKER: ("labels",)}
_TEXTS = tuple(name for name in LABELS if name != "everything")
_SECRET_FIELDS = ("proxmoxToken", "dockerKey")
# What stands in place of a refused field while the others are looked at.
_PLAIN = {"name": "x", "everySeconds": 300, "enabled": False}

SourceForm = EditForm[Mapping[str, Any]]


def new_form() -> SourceForm:
    """Return the form of a source that is not stored yet."""
    return EditForm(dict.fromkeys(LABELS, "") | {"kind": ProviderKind.PROXMOX.value, "minutes": "5"})


def form_of(rules: SourceRules) -> SourceForm:
    """Return the form as it shows a stored source; no secret is in it."""
    shown = provider_settings.shown(rules.kind, SETTINGS[rules.kind], rules.config)
    taken = {name: "\n".join(getattr(rules.takes, name)) for name in _TAKEN[rules.kind]}
    values = dict.fromkeys(LABELS, "") | shown | taken
    values |= {"name": rules.name, "kind": rules.kind.value, "everything": "on" if rules.takes.everything else ""}
    return EditForm(values | {"minutes": f"{rules.every_s / 60:g}"})


def kept_secrets(rules: SourceRules | None) -> frozenset[str]:
    """Return the form's names of the secrets that are stored."""
    return frozenset() if rules is None else provider_settings.kept_secrets(rules.kind, rules.config)


def read_form(posted: Mapping[str, str], networks: Sequence[str], existing: SourceRules | None = None) -> SourceForm:
    """Return what was sent, read as a change of ``existing`` (null: as a new source)."""
    values = posted_texts(posted, _TEXTS, ("everything",))
    shown = values | dict.fromkeys(_SECRET_FIELDS, "")
    if existing is not None:
        values["kind"] = shown["kind"] = existing.kind.value
    kind = next((one for one in KINDS if one.value == values["kind"]), None)
    if kind is None:
        return EditForm(shown, None, {"kind": "must be Proxmox or Docker"})
    fields = _fields(kind, values, existing)
    rules, refused = read_all(lambda asked: parse_source(asked, networks, existing), fields, _take_out)
    errors = {own_field(name, values): said for name, said in refused.items()}
    return EditForm(shown, None if rules is None else fields, errors)


def own_field(name: str, values: Mapping[str, str]) -> str:
    """Return the form's own name of a refused field."""
    if name.startswith("config."):
        return form_name(ProviderKind(values["kind"]), name.removeprefix("config."))
    if name.startswith("takes"):
        first = _TAKEN[ProviderKind(values["kind"])][0]
        return name.removeprefix("takes.") if "." in name else first
    return {"everySeconds": "minutes"}.get(name, name if name in LABELS else "name")


def refused_by_store(form: SourceForm, refused: InputError) -> SourceForm:
    """Return the form with what the store refused beside its field."""
    return form.refused(own_field(refused.field, form.values), refused.message)


def _fields(kind: ProviderKind, values: Mapping[str, str], existing: SourceRules | None) -> Fields:
    stored = existing.config if existing is not None else {}
    config = provider_settings.typed(kind, SETTINGS[kind], values, stored)
    taken: dict[str, object] = {name: lines_of(values[name]) for name in _TAKEN[kind]}
    minutes = whole_or_text(values["minutes"])
    return {
        "name": values["name"].strip(),
        "kind": kind.value,
        "config": {name: value for name, value in config.items() if value is not None},
        "takes": taken | {"everything": values["everything"] == "on"},
        "everySeconds": minutes * 60 if isinstance(minutes, int) else minutes,
    }


def _take_out(fields: Fields, name: str) -> None:
    if name.startswith("config."):
        setting = name.removeprefix("config.")
        fields["config"][setting] = PLAIN.get(setting)
    elif name.startswith("takes."):
        fields["takes"][name.removeprefix("takes.")] = ["x"]
    elif name == "takes":
        fields |= {"takes": {"everything": True}}
    else:
        fields[name] = _PLAIN.get(name)
