"""Open tabs and what stands in place of their sockets' thread: frames lie in a queue for each, and may be lost."""

import json
import socket
from collections import deque
from dataclasses import dataclass, field
from typing import Any


class Carrier:
    """Stands where the thread of the sockets does: what is sent lies here until it is delivered, or lost."""

    def __init__(self) -> None:
        self.queues: dict[Any, deque[dict[str, Any]]] = {}
        self.closed: dict[Any, int] = {}

    def add(self, link: Any) -> None:
        self.queues[link] = deque()

    def send(self, links: Any, frame: bytes) -> None:
        said = json.loads(frame[frame.index(b"{") :])
        for link in links:
            if link not in self.closed:  # the wire, too, sends nothing after a close
                self.queues[link].append(said)

    def close(self, links: Any, code: int, _reason: str = "") -> None:
        for link in links:
            self.closed[link] = code


@dataclass
class Tab:
    """One page that is open, and what it shows."""

    place: int
    session: str
    link: Any
    shown: tuple[int, ...]
    seq: int
    cards: dict[str, str]
    ends: list[socket.socket] = field(default_factory=list)
