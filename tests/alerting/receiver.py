"""A real HTTP receiver on a thread: notes all that it gets, and answers as it was told.

A reply is a status code; or ``(code, headers)``; or ``"dark"`` (never answers), ``"shut"`` (takes all, closes without
an answer), ``"half"`` (begins an answer and closes). What it was told is used up one request at a time, the last stays.
"""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

Reply = int | str | tuple[int, Mapping[str, str]]


class Got(NamedTuple):
    """One request."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]


class Receiver:
    """What came in, and what is answered next."""

    def __init__(self) -> None:
        self.got: list[Got] = []
        self.replies: list[Reply] = [200]
        self.release = threading.Event()
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def ids(self) -> list[str]:
        """The ids received, in their order, each as often as it came."""
        return [one.id for one in self.got]

    def says(self, *replies: Reply) -> None:
        self.replies = list(replies)

    def next_reply(self) -> Reply:
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]


@contextmanager
def a_receiver() -> Iterator[Receiver]:
    """Run one while in the block."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_args: object) -> None:
            """Say nothing."""

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.got.append(Got(self.path, dict(self.headers.items()), body))
            reply = receiver.next_reply()
            if reply == "dark":
                receiver.release.wait(30)
            if isinstance(reply, str):
                if reply == "half":
                    self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\nok")
                self.close_connection = True
                return
            code, headers = reply if isinstance(reply, tuple) else (reply, {})
            self.send_response(code)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    receiver.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.release.set()
        server.shutdown()
        server.server_close()
        thread.join(5)
