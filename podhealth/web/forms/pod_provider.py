"""Reads the fields of a Proxmox or Docker pod's form into its provider's settings, which core/provider_fields judges.

The fields of each provider have names of their own, because a browser may send those of all. A secret is never filled
in again: an empty one keeps what is stored, as long as it goes to the same place.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from podhealth.core.pod_rules import PodRules
from podhealth.core.provider_fields import SECRETS, check_provider, is_sealed
from podhealth.core.words import ProviderKind
from podhealth.web.forms.collect import Fields, read_all

GUEST_LABELS = {
    "proxmoxRef": "Guest",
    "proxmoxUrl": "URL",
    "proxmoxTokenId": "Token id",
    "proxmoxToken": "Token's secret",
    "proxmoxFingerprint": "Fingerprint",
    "proxmoxCa": "Certificate of the authority",
    "proxmoxGuestName": "Guest's name",
    "dockerRef": "Container",
    "dockerUrl": "URL",
    "dockerFingerprint": "Fingerprint",
    "dockerCa": "Certificate of the authority",
    "dockerCertificate": "Our certificate",
    "dockerKey": "Our key",
}
_SETTINGS = {
    ProviderKind.PROXMOX: ("url", "tokenId", "token", "fingerprint", "ca", "guestName"),
    ProviderKind.DOCKER: ("url", "fingerprint", "ca", "certificate", "key"),
}
GUESTS = tuple(_SETTINGS)
_REF, _CONFIG = "providerRef", "providerConfig"
# What stands in place of a refused setting while the others are looked at; those that may be missing are left out.
_PEM = "-----BEGIN X-----\nx\n-----END X-----"
_PLAIN = {"url": "https://x.example:1", "tokenId": "x@x!x", "token": "x", "certificate": _PEM, "key": _PEM}
_PLAIN_REF = {ProviderKind.PROXMOX: "x/100", ProviderKind.DOCKER: "x"}


def field_of(kind: ProviderKind, refused: str) -> str:
    """Return the form's name of what core calls ``providerRef`` or ``providerConfig.url``."""
    # Of all settings together only the length is refused, and nothing else is as long as certificates.
    name = "ref" if refused == _REF else "ca" if refused == _CONFIG else refused.removeprefix(f"{_CONFIG}.")
    return kind.value + name[0].upper() + name[1:]


def shown_settings(rules: PodRules) -> dict[str, str]:
    """Return what stands in the fields of the stored pod's provider; its secrets do not."""
    config = _stored(rules, rules.provider)
    shown = {name: config.get(name) for name in _SETTINGS.get(rules.provider, ()) if name not in SECRETS}
    texts = {field_of(rules.provider, name): str(value or "") for name, value in shown.items()}
    return texts | ({field_of(rules.provider, _REF): rules.provider_ref or ""} if rules.provider in GUESTS else {})


def kept_secrets(rules: PodRules | None) -> frozenset[str]:
    """Return the form's names of the secrets that are stored."""
    if rules is None or rules.provider not in GUESTS:
        return frozenset()
    config = _stored(rules, rules.provider)
    return frozenset(field_of(rules.provider, name) for name in SECRETS if config.get(name))


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
            asked[_CONFIG][setting] = _PLAIN.get(setting)

    _, errors = read_all(check, fields, take_out)
    return fields, {field_of(kind, name): said for name, said in errors.items()}


def _typed(kind: ProviderKind, values: Mapping[str, str], stored: Mapping[str, Any]) -> dict[str, Any]:
    config = {name: _setting(name, values[field_of(kind, name)].strip(), stored) for name in _SETTINGS[kind]}
    if "key" in config and config["certificate"] is None and is_sealed(config["key"]):
        config["key"] = None  # taken away with the certificate: it cannot be emptied by itself
    return {name: value for name, value in config.items() if value is not None or stored.get(name, "") is None}


def _setting(name: str, typed: str, stored: Mapping[str, Any]) -> object:
    kept = stored.get(name)
    if name in SECRETS:
        return typed or (kept if is_sealed(kept) else None)
    # Line ends of a stored certificate are lost in a browser; they are no change, and ask for no secret again.
    return kept if isinstance(kept, str) and kept.replace("\r\n", "\n").strip() == typed else typed or None


def _stored(rules: PodRules | None, kind: ProviderKind) -> Mapping[str, Any]:
    return (rules.provider_config or {}) if rules is not None and rules.provider == kind else {}
