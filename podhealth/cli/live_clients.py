"""Many browsers in one process, for ``podhealth bench live``: opens sockets, notes when each frame came, and no more.

Run as ``python -m podhealth.cli.live_clients``; one JSON object on standard input says what to do, ``ready`` on
standard output that all sockets are open, and a line on standard input that it is time to tell what came.
"""

import base64
import json
import os
import re
import resource
import selectors
import socket
import struct
import sys
from typing import Any

from podhealth import clock

_SEQ = re.compile(rb'"seq":(\d+)')
_PORTS_OF_ONE_ADDRESS = 20_000
_READ_BYTES = 65_536
_OPEN_AT_ONCE = 64
_TEXT, _PING, _PONG = 0x81, 0x89, 0x8A


class Browser:
    """One open socket and what came over it: pairs of moment and feed number."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.rest = b""
        self.came: list[tuple[float, int]] = []

    def read(self) -> bool:
        """Take what has come; False when the other side closed."""
        try:
            data = self.sock.recv(_READ_BYTES)
        except BlockingIOError:
            return True
        except OSError:
            return False
        at = clock.monotonic()
        self.rest += data
        while (length := _frame_length(self.rest)) is not None and len(self.rest) >= length:
            found = _SEQ.search(self.rest, 0, 120)
            if found:
                self.came.append((at, int(found[1])))
            elif self.rest[0] == _PING:
                self.sock.send(masked(self.rest[2:length], _PONG))  # as every browser does by itself
            self.rest = self.rest[length:]
        return bool(data)


def _frame_length(data: bytes) -> int | None:
    if len(data) < 2:
        return None
    size = data[1]
    if size < 126:
        return 2 + size
    if size == 126:
        return 4 + struct.unpack_from("!H", data, 2)[0] if len(data) >= 4 else None
    return 10 + int(struct.unpack_from("!Q", data, 2)[0]) if len(data) >= 10 else None


def masked(data: bytes, kind: int = _TEXT) -> bytes:
    """Return ``data`` as the frame a browser sends, at most 65,535 bytes; the mask is zero."""
    head = struct.pack("!BB", kind, 0x80 | len(data)) if len(data) < 126 else struct.pack("!BBH", kind, 0xFE, len(data))
    return head + b"\0\0\0\0" + data


def open_one(number: int, order: dict[str, Any]) -> Browser:
    """Open and upgrade one socket, and say what it shows. Raises OSError or ConnectionError when refused."""
    sock = socket.socket()
    # More sockets than one address has ports for come from the next address of loopback.
    sock.bind((f"127.0.0.{1 + number // _PORTS_OF_ONE_ADDRESS}", 0))
    sock.connect((order["host"], order["port"]))
    key = base64.b64encode(os.urandom(16)).decode()
    sock.sendall(
        f"GET /live HTTP/1.1\r\nHost: {order['host']}:{order['port']}\r\nOrigin: {order['origin']}\r\n"
        f"Cookie: {order['cookie']}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
    )
    answer = b""
    while b"\r\n\r\n" not in answer:
        data = sock.recv(4096)
        if not data:
            break
        answer += data
    if b" 101 " not in answer[:20]:
        raise ConnectionError(f"not upgraded: {answer[:80]!r}")
    browser = Browser(sock)
    browser.rest = answer.partition(b"\r\n\r\n")[2]
    sock.sendall(masked(json.dumps(order["watch"]).encode()))
    sock.setblocking(False)
    return browser


def main() -> None:
    """Open the sockets ordered, read until told to stop, and print what came."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    order = json.loads(sys.stdin.readline())
    selector = selectors.DefaultSelector()
    browsers: list[Browser] = []
    for number in range(order["sockets"]):
        browser = open_one(number, order)
        browsers.append(browser)
        selector.register(browser.sock, selectors.EVENT_READ, browser)
        if number % _OPEN_AT_ONCE == 0:
            _read_ready(selector, 0)
    print("ready", flush=True)
    selector.register(sys.stdin, selectors.EVENT_READ, None)
    lost = 0
    while (newly_lost := _read_ready(selector, 1.0)) is not None:
        lost += newly_lost
    json.dump({"lost": lost, "came": [b.came for b in browsers]}, sys.stdout)


def _read_ready(selector: selectors.BaseSelector, wait_s: float) -> int | None:
    """Read what has come; return how many sockets were closed on us, or None when it is time to stop."""
    lost = 0
    for key, _ in selector.select(wait_s):
        if key.data is None:
            return None
        if not key.data.read():
            selector.unregister(key.fileobj)
            lost += 1
    return lost


if __name__ == "__main__":
    main()
