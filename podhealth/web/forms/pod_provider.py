"""Reads the fields of a Proxmox or Docker pod's form into its provider's settings (see provider_settings.py)."""

from collections.abc import Mapping, Sequence
from typing import Any

from podhealth.core.pod_rules import PodRules
from podhealth.core.provider_fields import check_provider
from podhealth.core.words import ProviderKind
from podhealth.web.forms import provider_settings
from podhealth.web.forms.collect import Fields, read_all
from podhealth.web.forms.provider_settings import PLAIN, SETTINGS, form_name

GUEST_LABELS = {
    "proxmoxRef": "Guest",
    "proxmoxGuestName": "Guest's name",
    "dockerRef": "Container",
    **provider_settings.LABELS,
}
_SETTINGS = {**SETTINGS, ProviderKind.PROXMOX: (*SETTINGS[ProviderKind.PROXMOX], "guestName")}
GUESTS = tuple(_SETTINGS)
_REF, _CONFIG = "providerRef", "providerConfig"
_PLAIN_REF = {ProviderKind.PROXMOX: "x/100", ProviderKind.DOCKER: "x"}


def field_of(kind: ProviderKind, refused: str) -> str:
    """Return the form's name of what core calls ``providerRef`` or ``providerConfig.url``."""
    # Of all settings together only the length is refused, and nothing else is as long as certificates.
    name = "ref" if refused == _REF else "ca" if refused == _CONFIG else refused.removeprefix(f"{_CONFIG}.")
    return form_name(kind, name)


def shown_settings(rules: PodRules) -> dict[str, str]:
    """Return what stands in the fields of the stored pod's provider; its secrets do not."""
    if rules.provider not in GUESTS:
        return {}
    config = _stored(rules, rules.provider)
    shown = provider_settings.shown(rules.provider, _SETTINGS[rules.provider], config)
    return shown | {field_of(rules.provider, _REF): rules.provider_ref or ""}


def kept_secrets(rules: PodRules | None) -> frozenset[str]:
    """Return the form's names of the secrets that are stored."""
    if rules is None or rules.provider not in GUESTS:
        return frozenset()
    return provider_settings.kept_secrets(rules.provider, _stored(rules, rules.provider))


def read_settings(
    kind: ProviderKind, values: Mapping[str, str], networks: Sequence[str], existing: PodRules | None
) -> tuple[Fields, dict[str, str]]:
    """Return such a pod's ``providerRef`` and ``providerConfig``, and what is refused, by the form's names."""
    stored = _stored(existing, kind)
    before = (existing.provider_config if existing is not None else None) or {}
    fields: Fields = {
        _REF: values[field_of(kind, _REF)].strip() or None,
        _CONFIG: _typed(kind, values, stored),
    }

    def check(asked: Fields) -> None:
        check_provider(kind, asked[_REF], asked[_CONFIG], networks, before)

    def take_out(asked: Fields, name: str) -> None:
        if name == _REF:
            asked[_REF] = _PLAIN_REF[kind]
        else:
            setting = name.removeprefix(f"{_CONFIG}.")
            asked[_CONFIG][setting] = PLAIN.get(setting)

    _, errors = read_all(check, fields, take_out)
    return fields, {field_of(kind, name): said for name, said in errors.items()}


def _typed(kind: ProviderKind, values: Mapping[str, str], stored: Mapping[str, Any]) -> dict[str, Any]:
    config = provider_settings.typed(kind, _SETTINGS[kind], values, stored)
    return {name: value for name, value in config.items() if value is not None or stored.get(name, "") is None}


def _stored(rules: PodRules | None, kind: ProviderKind) -> Mapping[str, Any]:
    return (rules.provider_config or {}) if rules is not None and rules.provider == kind else {}
