"""What the settings of a pod's provider may be, and which settings of any provider are secret (behaviour §6).

Where a far end may be reached is judged here by its text only, and again at each connection.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from ipaddress import ip_address
from typing import Any

from podhealth.core.address import is_forbidden, why_host_refused
from podhealth.core.errors import InputError
from podhealth.core.fields import line, only_known, text
from podhealth.core.provider_rules import hook_secret, hook_url
from podhealth.core.words import ProviderKind

# Whatever the provider: settings of these names are stored sealed and never shown.
SECRETS = frozenset({"secret", "token", "key"})

_MAX_URL, _MAX_PEM, _MAX_TOKEN = 400, 8_000, 200
_URL = re.compile(
    r"(?P<scheme>[a-z]{1,10})://(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:(?P<port>[0-9]{1,5}))?/?", re.ASCII
)
_TOKEN_ID = re.compile(r"[^\s/:!@\"'\\]{1,60}@[A-Za-z0-9._-]{1,30}![A-Za-z0-9._-]{1,60}", re.ASCII)
_PLAIN = re.compile(r"[\x21-\x7e]+")
_FINGERPRINT = re.compile(r"[0-9A-Fa-f]{64}|[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){31}")
_PEM = re.compile(
    r"(-----BEGIN (?P<what>[A-Z ]{1,30})-----\r?\n[A-Za-z0-9+/=\r\n]+-----END (?P=what)-----\s*)+", re.ASCII
)
_GUEST = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,62}/[1-9][0-9]{2,8}", re.ASCII)
_CONTAINER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,252}", re.ASCII)
# What says where a secret goes and who is believed there.
_PLACE = ("url", "ca", "fingerprint")
_ANYWHERE = ("0.0.0.0/0", "::/0")
# What is said of one guest; all else may stand with a source for many.
_OF_POD = frozenset({"guestName"})

Networks = Sequence[str]
_Reader = Callable[[str, object, Networks], object]


def is_sealed(value: object) -> bool:
    """Return whether a value is a secret as it is stored (store/secrets.py), not one as it is typed."""
    return isinstance(value, Mapping) and set(value) == {"sealed"}


def with_unsent_secrets(sent: Mapping[str, Any], stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings that were sent, with the stored secrets that were not: nobody can send what is never shown.

    A key goes with its certificate. Whether a secret may stay where it goes, ``check_source`` says.
    """
    stay = {"token", "key"} if "certificate" in sent else {"token"}
    return {name: value for name, value in stored.items() if name in stay} | dict(sent)


def check_provider(
    kind: ProviderKind,
    ref: str | None,
    config: Mapping[str, Any],
    networks: Networks,
    before: Mapping[str, Any],
    *,
    by_source: bool = False,
) -> None:
    """Refuse settings that the provider of such a pod could not work with.

    ``before`` are the settings stored so far: a secret among them may stay as it is, while it goes to the same place.
    ``by_source``: how it is reached stands with its source, and may not stand with the pod besides.
    Raises InputError naming the first bad field, as ``providerRef`` or ``providerConfig.url``.
    """
    if kind == ProviderKind.WEBHOOK:
        _check_hook(config, networks, before)
    rules = _RULES.get(kind)
    if rules is None:
        return
    shape, needed, readers = rules
    if ref is None or not shape[0].fullmatch(ref):
        raise InputError("providerRef", f"must be {shape[1]}", code="missing" if ref is None else "invalid")
    if by_source:
        needed, readers = (), {name: read for name, read in readers.items() if name in _OF_POD}
    _check(config, needed, readers, networks, before, "providerConfig")


def check_source(kind: ProviderKind, config: Mapping[str, Any], networks: Networks, before: Mapping[str, Any]) -> None:
    """Do as ``check_provider`` for a source, by which many pods are reached; fields are named ``config.url``."""
    _, needed, readers = _RULES[kind]
    readers = {name: read for name, read in readers.items() if name not in _OF_POD}
    _check(config, needed, readers, networks, before, "config")


def _check(
    config: Mapping[str, Any],
    needed: Sequence[str],
    readers: Mapping[str, "_Reader"],
    networks: Networks,
    before: Mapping[str, Any],
    at: str,
) -> None:
    only_known(config, frozenset(readers), "its provider's settings")
    for name in needed:
        if config.get(name) is None:
            raise InputError(f"{at}.{name}", "is missing", code="missing")
    for name, value in config.items():
        if name in SECRETS and is_sealed(value):
            _refuse_moved(name, config, before, at)
        elif value is not None:
            readers[name](f"{at}.{name}", value, networks)
    _refuse_mixed(config, at)


