"""What goes over a socket: frames to the browser, and the one message a browser may send.

A frame is encoded once and written to many sockets, so nothing in it may differ between those who get it, and
nothing is compressed. Nothing here knows a socket or a database.

A frame is a JSON object. ``seq`` is the feed number up to which the page is right once it has applied the frame;
``from`` is the number the page must have reached before, else it missed something and asks for it. A frame without
more is a beat. ``elements`` are whole fragments, ``gone`` ids to remove, ``toasts`` short news, ``list`` says that
pods came or went, ``reload`` that too much was missed to be sent. ``now`` is the server's clock in milliseconds.
"""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from wsproto.frame_protocol import FrameProtocol

from podhealth.core.errors import InputError

MAX_MESSAGE_BYTES = 4096
MAX_ELEMENTS = 200
_MAX_ID = 2**63 - 1
_KEYS = frozenset({"seq", "cards", "rows", "page", "counts", "incidents", "incident"})


class Shown(NamedTuple):
    """What is on somebody's screen: pods as cards, pods as rows, one pod's page, the counts of the overview.

    And incidents: as rows, and one incident's page.
    """

    cards: frozenset[int]
    rows: frozenset[int]
    page: int | None
    counts: bool
    incidents: frozenset[int] = frozenset()
    incident: int | None = None


class Watch(NamedTuple):
    """A browser's message: the feed number its page has reached, and what it shows."""

    seq: int
    shown: Shown


class Frame(NamedTuple):
    """What one frame says; ``elements`` are fragments already encoded as JSON strings."""

    from_seq: int
    seq: int
    now_ms: int
    elements: Sequence[str] = ()
    gone: Sequence[str] = ()
    toasts: Sequence[dict[str, Any]] = ()
    is_list_changed: bool = False
    is_reload: bool = False

    @property
    def is_beat(self) -> bool:
        """Whether it says no more than how far the page has come."""
        return not (self.elements or self.gone or self.toasts or self.is_list_changed or self.is_reload)


def encode(frame: Frame) -> bytes:
    """Return ``frame`` as the bytes of one text message, ready for any socket."""
    more = ""
    if frame.elements:
        more += ',"elements":[' + ",".join(frame.elements) + "]"
    if frame.gone:
        more += ',"gone":' + json.dumps(list(frame.gone))
    if frame.toasts:
        more += ',"toasts":' + json.dumps(list(frame.toasts))
    if frame.is_list_changed:
        more += ',"list":true'
    if frame.is_reload:
        more += ',"reload":true'
    text = f'{{"from":{frame.from_seq},"seq":{frame.seq},"now":{frame.now_ms}{more}}}'
    return bytes(FrameProtocol(client=False, extensions=[]).send_data(text, fin=True))


def parse_watch(text: str) -> Watch:
    """Return what a browser asks for.

    Raises InputError for all that our own pages would never send: the socket is closed for it (hazards A33).
    """
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        raise InputError("message", "must be JSON") from None
    if not isinstance(told, dict) or not told.keys() <= _KEYS or "seq" not in told:
        raise InputError("message", "must have seq, and nothing beside it that no page shows")
    page, incident = told.get("page"), told.get("incident")
    counts = told.get("counts", False)
    if not isinstance(counts, bool):
        raise InputError("counts", "must be true or false")
    shown = Shown(
        _ids("cards", told.get("cards", [])),
        _ids("rows", told.get("rows", [])),
        None if page is None else _number("page", page),
        counts,
        _ids("incidents", told.get("incidents", [])),
        None if incident is None else _number("incident", incident),
    )
    return Watch(_number("seq", told["seq"]), shown)


def _ids(field: str, value: object) -> frozenset[int]:
    if not isinstance(value, list) or len(value) > MAX_ELEMENTS:
        raise InputError(field, f"must be a list of at most {MAX_ELEMENTS} ids")
    return frozenset(_number(field, item) for item in value)


def _number(field: str, value: object) -> int:
    if type(value) is not int or not 0 <= value <= _MAX_ID:
        raise InputError(field, "must be a whole number")
    return value
