"""Reads the form that makes and changes a pod into the fields of core/pod_rules, which says what they may hold.

A provider's secret is never filled in again: an empty one keeps what is stored. A new pod may bring its first check.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from podhealth.core.check_rules import CheckRules, parse_check
from podhealth.core.errors import InputError
from podhealth.core.pod_rules import PodRules, parse_pod
from podhealth.core.provider_rules import parse_webhook
from podhealth.core.words import DesiredState, ProviderKind
from podhealth.web.forms import pod_provider
from podhealth.web.forms.collect import EditForm, Fields, lines_of, posted_texts, read_all, text_of, whole_or_text
from podhealth.web.forms.pod_provider import GUEST_LABELS, GUESTS

LABELS = {
    "name": "Name",
    "address": "Address",
    "tags": "Tags",
    "nodeId": "Node",
    "firstKind": "First check",
    "firstScheme": "Scheme",
    "firstPath": "Path",
    "firstPort": "Port",
    "firstTcpPort": "Port",
    "provider": "Provider",
    "url": "URL",
    "secret": "Secret",
    "stateUrl": "State URL",
    "providerRef": "Reference",
    **GUEST_LABELS,
    "policyId": "Policy",
    "desiredState": "Wanted",
    "startDeadlineSeconds": "Start deadline",
}
OFFERED = (ProviderKind.NONE, ProviderKind.PROXMOX, ProviderKind.DOCKER, ProviderKind.WEBHOOK)
_TEXTS = tuple(LABELS)
_SECRETS = ("secret", "proxmoxToken", "dockerKey")
_BOXES = ("firstPing",)
# What stands in place of a refused field while the others are looked at.
_PLAIN = {"name": "x", "address": "x.example", "tags": [], "provider": "none", "desiredState": "running"}
_NO_PROVIDER = {"provider": "none", "providerRef": None, "providerConfig": None}
_OF_SOURCE = ("provider", "providerRef")
_FIRST = {
    "http": {"target": "firstPath", "port": "firstPort", "scheme": "firstScheme"},
    "tcp": {"target": "firstTcpPort"},
}

PodEditForm = EditForm["PodAsked"]


class Networks(NamedTuple):
    """Where the platform allows pods, and where web hooks may be called."""

    pods: Sequence[str]
    hooks: Sequence[str]


class PodAsked(NamedTuple):
    """What a form asks for: a pod's fields, and for a new one whether it is pinged and its first check."""

    fields: Mapping[str, Any]
    is_pinged: bool
    first_check: CheckRules | None


def new_form() -> PodEditForm:
    """Return the form of a pod that is not stored yet."""
    values = dict.fromkeys(_TEXTS, "") | {
        "provider": ProviderKind.NONE.value,
        "desiredState": DesiredState.RUNNING.value,
    }
    return EditForm(values | {"firstKind": "", "firstScheme": "http", "firstPath": "/", "firstPing": "on"})


def form_of(rules: PodRules) -> PodEditForm:
    """Return the form as it shows a stored pod; no secret is in it."""
    config = rules.provider_config or {}
    hook = {name: config.get(name) for name in ("url", "stateUrl")} if rules.provider == ProviderKind.WEBHOOK else {}
    values = dict.fromkeys(_TEXTS, "") | {name: text_of(value) for name, value in hook.items()}
    return EditForm(
        values
        | {
            "name": rules.name,
            "address": rules.address,
            "tags": "\n".join(rules.tags),
            "nodeId": text_of(rules.node_id),
            "provider": rules.provider.value,
            "providerRef": "" if rules.provider in GUESTS else text_of(rules.provider_ref),
            "policyId": text_of(rules.policy_id),
            "desiredState": rules.desired_state.value,
            "startDeadlineSeconds": text_of(rules.start_deadline_s),
        }
        | pod_provider.shown_settings(rules)
    )


def kept_secrets(rules: PodRules | None) -> frozenset[str]:
    """Return the fields whose secret the pod has already."""
    hook = {"secret"} if _stored_hook(rules).get("secret") else set[str]()
    return pod_provider.kept_secrets(rules) | hook


def read_form(posted: Mapping[str, str], networks: Networks, existing: PodRules | None = None) -> PodEditForm:
    """Return what was sent, read as a change of ``existing`` (null: as a new pod)."""
    values = posted_texts(posted, _TEXTS, _BOXES)
    if existing is not None and existing.source_id is not None:
        return _read_of_source(values, networks, existing)
    fields, errors = _fields(values), dict[str, str]()
    offered = OFFERED if existing is None else (*OFFERED, existing.provider)
    if values["provider"] not in offered:
        errors["provider"] = "must be one of " + ", ".join(dict.fromkeys(offered))
        fields["provider"] = ProviderKind.NONE.value
    config, refused = _config(values, networks, existing)
    errors |= refused
    fields |= config
    _, refused = read_all(lambda asked: parse_pod(asked, [networks.pods], existing), fields, _take_out)
    first, refused_first = (None, {}) if existing is not None else _first_check(values)
    errors |= {_own(name, values): said for name, said in refused.items()} | refused_first
    shown = values | dict.fromkeys(_SECRETS, "")
    if errors:
        return EditForm(shown, None, errors)
    return EditForm(shown, PodAsked(fields, values["firstPing"] == "on", first))


