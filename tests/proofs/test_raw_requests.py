"""What no browser sends, byte by byte, to a real web process: one answer, ours, and the connection is closed."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from redis import Redis

from tests.support.answers import ON_EVERY_ANSWER
from tests.support.databases import sqlite_template
from tests.support.webserver import WebServer, running_web

pytestmark = pytest.mark.slow

HIDDEN = b"GET /hidden-request HTTP/1.1\r\nHost: h\r\n\r\n"
POST = b"POST /sign-in HTTP/1.1\r\nHost: h\r\n"
CHUNKS = POST + b"Transfer-Encoding: chunked\r\n\r\n"
NO_BODY = b"Content-Length: 0\r\n\r\n"

# Each could be cut into requests in two ways by two servers.
AMBIGUOUS = {
    "length and chunks": POST + b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and length": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n1\r\nx\r\n0\r\n\r\n",
    "an unknown coding": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunked, identity": POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "a blank before the colon": POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "a vertical tab": POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "two codings": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n",
    "chunked twice": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": POST + b"Content-Length: 0\r\nContent-Length: 40\r\n\r\n",
    "one length twice": POST + b"Content-Length: 0\r\nContent-Length: 0\r\n\r\n",
    "a list of lengths": POST + b"Content-Length: 0, 0\r\n\r\n",
    "+0": POST + b"Content-Length: +0\r\n\r\n",
    "-1": POST + b"Content-Length: -1\r\n\r\n",
    "0x0": POST + b"Content-Length: 0x0\r\n\r\n",
    "1_0": POST + b"Content-Length: 1_0\r\n\r\n",
    "an Arabic digit": POST + "Content-Length: ٣\r\n\r\n".encode(),
    "bare line feeds": b"POST /sign-in HTTP/1.1\nHost: h\nContent-Length: 0\n\n",
    "a bare line feed in a header": POST + b"X: a\nContent-Length: 30\r\n\r\n",
    "a bare return in a header": POST + b"X: a\rContent-Length: 30\r\n\r\n",
    "a folded header": POST + b"X: a\r\n b: c\r\n" + NO_BODY,
    "a folded coding": POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "NUL": POST + b"X: a\0b\r\n" + NO_BODY,
    "no colon": POST + b"broken\r\n" + NO_BODY,
    "no name": POST + b": x\r\n" + NO_BODY,
    "a blank before the first": b"POST /sign-in HTTP/1.1\r\n Host: h\r\n" + NO_BODY,
    "two hosts": b"GET /healthz HTTP/1.1\r\nHost: h\r\nHost: g\r\n\r\n",
    "another version": b"GET /healthz HTTP/9.9\r\nHost: h\r\n\r\n",
    "no version": b"GET /healthz\r\n\r\n",
    "HTTP/2 in plain": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a small method": b"get /healthz HTTP/1.1\r\nHost: h\r\n\r\n",
    "a blank in the address": b"GET /healthz x HTTP/1.1\r\nHost: h\r\n\r\n",
    "tabs": b"GET\t/healthz\tHTTP/1.1\r\nHost: h\r\n\r\n",
}
# Refused while the body is read: the answer to its head may have come before.
BAD_CHUNKS = {
    "0x1": CHUNKS + b"0x1\r\nx\r\n0\r\n\r\n",
    "-1": CHUNKS + b"-1\r\nx\r\n0\r\n\r\n",
    "1_0": CHUNKS + b"1_0\r\nx\r\n0\r\n\r\n",
    "a line feed in an extension": CHUNKS + b"1;a\nb\r\nx\r\n0\r\n\r\n",
    "no end": CHUNKS + b"1\r\nxx\r\n0\r\n\r\n",
    "bare line feeds": CHUNKS + b"1\nx\n0\n\n",
}
TOO_MUCH = {
    "a header of 64 KiB": (b"GET /healthz HTTP/1.1\r\nHost: h\r\nX: " + b"a" * 65_536 + b"\r\n\r\n", 431),
    "2,000 headers": (
        b"GET /healthz HTTP/1.1\r\nHost: h\r\n" + b"X-%d: a\r\n" * 2_000 % (*range(2_000),) + b"\r\n",
        431,
    ),
    "5,000 cookies": (b"GET /healthz HTTP/1.1\r\nHost: h\r\nCookie: " + b"a=b; " * 5_000 + b"\r\n\r\n", 431),
    "an address of 64 KiB": (b"GET /" + b"a" * 65_536 + b" HTTP/1.1\r\nHost: h\r\n\r\n", 414),
}


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory, _redis_socket: Path) -> Iterator[WebServer]:
    """A web process on an empty database."""
    folder = tmp_path_factory.mktemp("raw")
    with running_web(f"sqlite:///{sqlite_template(folder)}", f"unix://{_redis_socket}", folder) as server:
        yield server


def _said(web: WebServer, data: bytes, within_s: float = 10.0) -> tuple[bytes, bool]:
    """What came back, and whether the other side closed."""
    got = b""
    with socket.create_connection(("127.0.0.1", web.port), timeout=within_s) as sock:
        try:
            sock.sendall(data)
            while more := sock.recv(65_536):
                got += more
        except TimeoutError:
            return got, False
        except OSError:  # what was sent beyond the refusal resets the connection
            pass
    return got, True


def _is_ours(answer: bytes) -> bool:
    lines = answer.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
    is_whole = all(f"{name}: {value}" in lines for name, value in ON_EVERY_ANSWER.items())
    return is_whole and any(line.startswith("Content-Security-Policy: default-src 'none'") for line in lines)


@pytest.mark.attack("A40", "A34", "A35")
def test_what_can_be_cut_into_requests_in_two_ways_is_refused_once_and_closed(web: WebServer) -> None:
    wrong = {}
    for name, data in AMBIGUOUS.items():
        got, is_closed = _said(web, data + HIDDEN)
        is_refused = got.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 501 ")) and got.count(b"HTTP/1.1 ") == 1
        if not (is_refused and is_closed and _is_ours(got) and b"hidden-request" not in got):
            wrong[name] = (got[:200], is_closed)

    assert wrong == {}


@pytest.mark.attack("A40")
def test_chunks_that_are_none_end_the_connection_and_what_follows_is_no_request(web: WebServer) -> None:
    wrong = {}
    for name, data in BAD_CHUNKS.items():
        got, is_closed = _said(web, data + HIDDEN)
        statuses = [int(part[:3]) for part in got.split(b"HTTP/1.1 ")[1:]]
        if not is_closed or statuses not in ([403], [403, 400], [400]) or b"hidden-request" in got:
            wrong[name] = (statuses, is_closed)

    assert wrong == {}


@pytest.mark.attack("A74", "A34")
def test_heads_without_measure_are_refused(web: WebServer) -> None:
    told = {}
    for name, (data, status) in TOO_MUCH.items():
        got, is_closed = _said(web, data)
        told[name] = (got[9:12] == str(status).encode() and _is_ours(got), is_closed)

    assert told == dict.fromkeys(TOO_MUCH, (True, True))
    assert web.ask(None) == 401


@pytest.mark.attack("A68")
def test_a_body_without_end_is_refused_early_and_costs_no_memory(web: WebServer) -> None:
    before = _memory(web)
    chunk = b"10000\r\n" + b"x" * 65_536 + b"\r\n"
    head = b"POST /api/pods HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer x\r\nContent-Type: application/json\r\n"
    sent = 0
    with socket.create_connection(("127.0.0.1", web.port), timeout=5) as sock:
        sock.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n")
        try:
            for _ in range(2_000):
                sock.sendall(chunk)
                sent += 1
        except OSError:
            pass
    got, _ = _said(web, head + b"Content-Length: 104857600\r\n\r\n" + b"x" * 100_000)

    assert sent < 2_000
    assert got[9:12] in (b"401", b"413")
    assert _memory(web) - before < 8 << 20


@pytest.mark.attack("A68")
def test_bodies_that_drip_keep_pages_from_nobody(web: WebServer) -> None:
    slow = [socket.create_connection(("127.0.0.1", web.port)) for _ in range(3)]  # of four threads
    for sock in slow:
        sock.sendall(POST + b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000\r\n\r\na")
    done = threading.Event()

    def ask() -> None:
        if web.ask(None) == 401:
            done.set()

    threading.Thread(target=ask, daemon=True).start()
    is_answered = done.wait(10)
    for sock in slow:
        sock.close()

    assert is_answered


def _memory(web: WebServer) -> int:
    return sum(psutil.Process(process.pid).memory_info().rss for process in web.processes())


@pytest.mark.attack("A87")
def test_no_door_is_left_open_and_none_says_what_runs_here(web: WebServer, redis_server: Redis) -> None:
    paths = ("/console", "/.git/config", "/.env", "/metrics", "/debug", "/actuator", "/server-status", "/phpinfo.php")
    close = b" HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 8.8.8.8\r\nConnection: close\r\n\r\n"
    answers = {path: _said(web, b"GET " + path.encode() + close)[0] for path in (*paths, "/healthz", "/readyz")}
    options = _said(web, b"TRACE / HTTP/1.1\r\nHost: h\r\nX-Canary: canary\r\nConnection: close\r\n\r\n")[0]

    assert {path: answers[path][9:12] for path in paths} == dict.fromkeys(paths, b"404")
    assert options[9:12] == b"405"
    assert b"canary" not in options
    # /readyz names the part that is not well, and no version.
    told = [answer.lower() for answer in (*answers.values(), options)]
    assert [
        word for word in (b"gunicorn/", b"python/", b"werkzeug", b"traceback", b"flask") for one in told if word in one
    ] == []
