"""Seals the secrets in settings of providers and channels before they are stored, and opens them for who uses them.

AES-GCM under a key made from SECRET_KEY; each value is tied to its row and its name, so that one copied to another row
does not open there. A secret of an earlier release that still lies open is read as it is, and sealed by ``migrate``.
"""

import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from podhealth.core.errors import SetupError
from podhealth.core.provider_fields import SECRETS, is_sealed
from podhealth.models import Pod

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_INFO = b"podhealth provider secrets 1"
_VERSION = "1."
_NONCE_BYTES = 12

Config = Mapping[str, Any]

_secret_key: str | None = None


def hold_key(secret_key: str) -> None:
    """Say once, when the process starts, what secrets are sealed and opened with."""
    global _secret_key
    _secret_key = secret_key


def held_key() -> str:
    """Return the key that this process was given, for who signs. Raises SetupError where it was given none."""
    if _secret_key is None:
        raise SetupError("SECRET_KEY: what is sealed or signed needs it, and this process was not given it")
    return _secret_key


def _key() -> "AESGCM":
    return _box(held_key())


@lru_cache(maxsize=2)
def _box(secret_key: str) -> "AESGCM":
    # Loaded where a secret is met: probers never meet one, and are to stay small.
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return AESGCM(HKDF(algorithm=SHA256(), length=32, salt=None, info=_INFO).derive(secret_key.encode()))


def seal(config: Config | None, pod_id: int, before: Config | None = None) -> dict[str, Any] | None:
    """Return a pod's settings as they may be stored. A secret that is the one in ``before`` keeps its form there."""
    return None if config is None else _seal(config, f"pod {pod_id}", SECRETS, before or {})


def seal_channel(config: Config, channel_id: int, names: Collection[str], before: Config) -> dict[str, Any]:
    """Return a channel's settings as they may be stored: those of ``names`` are its secrets."""
    return _seal(config, f"channel {channel_id}", names, before)


def seal_source(config: Config, source_id: int, before: Config) -> dict[str, Any]:
    """Do as ``seal`` with a source's settings, by which many pods are reached."""
    return _seal(config, f"source {source_id}", SECRETS, before)


def _seal(config: Config, row: str, names: Collection[str], old: Config) -> dict[str, Any]:
    return {
        name: _sealed(value, row, name, old.get(name)) if name in names and isinstance(value, str) else value
        for name, value in config.items()
    }


def _sealed(value: str, row: str, name: str, old: object) -> object:
    if is_sealed(old) and _opens_as(old, row, name) == value:
        return old
    nonce = secrets.token_bytes(_NONCE_BYTES)
    hidden = _key().encrypt(nonce, value.encode(), _tie(row, name))
    return {"sealed": _VERSION + urlsafe_b64encode(nonce + hidden).decode()}


def _opens_as(value: Any, row: str, name: str) -> str | None:  # noqa: ANN401 - JSON
    try:
        return _opened(value, row, name)
    except SetupError:
        return None


def unseal(config: Config | None, pod_id: int) -> dict[str, Any]:
    """Return a pod's settings with their secrets open, for one call to the provider; they are not to be kept.

    Raises SetupError where one does not open: SECRET_KEY is not the one it was sealed with, or the row is not its own.
    """
    return _unseal(config or {}, f"pod {pod_id}", SECRETS)


def unseal_channel(config: Config, channel_id: int, names: Collection[str]) -> dict[str, Any]:
    """Do as ``unseal`` with a channel's settings, for one message."""
    return _unseal(config, f"channel {channel_id}", names)


def unseal_source(config: Config, source_id: int) -> dict[str, Any]:
    """Do as ``unseal`` with a source's settings."""
    return _unseal(config, f"source {source_id}", SECRETS)


def _unseal(config: Config, row: str, names: Collection[str]) -> dict[str, Any]:
    return {
        name: _opened(value, row, name) if name in names and is_sealed(value) else value
        for name, value in config.items()
    }


def _opened(value: Mapping[str, Any], row: str, name: str) -> str:
    from cryptography.exceptions import InvalidTag

    text = str(value["sealed"])
    try:
        if not text.startswith(_VERSION):
            raise ValueError("another version")
        held = urlsafe_b64decode(text.removeprefix(_VERSION))
        return _key().decrypt(held[:_NONCE_BYTES], held[_NONCE_BYTES:], _tie(row, name)).decode()
    except (InvalidTag, ValueError):
        whose = {"pod": "provider"}.get(row.partition(" ")[0], row.partition(" ")[0])
        message = f"the {name} of the {whose} does not open: was SECRET_KEY changed? Enter it again"
        raise SetupError(message) from None


def _tie(row: str, name: str) -> bytes:
    return f"{row} {name}".encode()


def seal_text(text: str, row: str, name: str) -> str:
    """Return a text as it may be stored in a column of its own, tied to its ``row`` ("user 7") and ``name``."""
    sealed = _sealed(text, row, name, None)
    assert isinstance(sealed, dict)  # nothing was sealed before that could be kept
    return str(sealed["sealed"])


def open_text(sealed: str, row: str, name: str) -> str:
    """Return what ``seal_text`` has sealed. Raises SetupError where it does not open."""
    return _opened({"sealed": sealed}, row, name)


def seal_all(conn: sa.Connection) -> int:
    """Seal the secrets that an earlier release left open; return how many pods had one. Safe to run again."""
    rows = conn.execute(sa.select(Pod.id, Pod.provider_config).where(Pod.provider_config.is_not(None))).all()
    done = 0
    for pod_id, config in rows:
        sealed = seal(config, pod_id)
        if sealed != config:
            conn.execute(sa.update(Pod).where(Pod.id == pod_id).values(provider_config=sealed))
            done += 1
    return done
