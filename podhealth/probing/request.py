"""What an http check asks: the request worked out once from the stored options, checked again on the way.

Sends nothing. A stored value that the forms would have refused raises InputError and becomes ``invalid``.
"""

import json
import re
from functools import lru_cache
from typing import Any, NamedTuple

from podhealth.core.check_options import code_ranges, parse_options
from podhealth.core.errors import InputError
from podhealth.core.probe import Target
from podhealth.core.words import Kind
from podhealth.patterns import compile_pattern

# Visible ASCII without '#' and backslash. The authority is written before the path and ends at its first slash, so
# nothing in the path can move host or port (seed-faults D7); a second slash is refused all the same.
_PATH = re.compile(r"/(?!/)[\x21\x22\x24-\x5b\x5d-\x7e]*")


class Request(NamedTuple):
    """One request, ready to be sent, and what its answer must be.

    ``prefix`` and ``path`` go around the checked address where no ``host`` is configured. ``is_plain``: GET by http
    without headers and without a host, the common case, for which handles are kept ready.
    """

    is_plain: bool
    scheme: str
    port: int
    method: str
    host: str | None
    path: str
    headers: tuple[str, ...]
    verify_tls: bool
    certificate_days: int | None
    codes: tuple[tuple[int, int], ...]
    wanted: str
    contains: bytes | None
    regex: Any
    json: Any
    has_json: bool

    def url(self, host: str) -> str:
        """Return the URL with the configured host, or else the given address or name, as its authority."""
        name = self.host or host
        return f"{self.scheme}://[{name}]:{self.port}{self.path}" if ":" in name else self._url(name)

    def _url(self, name: str) -> str:
        return f"{self.scheme}://{name}:{self.port}{self.path}"


def parse_request(target: Target) -> Request:
    """Return the request a target asks for, one for all that ask the same. Raises InputError naming the bad option."""
    return _parse(target.target or "/", json.dumps(target.config, sort_keys=True))


@lru_cache(maxsize=4_096)
def _parse(path: str, options: str) -> Request:
    config = parse_options(Kind.HTTP, json.loads(options), {})
    if not _PATH.fullmatch(path):
        raise InputError("target", "must be a path that begins with one slash")
    scheme, method, host = str(config["scheme"]), str(config["method"]), config.get("host")
    headers: Any = config.get("headers") or {}
    contains: Any = config.get("bodyContains")
    days: Any = config.get("minCertificateDays")
    port: Any = config.get("port") or (443 if scheme == "https" else 80)
    codes = code_ranges(str(config["expectedCodes"]))
    return Request(
        is_plain=scheme == "http" and method == "GET" and not headers and host is None,
        scheme=scheme,
        port=port,
        method=method,
        host=None if host is None else str(host),
        path=path,
        headers=tuple(f"{name}: {value}" for name, value in headers.items()),
        verify_tls=bool(config["verifyTls"]),
        certificate_days=days,
        codes=codes,
        wanted=", ".join(f"{low}" if low == high else f"{low}–{high}" for low, high in codes),
        contains=contains.encode() if contains else None,
        regex=compile_pattern("bodyRegex", str(config["bodyRegex"])) if "bodyRegex" in config else None,
        json=config.get("bodyJson"),
        has_json="bodyJson" in config,
    )
