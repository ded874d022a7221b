"""A browser's end of a live socket, driven by hand: real bytes over a real socket, nothing decided for the test."""

import base64
import json
import os
import socket
import time
from collections.abc import Callable, Mapping
from typing import Any

from wsproto import ConnectionType
from wsproto.connection import Connection
from wsproto.events import BytesMessage, CloseConnection, Ping, TextMessage

Frame = dict[str, Any]


class Browser:
    """One open socket: what came over it in ``frames``, the close code once it was closed."""

    def __init__(self, sock: socket.socket, begun_with: bytes = b"") -> None:
        self.sock = sock
        self.frames: list[Frame] = []
        self.closed: int | None = None
        self.reason = ""
        self.is_at_end = False
        self.pings = 0
        self._protocol = Connection(ConnectionType.CLIENT, extensions=[])
        self._text = ""
        self._feed(begun_with)

    def watch(self, seq: int = 0, **shown: list[int]) -> "Browser":
        """Say how far the page has come and what it shows, beside the counts in the head of each page."""
        self.send(json.dumps({"seq": seq, "parts": {"nav": [0], "nav_incidents": [0]} | shown}))
        return self

    def send(self, text: str) -> None:
        """Send a text message."""
        self.sock.sendall(self._protocol.send(TextMessage(data=text)))

    def send_binary(self, data: bytes) -> None:
        """Send a binary message."""
        self.sock.sendall(self._protocol.send(BytesMessage(data=data)))

    def read(self, within_s: float) -> None:
        """Take what comes next; returns when something came, the other side closed, or the time is over."""
        self.sock.settimeout(max(0.001, within_s))
        try:
            data = self.sock.recv(65_536)
        except TimeoutError:
            return
        except OSError:
            data = b""
        if data:
            self._feed(data)
        else:
            self.is_at_end = True

    def until(self, condition: Callable[["Browser"], Any], within_s: float = 5.0, what: str = "") -> Any:
        """Read until ``condition`` of this browser is true and return its answer; fail after ``within_s``."""
        deadline = time.monotonic() + within_s
        while not (answer := condition(self)):
            left = deadline - time.monotonic()
            assert left > 0, f"not within {within_s} s: {what}; closed {self.closed}, frames {self.frames[-3:]}"
            assert not self.is_at_end, f"closed ({self.closed}) before: {what}; frames {self.frames[-3:]}"
            self.read(left)
        return answer

    def until_seq(self, seq: int, within_s: float = 5.0) -> Frame:
        """Read until a frame brings the page to ``seq`` and return it."""
        return self.until(lambda b: next((f for f in b.frames if f["seq"] >= seq), None), within_s, f"seq {seq}")

    def until_closed(self, within_s: float = 5.0) -> int | None:
        """Read until the other side has closed and return its code, None where it only hung up."""
        deadline = time.monotonic() + within_s
        while not self.is_at_end and self.closed is None:
            assert time.monotonic() < deadline, f"not closed within {within_s} s"
            self.read(deadline - time.monotonic())
        return self.closed

    def elements(self) -> dict[str, str]:
        """Return the newest fragment by id, as the page would now show it."""
        shown: dict[str, str] = {}
        for frame in self.frames:
            for html in frame.get("elements", []):
                shown[html.split('id="', 1)[1].split('"', 1)[0]] = html
            for name in frame.get("gone", []):
                shown.pop(name, None)
        return shown

    def close(self) -> None:
        """Hang up without a word, as a lost connection does."""
        self.sock.close()

    def _feed(self, data: bytes) -> None:
        self._protocol.receive_data(data)
        for event in self._protocol.events():
            if isinstance(event, Ping):
                self.pings += 1
                self.sock.sendall(self._protocol.send(event.response()))
            elif isinstance(event, CloseConnection):
                self.closed, self.reason = int(event.code), event.reason or ""
                return
            elif isinstance(event, TextMessage):
                self._text += event.data
                if event.message_finished:
                    self.frames.append(json.loads(self._text))
                    self._text = ""


def shake_hands(
    port: int, headers: Mapping[str, str | None], path: str = "/live", buffer: int | None = None
) -> tuple[int, socket.socket, bytes]:
    """Ask for an upgrade and return the status answered, the socket, and what came behind the answer.

    A header of None is left out. ``buffer``: how little the kernel may hold for a browser that does not read.
    """
    sock = socket.socket()
    if buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    sock.settimeout(10)
    sock.connect(("127.0.0.1", port))
    asked = {
        "Host": f"127.0.0.1:{port}",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
    } | dict(headers)
    lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in asked.items() if value is not None)]
    sock.sendall("\r\n".join([*lines, "", ""]).encode())
    answer = b""
    while b"\r\n\r\n" not in answer and (data := sock.recv(65_536)):
        answer += data
    head, _, rest = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), sock, rest
