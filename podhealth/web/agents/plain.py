"""The one shape of a request that is answered without the application: a whole, plain heartbeat, as agents send it.

Whatever differs in the least is none, and takes the way of all requests; so nothing is decided here by half a look.
"""

from typing import NamedTuple

from podhealth.web.agents.intake import MAX_BODY

MOST_BYTES = MAX_BODY + 4096
_BEGIN = b"POST /api/heartbeats HTTP/1.1\r\n"
_END = b"\r\n\r\n"
# What these would change, the application's server knows: how long the body is, and what else is to be done.
_OTHERS = frozenset({b"transfer-encoding", b"expect", b"upgrade", b"te", b"trailer", b"content-encoding"})
_JSON = "application/json"


class Plain(NamedTuple):
    """The value of its Authorization header, and its body."""

    authorization: str
    body: bytes


def may_be_plain(data: bytes) -> bool:
    """Return whether this begins as a heartbeat does; all of it may not have come yet."""
    return data.startswith(_BEGIN)


def plain_of(data: bytes) -> Plain | None:
    """Return the heartbeat that ``data`` is, to the last byte; null where it is anything else, or not whole."""
    head, end, body = data.partition(_END)
    if not end or not may_be_plain(data):
        return None
    fields = _fields_of(head[len(_BEGIN) :])
    if fields is None or b"authorization" not in fields or b"host" not in fields or not _OTHERS.isdisjoint(fields):
        return None
    length = fields.get(b"content-length", b"0")
    if not length.isdigit() or len(length) > 5 or int(length) != len(body) or len(body) > MAX_BODY:
        return None
    kind = fields.get(b"content-type", b"").decode("latin-1").partition(";")[0].strip().lower()
    if body and kind != _JSON:
        return None
    return Plain(fields[b"authorization"].decode("latin-1"), body)


def _fields_of(head: bytes) -> dict[bytes, bytes] | None:
    """Return the header fields by their names in lower case; null where a name comes twice or is none."""
    fields: dict[bytes, bytes] = {}
    for line in head.split(b"\r\n"):
        name, colon, value = line.partition(b":")
        name = name.lower()
        # Spaces before the colon and lines that go on are what servers read differently from one another.
        if not colon or not name.replace(b"-", b"").isalnum() or name in fields or b"\n" in line or b"\r" in value:
            return None
        fields[name] = value.strip(b" \t")
    return fields