def _read_of_source(values: dict[str, str], networks: Networks, existing: PodRules) -> PodEditForm:
    """Read the form of a pod that a source reaches: what its provider needs to know is no part of it."""
    fields = {name: value for name, value in _fields(values).items() if name not in _OF_SOURCE}
    rules, errors = read_all(lambda asked: parse_pod(asked, [networks.pods], existing), fields, _take_out)
    shown = values | dict.fromkeys(_SECRETS, "") | {"provider": existing.provider.value}
    return EditForm(shown, None if rules is None else PodAsked(fields, False, None), errors)


def _fields(values: Mapping[str, str]) -> Fields:
    return {
        "name": values["name"].strip(),
        "address": values["address"].strip(),
        "tags": lines_of(values["tags"]),
        "nodeId": whole_or_text(values["nodeId"]),
        "provider": values["provider"],
        "providerRef": None if values["provider"] == ProviderKind.NONE else values["providerRef"].strip() or None,
        "policyId": whole_or_text(values["policyId"]),
        "desiredState": values["desiredState"],
        "startDeadlineSeconds": whole_or_text(values["startDeadlineSeconds"]),
    }


def _take_out(fields: Fields, name: str) -> None:
    fields |= _NO_PROVIDER if name == "providerConfig" else {name: _PLAIN.get(name)}


def _config(values: Mapping[str, str], networks: Networks, existing: PodRules | None) -> tuple[Fields, dict[str, str]]:
    """Return what becomes of the provider's settings: those that the form has are read, those of others stay or go."""
    for kind in GUESTS:
        if values["provider"] == kind:
            asked_of_guest, refused = pod_provider.read_settings(kind, values, networks.pods, existing)
            # What was refused is not looked at again with the rest of the pod.
            return (_NO_PROVIDER if refused else asked_of_guest), refused
    if values["provider"] != ProviderKind.WEBHOOK:
        stays = existing is not None and existing.provider == values["provider"]
        return ({} if stays else {"providerConfig": None}), {}
    stored = _stored_hook(existing)
    typed = {
        "url": values["url"].strip(),
        "secret": values["secret"].strip() or stored.get("secret", ""),
        "stateUrl": values["stateUrl"].strip() or None,
    }
    # A stored secret may be older than today's rule; it is asked again only where it is typed again.
    stand_in = "x" * 20
    asked = typed if values["secret"].strip() or not typed["secret"] else typed | {"secret": stand_in}
    config, errors = read_all(lambda fields: parse_webhook(fields, networks.hooks), asked, _take_out_of_hook)
    if config is None:
        return {}, errors
    others = {name: value for name, value in stored.items() if name not in typed}
    return {"providerConfig": {**others, **config, "secret": typed["secret"]}}, {}


def _take_out_of_hook(fields: Fields, name: str) -> None:
    fields[name] = {"url": "https://x.example", "secret": "x" * 20}.get(name)


def _stored_hook(rules: PodRules | None) -> Mapping[str, Any]:
    if rules is None or rules.provider != ProviderKind.WEBHOOK:
        return {}
    return rules.provider_config or {}


def _first_check(values: Mapping[str, str]) -> tuple[CheckRules | None, dict[str, str]]:
    kind = values["firstKind"]
    if not kind:
        return None, {}
    if kind not in _FIRST:
        return None, {"firstKind": "must be none, http or tcp"}
    fields: Fields = {"checkType": kind, "target": values["firstTcpPort"].strip()}
    if kind == "http":
        config = {"scheme": values["firstScheme"], "port": whole_or_text(values["firstPort"])}
        fields |= {"target": values["firstPath"].strip(), "config": config}

    def take_out(asked: Fields, name: str) -> None:
        if name == "target":
            asked["target"] = "80" if kind == "tcp" else "/"
        else:
            asked["config"].pop(name, None)

    rules, errors = read_all(parse_check, fields, take_out)
    return rules, {_FIRST[kind][name]: said for name, said in errors.items()}


def own_field(refused: InputError, form: PodEditForm) -> str:
    """Return the form's name of a field that the store refused. Raises it again where the form has no such field."""
    name = _own(refused.field, form.values)
    if name not in LABELS:
        raise refused
    return name


def _own(name: str, values: Mapping[str, str]) -> str:
    is_of_guest = values["provider"] in GUESTS and name.startswith(("providerRef", "providerConfig"))
    return pod_provider.field_of(ProviderKind(values["provider"]), name) if is_of_guest else name
