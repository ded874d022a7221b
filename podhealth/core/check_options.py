"""The options a check may have beside its common fields, kind by kind (behaviour §3): the object ``config``.

Knows how they are written and bounded, not how they are probed; a regular expression is compiled elsewhere.
"""

import re
from collections.abc import Mapping
from enum import StrEnum

from podhealth.core.errors import InputError
from podhealth.core.fields import json_value, only_known, text
from podhealth.core.readers import A_FLAG, Reader, Schema, a_text, a_whole_number, a_word, nullable
from podhealth.core.words import Kind

MAX_HEADERS = 20
MAX_CODE_RANGES = 20
DEFAULT_CODES = "200-399"


class Scheme(StrEnum):
    """How an http check speaks."""

    HTTP = "http"
    HTTPS = "https"


class Method(StrEnum):
    """How an http check asks; nothing that is meant to change the pod."""

    GET = "GET"
    HEAD = "HEAD"
    POST = "POST"


# These would let a value end the request and begin another, or ask for another protocol; Host has its own field.
_FRAMING = {"host", "content-length", "transfer-encoding", "trailer", "te", "expect"}
_CONNECTION = {"connection", "keep-alive", "proxy-connection", "upgrade", "http2-settings"}
# Bodies are never decoded, so none may be asked for in a coding. Every viewer can read a check: no credentials in it.
_CODING = {"accept-encoding"}
_CREDENTIALS = {"authorization", "proxy-authorization", "cookie"}
REFUSED_HEADERS = frozenset(_FRAMING | _CONNECTION | _CODING | _CREDENTIALS)

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")
_HEADER_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e\t]{0,498}[\x21-\x7e])?")
_HOST_NAME = re.compile(
    r"(?=.{1,253}$)[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*"
)
_CODES = re.compile(r"([1-5][0-9]{2})(?: *- *([1-5][0-9]{2}))?")


def _host(field: str, value: object) -> str:
    name = text(field, value, 253)
    if not _HOST_NAME.fullmatch(name.lower()):
        raise InputError(field, "must be a host name without scheme, port or path")
    return name.lower()


def _headers(field: str, value: object) -> dict[str, str]:
    if not isinstance(value, Mapping) or len(value) > MAX_HEADERS:
        raise InputError(field, f"must be an object of at most {MAX_HEADERS} names and values")
    seen: set[str] = set()
    for name, content in value.items():
        if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name):
            raise InputError(field, "holds a name that is no header name")
        if name.lower() in REFUSED_HEADERS or name.lower() in seen:
            raise InputError(field, f"must not hold {name}" + (" twice" if name.lower() in seen else ""))
        if not isinstance(content, str) or not _HEADER_VALUE.fullmatch(content):
            raise InputError(field, f"{name} must be one line of 1 to 500 visible ASCII characters")
        seen.add(name.lower())
    return dict(value)


def code_ranges(codes: str) -> tuple[tuple[int, int], ...]:
    """Return the ranges (both ends included) that a stored ``expectedCodes`` names.

    Raises InputError if the text is not one that ``parse_options`` would have stored: somebody edited the row.
    """
    parts = codes.split(",")
    matches = [_CODES.fullmatch(part.strip(" ")) for part in parts]
    ranges = [(int(m[1]), int(m[2] or m[1])) for m in matches if m]
    if len(ranges) < len(parts) or len(parts) > MAX_CODE_RANGES or any(low > high for low, high in ranges):
        raise InputError("expectedCodes", 'must be codes from 100 to 599, such as "200-399,404"')
    return tuple(sorted(ranges))


def _codes(field: str, value: object) -> str:
    parts = value if isinstance(value, list) else [value]
    written = [str(part) if type(part) is int else part for part in parts]
    if not written or not all(isinstance(part, str) for part in written):
        raise InputError(field, 'must be codes from 100 to 599, such as "200-399,404"')
    ranges = code_ranges(",".join(text(field, part, 200) for part in written))
    return ",".join(str(low) if low == high else f"{low}-{high}" for low, high in ranges)


