"""What goes over a socket: frames to the browser, and the one message a browser may send.

A frame is encoded once and written to many sockets, so nothing in it may differ between those who get it, and
nothing is compressed. Nothing here knows a socket or a database.

A frame is a JSON object. ``seq`` is the feed number up to which the page is right once it has applied the frame;
``from`` is the number the page must have reached before, else it missed something and asks for it. A frame without
more is a beat. ``elements`` are whole fragments, ``gone`` ids to remove, ``stale`` ids to load anew, ``toasts`` short
news, ``list`` says that pods came or went, ``reload`` that too much was missed to be sent. ``now`` is the server's
clock in milliseconds.
"""

import json
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from wsproto.frame_protocol import FrameProtocol

from podhealth.core.errors import InputError

MAX_MESSAGE_BYTES = 8192
MAX_ELEMENTS = 200
MAX_SHOWN = 400  # a full list of 200 rows, and what else stands on its page
_MAX_ID = 2**63 - 1
_KEYS = frozenset({"seq", "parts"})


class Key(NamedTuple):
    """One thing that stands on a screen: its part's name (live/parts), and its id, 0 for what there is one of."""

    part: str
    object_id: int


class Watch(NamedTuple):
    """A browser's message: the feed number its page has reached, and what it shows."""

    seq: int
    shown: frozenset[Key]


class Frame(NamedTuple):
    """What one frame says; ``elements`` are fragments already encoded as JSON strings."""

    from_seq: int
    seq: int
    now_ms: int
    elements: Sequence[str] = ()
    gone: Sequence[str] = ()
    stale: Sequence[str] = ()
    toasts: Sequence[dict[str, Any]] = ()
    is_list_changed: bool = False
    is_reload: bool = False

    @property
    def is_beat(self) -> bool:
        """Whether it says no more than how far the page has come."""
        says = (self.elements, self.gone, self.stale, self.toasts, self.is_list_changed, self.is_reload)
        return not any(says)


def encode(frame: Frame) -> bytes:
    """Return ``frame`` as the bytes of one text message, ready for any socket."""
    more = ""
    if frame.elements:
        more += ',"elements":[' + ",".join(frame.elements) + "]"
    if frame.gone:
        more += ',"gone":' + json.dumps(list(frame.gone))
    if frame.stale:
        more += ',"stale":' + json.dumps(list(frame.stale))
    if frame.toasts:
        more += ',"toasts":' + json.dumps(list(frame.toasts))
    if frame.is_list_changed:
        more += ',"list":true'
    if frame.is_reload:
        more += ',"reload":true'
    text = f'{{"from":{frame.from_seq},"seq":{frame.seq},"now":{frame.now_ms}{more}}}'
    return bytes(FrameProtocol(client=False, extensions=[]).send_data(text, fin=True))


def parse_watch(text: str, names: Collection[str]) -> Watch:
    """Return what a browser asks for: ``{"seq": 12, "parts": {"card": [7, 8], "counts": [0]}}``.

    ``names``: of the parts there are. Raises InputError for all that our own pages would never send: the socket is
    closed for it (hazards A33).
    """
    try:
        told = json.loads(text, object_pairs_hook=_each_once)
    except (ValueError, RecursionError):
        raise InputError("message", "must be JSON") from None
    if not isinstance(told, dict) or told.keys() != _KEYS:
        raise InputError("message", "must have seq and parts, and nothing else")
    return Watch(_number("seq", told["seq"]), _shown(told["parts"], names))


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(told := dict(pairs)) != len(pairs):
        raise ValueError("a name is given twice")
    return told


def _shown(parts: object, names: Collection[str]) -> frozenset[Key]:
    if not isinstance(parts, dict) or not all(name in names and isinstance(ids, list) for name, ids in parts.items()):
        raise InputError("parts", "must have lists of ids by the names of parts")
    if sum(map(len, parts.values())) > MAX_SHOWN:
        raise InputError("parts", f"must name at most {MAX_SHOWN} ids in all")
    return frozenset(Key(name, _number(name, value)) for name, ids in parts.items() for value in ids)


def _number(field: str, value: object) -> int:
    if type(value) is not int or not 0 <= value <= _MAX_ID:
        raise InputError(field, "must be a whole number")
    return value
