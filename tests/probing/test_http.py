"""The kind http against real listeners, friendly and hostile."""

import gzip
import resource
import select
import time

import pytest

from podhealth.core.probe import Finding
from podhealth.core.words import FailClass, Kind, Outcome
from podhealth.probing.findings import body_hash
from tests.probing.conftest import Asker
from tests.support.listeners import (
    Listener,
    answer,
    closed_port,
    drip,
    endless,
    full_backlog,
    hang_up,
    page,
    reset,
    stay_silent,
)


def told(finding: Finding) -> tuple[str, str | None, str | None]:
    return finding.outcome.value, finding.fail_class and finding.fail_class.value, finding.code


def test_a_good_answer_is_ok_with_latency_size_and_hash(asker: Asker) -> None:
    with Listener(page(200, b"all well")) as far:
        found = asker.ask(config={"port": far.port})

    assert told(found) == ("ok", None, None)
    assert found.latency_ms is not None
    assert 0 < found.latency_ms < 2000
    assert (found.size, found.body_hash, found.excerpt) == (8, body_hash(b"all well"), None)


@pytest.mark.parametrize(
    ("code", "expected", "outcome"),
    [
        (200, None, ("ok", None, None)),
        (204, None, ("ok", None, None)),
        (302, None, ("ok", None, None)),
        (404, None, ("fail", "content", "http_404")),
        (500, None, ("fail", "down", "http_500")),
        (502, None, ("fail", "down", "http_502")),
        (401, "200-299,401", ("ok", None, None)),
        (200, "204", ("fail", "content", "http_200")),
        (503, "503", ("ok", None, None)),
    ],
)
def test_the_code_decides(asker: Asker, code: int, expected: str | None, outcome: tuple[str, str, str]) -> None:
    config = {"expectedCodes": expected} if expected else {}
    with Listener(page(code)) as far:
        found = asker.ask(config={"port": far.port, **config})

    assert told(found) == outcome


def test_an_unwanted_code_is_told_in_words(asker: Asker) -> None:
    with Listener(page(502)) as far:
        found = asker.ask(config={"port": far.port})

    assert found.error == "answered 502, wanted 200–399"
    assert found.latency_ms is None


@pytest.mark.parametrize(
    ("config", "body", "code"),
    [
        ({"bodyContains": "pool ready"}, b"the pool ready now", None),
        ({"bodyContains": "pool ready"}, b"the pool is not", "body"),
        ({"bodyContains": "é"}, "café".encode(), None),
        ({"bodyRegex": r"v\d+\.\d+"}, b"version v2.17", None),
        ({"bodyRegex": r"^v\d+$"}, b"version", "body"),
        ({"bodyJson": {"status": "ok"}}, b'{"status": "ok", "more": 1}', None),
        ({"bodyJson": {"db.0.up": True}}, b'{"db": [{"up": true}]}', None),
        ({"bodyJson": {"db.0.up": True}}, b'{"db": [{"up": 1}]}', "body"),
        ({"bodyJson": {"count": 1}}, b'{"count": 1.0}', None),
        ({"bodyJson": {"a.b": 1}}, b'{"a": {}}', "body"),
        ({"bodyJson": ["x"]}, b'["x"]', None),
        ({"bodyJson": {"status": "ok"}}, b"<html>", "body"),
        ({"bodyJson": {"status": "ok"}}, b"[" * 60_000, "body"),
    ],
)
def test_the_body_decides(asker: Asker, config: dict[str, object], body: bytes, code: str | None) -> None:
    with Listener(page(200, body)) as far:
        found = asker.ask(config={"port": far.port, **config})

    assert found.code == code
    assert found.fail_class == (FailClass.CONTENT if code else None)


@pytest.mark.attack("A69")
def test_a_hostile_regular_expression_takes_no_time(asker: Asker) -> None:
    with Listener(page(200, b"a" * 60_000 + b"!")) as far:
        found = asker.ask(config={"port": far.port, "bodyRegex": r"^(a+)+$"})

    assert told(found) == ("fail", "content", "body")


def test_a_regular_expression_the_linear_engine_cannot_do_is_invalid(asker: Asker) -> None:
    found = asker.ask(config={"bodyRegex": r"(a)\1"})

    assert told(found) == ("invalid", None, "bodyRegex")