def _banner(field: str, value: object) -> str:
    wanted = text(field, value, 200)
    if not wanted.isprintable():
        raise InputError(field, "must not hold control characters")
    return wanted


def _plain_word(words: type[StrEnum]) -> Reader:
    spelt = a_word(words)
    return Reader(lambda field, value: spelt(field, value).value, spelt.schema)


_HEADERS: Schema = {
    "type": "object",
    "maxProperties": MAX_HEADERS,
    "propertyNames": {"type": "string", "pattern": f"^{_HEADER_NAME.pattern}$"},
    "additionalProperties": {"type": "string", "pattern": f"^{_HEADER_VALUE.pattern}$"},
}
_CODE = {"type": "integer", "minimum": 100, "maximum": 599}
_CODE_TEXT = {"type": "string", "pattern": "^[1-5][0-9]{2}( *- *[1-5][0-9]{2})?(,[1-5][0-9]{2}( *- *[1-5][0-9]{2})?)*$"}
_LISTED_CODES = {"type": "array", "minItems": 1, "maxItems": MAX_CODE_RANGES, "items": {"anyOf": [_CODE, _CODE_TEXT]}}

_READERS: dict[Kind, dict[str, Reader]] = {
    Kind.PING: {"packets": a_whole_number(1, 5)},
    Kind.TCP: {"banner": Reader(_banner, {"type": "string", "minLength": 1, "maxLength": 200})},
    Kind.HTTP: {
        "scheme": _plain_word(Scheme),
        "port": a_whole_number(1, 65_535),
        "method": _plain_word(Method),
        "host": Reader(_host, {"type": "string", "minLength": 1, "maxLength": 253, "pattern": "^[A-Za-z0-9_.-]+$"}),
        "headers": Reader(_headers, _HEADERS),
        "expectedCodes": Reader(_codes, {"anyOf": [_CODE, _CODE_TEXT, _LISTED_CODES]}),
        "bodyContains": a_text(500),
        "bodyRegex": a_text(500),
        "bodyJson": Reader(lambda field, value: json_value(field, value, 2_000), {}),
        "verifyTls": A_FLAG,
        "minCertificateDays": a_whole_number(1, 825),
    },
    Kind.AGENT: {"graceSeconds": a_whole_number(0, 86_400)},
    Kind.RUNNING: {},
}


def options_schema(kind: Kind) -> Schema:
    """Return what the options of a check of this kind may be; null takes one back to its default."""
    options = {name: nullable(reader.schema) if reader.schema else {} for name, reader in _READERS[kind].items()}
    return {"type": "object", "properties": options, "additionalProperties": False}


# Options without an entry have no default: absent means not asked for.
_DEFAULTS: dict[Kind, dict[str, object]] = {
    Kind.PING: {"packets": 1},
    Kind.HTTP: {"scheme": "http", "method": "GET", "expectedCodes": DEFAULT_CODES, "verifyTls": True},
}


def _refuse_contradictions(config: dict[str, object]) -> None:
    if config.get("method") == "HEAD":
        for field in ("bodyContains", "bodyRegex", "bodyJson"):
            if field in config:
                raise InputError(field, "cannot be asked with method HEAD: its answer has no body")
    if "minCertificateDays" in config and config.get("scheme") != "https":
        raise InputError("minCertificateDays", "needs scheme https")


def parse_options(kind: Kind, given: object, existing: Mapping[str, object]) -> dict[str, object]:
    """Return the whole ``config`` of a check: what stands, what is new, and the defaults of the rest.

    ``given`` is the object from outside: an absent option stays as it is, null takes it back to its default.
    Raises InputError naming the option.
    """
    if not isinstance(given, Mapping):
        raise InputError("config", "must be an object")
    only_known(given, frozenset(_READERS[kind]), f"a check of kind {kind.value}")
    config = {**_DEFAULTS.get(kind, {}), **existing}
    for field, value in given.items():
        if value is not None:
            config[field] = _READERS[kind][field](field, value)
        elif field in _DEFAULTS.get(kind, {}):
            config[field] = _DEFAULTS[kind][field]
        else:
            config.pop(field, None)
    _refuse_contradictions(config)
    return config
