"""The demo's pods: tiny real servers, each run as ``python -I demo_pods.py KIND …`` and light on memory.

Imports the standard library only, and not much of it: eight of these run beside the product. SIGUSR1 makes a server
slow until it is started anew.
"""

import itertools
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator

_SLOW_S = 1.2
_LIVES_S = 4.0
_PERIOD_S = 5
_is_slow = threading.Event()


def _page(status: str, text: str) -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {len(text)}\r\nConnection: close\r\n\r\n"
    return head.encode() + text.encode()


Answer = Callable[[], tuple[float, bytes]]


def _steady(text: str) -> Answer:
    page = _page("200 OK", text)
    return lambda: (0.0, page)


def _every_third_slow() -> Answer:
    # Two slow answers in a row are needed for "degraded": in six, three are slow one after another.
    turns: Iterator[float] = itertools.cycle((0.0, 0.0, 0.0, 0.9, 0.9, 0.9))
    page = _page("200 OK", "report: 1,204 orders\n")
    return lambda: (next(turns), page)


def _every_other_fails() -> Answer:
    pages = itertools.cycle((_page("200 OK", "fine\n"), _page("503 Service Unavailable", "busy\n")))
    return lambda: (0.0, next(pages))


def _answer(conn: socket.socket, answer: Answer, is_http: bool) -> None:
    with conn:
        conn.settimeout(5)
        try:
            if is_http and not conn.recv(4096):
                return
            wait_s, page = answer()
            time.sleep(wait_s + (_SLOW_S if _is_slow.is_set() else 0.0))
            conn.sendall(page)
        except OSError:
            return  # the prober has gone; the next one is served


def _serve(port: int, answer: Answer, is_http: bool = True) -> None:
    with socket.create_server(("127.0.0.1", port), backlog=16) as server:
        while True:
            conn, _ = server.accept()
            threading.Thread(target=_answer, args=(conn, answer, is_http), daemon=True).start()


def _die_soon() -> None:
    time.sleep(_LIVES_S)
    print("crasher: out of memory", flush=True)
    os._exit(1)


def _beat(url: str) -> None:
    token, boot_id = os.environ["PODHEALTH_AGENT_TOKEN"], f"{os.getpid()}-{time.monotonic_ns()}"
    host, _, port = url.removeprefix("http://").rpartition(":")
    body = f'{{"bootId": "{boot_id}", "periodSeconds": {_PERIOD_S}}}'
    request = (
        f"POST /api/heartbeats HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}"
    )
    while True:
        try:
            with socket.create_connection((host.strip("[]"), int(port)), timeout=3) as conn:
                conn.sendall(request.encode())
                conn.recv(1024)
        except OSError as error:
            print(f"mailer: heartbeat not sent: {error}", flush=True)
        time.sleep(_PERIOD_S + (3 * _PERIOD_S if _is_slow.is_set() else 0))


def main(args: list[str]) -> None:
    """Run one pod until it is ended: KIND and its port, or the web address for the agent."""
    kind, where = args
    signal.signal(signal.SIGUSR1, lambda *_: _is_slow.set())
    if kind == "agent":
        _beat(where)
    port = int(where)
    if kind == "crasher":
        threading.Thread(target=_die_soon, daemon=True).start()
    answers: dict[str, Callable[[], Answer]] = {
        "web": lambda: _steady("welcome to the shop\n"),
        "api": lambda: _steady('{"status": "ok"}\n'),
        "search": lambda: _steady("results: 3\n"),
        "crasher": lambda: _steady("for now\n"),
        "reports": _every_third_slow,
        "flaky": _every_other_fails,
        "queue": lambda: lambda: (0.0, b"+READY\r\n"),
    }
    _serve(port, answers[kind](), is_http=kind != "queue")


if __name__ == "__main__":
    main(sys.argv[1:])