def test_an_answer_over_the_latency_limit_is_slow(asker: Asker) -> None:
    with Listener(drip(b"k", 0.0, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no")) as far:
        found = asker.ask(config={"port": far.port}, latency_limit_ms=0.001)

    assert told(found) == ("slow", None, "slow")
    assert found.latency_ms


@pytest.mark.parametrize(
    ("method", "line"), [("GET", b"GET /x?y=1 "), ("HEAD", b"HEAD /x?y=1 "), ("POST", b"POST /x?y=1 ")]
)
def test_method_path_host_and_headers_are_sent_as_configured(asker: Asker, method: str, line: bytes) -> None:
    with Listener(page(200, b"")) as far:
        config = {"port": far.port, "method": method, "host": "shop.example", "headers": {"X-Probe": "7"}}
        found = asker.ask(Kind.HTTP, "/x?y=1", config=config)

    request = far.requests[0]
    assert found.outcome is Outcome.OK
    assert request.startswith(line + b"HTTP/1.1\r\n")
    assert f"Host: shop.example:{far.port}\r\n".encode() in request
    assert b"X-Probe: 7\r\n" in request
    assert b"Accept-Encoding" not in request


def test_options_of_one_check_do_not_stay_for_the_next(asker: Asker) -> None:
    with Listener(page(200, b"")) as far:
        for config in ({"method": "HEAD", "headers": {"X-Probe": "7"}, "host": "a.example"}, {"host": "b.example"}):
            asker.ask(config={"port": far.port, **config})

    assert far.requests[-1].startswith(b"GET / HTTP/1.1\r\nHost: b.example")
    assert b"X-Probe" not in far.requests[-1]


@pytest.mark.attack("A48")
def test_nothing_of_the_environment_and_no_cookie_is_used(asker: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    with Listener(page(200, b"", "Set-Cookie: a=b")) as far, Listener(page()) as proxy:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("all_proxy", f"http://127.0.0.1:{proxy.port}")
        for _ in range(3):
            asker.ask(config={"port": far.port})

    assert proxy.connections == 0
    assert far.connections == 3
    assert not any(b"Cookie" in request for request in far.requests)


@pytest.mark.fault("F63")
def test_an_ipv6_pod_is_asked_with_brackets(asker: Asker) -> None:
    with Listener(page(), "::1") as far:
        found = asker.ask(address="::1", config={"port": far.port})

    assert found.outcome is Outcome.OK
    assert f"Host: [::1]:{far.port}".encode() in far.requests[0]


@pytest.mark.parametrize("to", ["", "http://169.254.169.254/", "file:///etc/passwd", "//127.0.0.1:{port}/", "/"])
@pytest.mark.fault("F56")
def test_a_redirect_to_itself_elsewhere_or_into_a_file_is_one_connection_and_one_request(asker: Asker, to: str) -> None:
    with Listener(stay_silent) as far:
        port = far.port
        location = f"Location: {to.format(port=port) or f'http://127.0.0.1:{port}/'}"
        far._behave = page(302, b"x" * (10 << 20), location)
        found = asker.ask(config={"port": port}, timeout_s=5.0)

    assert (found.outcome, found.size) == (Outcome.OK, 65_536)
    assert (far.connections, len([one for one in far.requests if one])) == (1, 1)


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
@pytest.mark.attack("A43")
@pytest.mark.fault("F56")
def test_a_redirect_is_not_followed(asker: Asker, code: int) -> None:
    with Listener(page()) as elsewhere:
        location = f"Location: http://user@127.0.0.1:{elsewhere.port}/"
        with Listener(page(code, b"", location, f"Refresh: 0; url=http://127.0.0.1:{elsewhere.port}/")) as far:
            found = asker.ask(config={"port": far.port})

    assert found.outcome is Outcome.OK
    assert elsewhere.connections == 0


@pytest.mark.parametrize(
    "path",
    ["@127.0.0.2/", "//127.0.0.2/", "/\\x", "/a b", "/\r\nX: y", "/\t", "/#x", "http://127.0.0.2/", "/é", "x", ":1/"],
    ids=ascii,
)
@pytest.mark.attack("A44")
def test_a_stored_path_that_could_leave_the_host_is_invalid_and_never_sent(asker: Asker, path: str) -> None:
    with Listener(page()) as far:
        found = asker.ask(Kind.HTTP, path, config={"port": far.port})

    assert told(found) == ("invalid", None, "target")
    assert far.connections == 0


@pytest.mark.attack("A44")
def test_a_path_is_sent_as_it_stands(asker: Asker) -> None:
    with Listener(page()) as far:
        asker.ask(Kind.HTTP, "/a/../b/./%2E%2E/@x:8006/;p?q=//z", config={"port": far.port})

    assert far.requests[0].startswith(b"GET /a/../b/./%2E%2E/@x:8006/;p?q=//z HTTP/1.1\r\n")


@pytest.mark.parametrize(
    ("config", "field"),
    [({"port": 70_000}, "port"), ({"scheme": "ftp"}, "scheme"), ({"expectedCodes": "2xx"}, "expectedCodes"),
     ({"headers": {"X": "a\r\nHost: b"}}, "headers"), ({"nonsense": 1}, "nonsense")],
)  # fmt: skip
@pytest.mark.attack("A54")
def test_a_bad_stored_option_is_invalid_and_named(asker: Asker, config: dict[str, object], field: str) -> None:
    found = asker.ask(config=config)

    assert told(found) == ("invalid", None, field)


@pytest.mark.parametrize(
    ("behave", "outcome"),
    [
        (reset(read=False), ("fail", "down", "reset")),
        (reset(), ("fail", "down", "reset")),
        (reset(b"HTTP/1.1 200 OK\r\nContent-Le"), ("fail", "down", "reset")),
        (reset(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"), ("fail", "down", "reset")),
        (hang_up, ("fail", "down", "closed")),
        (answer(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"), ("fail", "down", "cut_short")),
        (answer(b"SSH-2.0-OpenSSH_9.6\r\n"), ("fail", "content", "not_http")),
        (answer(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), ("fail", "down", "reset")),
        (answer(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100_000 + b"\r\n"), ("fail", "content", "too_large")),
        (answer(b"HTTP/1.1 200 " + b"O" * (1 << 20) + b"\r\n\r\n"), ("fail", "content", "too_large")),
    ],
    ids=["rst-at-once", "rst", "rst-in-header", "rst-in-body", "fin", "short", "ssh", "bad-chunk", "headers", "line"],
)
@pytest.mark.fault("F55", "F59")
def test_a_broken_answer_is_a_failure_with_its_reason(
    asker: Asker, behave: object, outcome: tuple[str, str, str]
) -> None:
    with Listener(behave) as far:  # type: ignore[arg-type]
        found = asker.ask(config={"port": far.port})

    assert told(found) == outcome


def test_a_closed_port_refuses(asker: Asker) -> None:
    found = asker.ask(config={"port": closed_port()})

    assert told(found) == ("fail", "down", "refused")
    assert found.error == "refused"
    assert found.latency_ms is None


CHUNK = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n"
NO_LENGTH = b"HTTP/1.1 200 OK\r\n\r\n"


@pytest.mark.parametrize(
    ("first", "more"),
    [(LENGTH, b"x" * 65_536), (NO_LENGTH, b"x" * 65_536), (CHUNK, b"4000\r\n" + b"x" * 0x4000 + b"\r\n")],
    ids=["1-GiB", "endless", "endless-chunked"],
)
@pytest.mark.fault("F55")
def test_no_more_than_64_kib_are_read_and_what_was_read_is_judged(asker: Asker, first: bytes, more: bytes) -> None:
    with Listener(endless(first, more)) as far:
        found = asker.ask(config={"port": far.port}, timeout_s=3.0)

    assert told(found) == ("ok", None, None)
    assert found.size == 65_536


@pytest.mark.fault("F55")
def test_endless_informational_answers_end_at_the_deadline_or_before(asker: Asker) -> None:
    with Listener(endless(b"", b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n" * 50)) as far:
        found = asker.ask(config={"port": far.port}, timeout_s=0.5)

    assert found.outcome is Outcome.FAIL


@pytest.mark.attack("A49")
@pytest.mark.fault("F57")
def test_a_compressed_bomb_is_never_unpacked(asker: Asker) -> None:
    bomb = gzip.compress(b"\0" * (32 << 20))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with Listener(page(200, bomb[:60_000], "Content-Encoding: gzip")) as far:
        found = asker.ask(config={"port": far.port})

    assert found.size == len(bomb[:60_000])
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20 << 10


@pytest.mark.parametrize(
    ("behave", "words"),
    [
        (stay_silent, "connected, but no answer within 0.5 s"),
        (drip(b"HTTP/1.1 200 OK\r\n" * 9, 0.05), "within 0.5 s"),
        (drip(b"x" * 99, 0.05, b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"), "answer not complete within 0.5 s"),
    ],
    ids=["silent", "drips-headers", "drips-body"],
)
@pytest.mark.fault("F54")
def test_one_deadline_holds_for_the_whole_exchange(asker: Asker, behave: object, words: str) -> None:
    with Listener(behave) as far:  # type: ignore[arg-type]
        found = asker.ask(config={"port": far.port}, timeout_s=0.5)
        key = max(asker.found)

    assert told(found) == ("fail", "down", "timeout")
    assert words in str(found.error)
    assert 0.5 <= asker.took_s(key) < 0.5 + 0.1 + loop_noise_s()


@pytest.mark.fault("F53")
def test_a_dropped_syn_ends_at_the_deadline(asker: Asker) -> None:
    with full_backlog() as port:
        found = asker.ask(config={"port": port}, timeout_s=0.5)
        key = max(asker.found)

    assert told(found) == ("fail", "down", "timeout")
    assert found.error == "no connection within 0.5 s"
    assert asker.took_s(key) < 0.5 + 0.1 + loop_noise_s()


@pytest.mark.attack("A46")
def test_an_excerpt_is_kept_only_where_asked_without_secrets(asker: Asker) -> None:
    body = b'state\x1b[31m=ok\r\n\x00 password: hunter2hunter2 {"token": "abcdefgh12345678"} end'
    with Listener(page(200, body)) as far:
        found = asker.ask(config={"port": far.port}, keep_excerpt=True)

    assert found.excerpt == 'state [31m=ok  password: [removed] {"token": "[removed]"} end'


def loop_noise_s() -> float:
    """Return how late the engine's own kind of wait ends right now: what a busy machine adds to every deadline."""
    late = 0.0
    with select.epoll() as nothing:
        for _ in range(5):
            start = time.monotonic()
            nothing.poll(0.01)
            late = max(late, time.monotonic() - start - 0.01)
    return late * 2 + 0.05
