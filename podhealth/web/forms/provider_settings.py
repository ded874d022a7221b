"""The fields by which a form asks how a provider is reached: of one pod, or of a source for many.

The fields of each provider have names of their own, because a browser may send those of all. A secret is never filled
in again: an empty one keeps what is stored, as long as it goes to the same place. core/provider_fields judges them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from podhealth.core.provider_fields import SECRETS, is_sealed
from podhealth.core.words import ProviderKind

LABELS = {
    "proxmoxUrl": "URL",
    "proxmoxTokenId": "Token id",
    "proxmoxToken": "Token's secret",
    "proxmoxFingerprint": "Fingerprint",
    "proxmoxCa": "Certificate of the authority",
    "dockerUrl": "URL",
    "dockerFingerprint": "Fingerprint",
    "dockerCa": "Certificate of the authority",
    "dockerCertificate": "Our certificate",
    "dockerKey": "Our key",
}
SETTINGS: Mapping[ProviderKind, tuple[str, ...]] = {
    ProviderKind.PROXMOX: ("url", "tokenId", "token", "fingerprint", "ca"),
    ProviderKind.DOCKER: ("url", "fingerprint", "ca", "certificate", "key"),
}
_PEM = "-----BEGIN X-----\nx\n-----END X-----"
PLAIN = {"url": "https://x.example:1", "tokenId": "x@x!x", "token": "x", "certificate": _PEM, "key": _PEM}
"""What stands in place of a refused setting while the others are looked at; those that may be missing are left out."""


def form_name(kind: ProviderKind, setting: str) -> str:
    """Return the form's name of a setting of that provider."""
    return kind.value + setting[0].upper() + setting[1:]


def shown(kind: ProviderKind, names: Sequence[str], config: Mapping[str, Any]) -> dict[str, str]:
    """Return what stands in the fields of these stored settings; secrets do not."""
    return {form_name(kind, name): str(config.get(name) or "") for name in names if name not in SECRETS}


def kept_secrets(kind: ProviderKind, config: Mapping[str, Any]) -> frozenset[str]:
    """Return the form's names of the secrets that are stored."""
    return frozenset(form_name(kind, name) for name in SECRETS if config.get(name))


def typed(
    kind: ProviderKind, names: Sequence[str], values: Mapping[str, str], stored: Mapping[str, Any]
) -> dict[str, Any]:
    """Return these settings as they were typed, null where none was; ``stored``: those that are there already."""
    config = {name: _setting(name, values[form_name(kind, name)].strip(), stored) for name in names}
    if "key" in config and config["certificate"] is None and is_sealed(config["key"]):
        config["key"] = None  # taken away with the certificate: it cannot be emptied by itself
    return config


def _setting(name: str, typed: str, stored: Mapping[str, Any]) -> object:
    kept = stored.get(name)
    if name in SECRETS:
        return typed or (kept if is_sealed(kept) else None)
    # Line ends of a stored certificate are lost in a browser; they are no change, and ask for no secret again.
    return kept if isinstance(kept, str) and kept.replace("\r\n", "\n").strip() == typed else typed or None