def _check_hook(config: Mapping[str, Any], networks: Networks, before: Mapping[str, Any]) -> None:
    """Refuse where a web hook may surely not be called, and a secret that signs badly; what is missing, its calls say.

    The form asks for more (provider_rules.parse_webhook).
    """
    for name in ("url", "stateUrl"):
        if config.get(name) is not None:
            # Far ends may be public; whether a private one was opened is known where it is called.
            hook_url(f"providerConfig.{name}", config[name], (*_ANYWHERE, *networks))
    secret = config.get("secret")
    if secret is not None and secret != before.get("secret"):
        hook_secret("providerConfig.secret", secret)


def _refuse_moved(name: str, config: Mapping[str, Any], before: Mapping[str, Any], at: str) -> None:
    if config[name] != before.get(name) or any(config.get(place) != before.get(place) for place in _PLACE):
        raise InputError(f"{at}.{name}", "must be given again where it goes to another place")


def _refuse_mixed(config: Mapping[str, Any], at: str) -> None:
    if config.get("ca") and config.get("fingerprint"):
        raise InputError(f"{at}.fingerprint", "cannot be had beside ca: one says who is believed")
    if bool(config.get("certificate")) != bool(config.get("key")):
        missing = "key" if config.get("certificate") else "certificate"
        raise InputError(f"{at}.{missing}", "is missing beside the other half", code="missing")


def _url(field: str, value: object, networks: Networks, schemes: Sequence[str], is_port_needed: bool) -> None:
    found = _URL.fullmatch(text(field, value, _MAX_URL))
    port = found["port"] if found else None
    if found is None or found["scheme"] not in schemes or not _is_port(port, is_port_needed):
        wanted = " or ".join(f"{scheme}://host" + (":port" if is_port_needed else "") for scheme in schemes)
        raise InputError(field, f"must be {wanted} and nothing more")
    if why := _why_refused(found["host"].strip("[]"), networks):
        raise InputError(field, f"leads to a host that {why}")


def _is_port(port: str | None, is_needed: bool) -> bool:
    return not is_needed if port is None else 1 <= int(port) <= 65_535


def _why_refused(host: str, networks: Networks) -> str | None:
    try:
        address = ip_address(host)
    except ValueError:
        return why_host_refused(host, networks)
    # Far ends may be public; whether a private one was opened is known where it is called.
    return why_host_refused(host, networks) if is_forbidden(address, networks) else None


def _proxmox_url(field: str, value: object, networks: Networks) -> None:
    _url(field, value, networks, ["https"], is_port_needed=False)


def _docker_url(field: str, value: object, networks: Networks) -> None:
    if isinstance(value, str) and value.startswith("unix://"):
        path = value.removeprefix("unix://")
        if not path.startswith("/") or not _PLAIN.fullmatch(path) or "/../" in f"{path}/" or len(path) > 107:
            raise InputError(field, "must name the socket by its full path, such as unix:///run/docker.sock")
        return
    _url(field, value, networks, ["tcp", "https"], is_port_needed=True)


def _token(field: str, value: object, _networks: Networks) -> None:
    if not isinstance(value, str) or not 1 <= len(value) <= _MAX_TOKEN or not _PLAIN.fullmatch(value):
        raise InputError(field, f"must be 1 to {_MAX_TOKEN} plain characters without spaces")


def _token_id(field: str, value: object, _networks: Networks) -> None:
    if not isinstance(value, str) or not _TOKEN_ID.fullmatch(value):
        raise InputError(field, "must be user@realm!token")


def _fingerprint(field: str, value: object, _networks: Networks) -> None:
    if not isinstance(value, str) or not _FINGERPRINT.fullmatch(value):
        raise InputError(field, "must be the SHA-256 of the certificate: 64 hex digits, with or without colons")


def _pem(field: str, value: object, _networks: Networks) -> None:
    if not _PEM.fullmatch(text(field, value, _MAX_PEM)):
        raise InputError(field, "must be PEM, from -----BEGIN to the last -----END line")


def _name(field: str, value: object, _networks: Networks) -> None:
    line(field, value, 63)


_RULES: Mapping[ProviderKind, tuple[tuple[re.Pattern[str], str], tuple[str, ...], Mapping[str, _Reader]]] = {
    ProviderKind.PROXMOX: (
        (_GUEST, "node/vmid, such as pve1/100"),
        ("url", "tokenId", "token"),
        {
            "url": _proxmox_url,
            "tokenId": _token_id,
            "token": _token,
            "ca": _pem,
            "fingerprint": _fingerprint,
            "guestName": _name,
        },
    ),
    ProviderKind.DOCKER: (
        (_CONTAINER, "the container's name or id"),
        ("url",),
        {"url": _docker_url, "ca": _pem, "fingerprint": _fingerprint, "certificate": _pem, "key": _pem},
    ),
}
