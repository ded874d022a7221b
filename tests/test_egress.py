"""Outbound calls: only to checked addresses, without redirects and environment, bounded in time and size."""

import ast
import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import requests
import trustme

from podhealth import egress
from podhealth.core.address import AddressRefused, why_refused
from podhealth.egress import PUBLIC, guarded_connect
from podhealth.egress.http import Session, call
from tests.support.corpora import corpus
from tests.support.listeners import Listener, answer, closed_port, drip, endless, page, reset, stay_silent

LOOPBACK = ("127.0.0.0/8", "::1/128")
ROOT = Path(__file__).parents[1]
REFUSED = corpus("S")


def test_an_answer_comes_with_its_code_and_body() -> None:
    with Listener(page(202, b'{"ok": true}')) as far:
        code, body = call("POST", f"http://127.0.0.1:{far.port}/hook?x=1", {"X-Id": "7"}, b"{}", networks=LOOPBACK)

    assert (code, body) == (202, b'{"ok": true}')
    assert far.requests[0].startswith(b"POST /hook?x=1 HTTP/1.1\r\n")
    assert b"X-Id: 7\r\n" in far.requests[0]
    assert b"Accept-Encoding: identity\r\n" in far.requests[0]


@pytest.mark.parametrize("host", REFUSED, ids=ascii)
@pytest.mark.attack("A41")
def test_a_forbidden_host_is_never_connected_to(host: str) -> None:
    with Listener(page()) as far, Listener(page(), "::1", port=far.port) as far6:
        with pytest.raises((ValueError, OSError)):
            guarded_connect(host, far.port, None, 2.0)
        with pytest.raises((ValueError, OSError)):
            call("GET", f"http://{host}:{far.port}/", {}, timeout_s=2.0)

    assert far.connections == far6.connections == 0


@pytest.mark.attack("A42")
def test_a_name_that_means_loopback_is_refused_at_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.getaddrinfo", lambda *_a, **_k: [(2, 1, 6, "", ("127.0.0.1", 0))])
    with Listener(page()) as far, pytest.raises(AddressRefused, match="loopback"):
        call("GET", f"http://hooks.example:{far.port}/", {})

    assert far.connections == 0


@pytest.mark.attack("A42")
def test_a_name_that_is_bound_anew_is_connected_to_where_it_was_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    answers, resolve = iter(["127.0.0.2", "127.0.0.1"]), socket.getaddrinfo

    def rebind(host: str, *rest: object, **named: object) -> object:
        return resolve(next(answers) if host == "hooks.example" else host, *rest, **named)

    monkeypatch.setattr("socket.getaddrinfo", rebind)
    with Listener(page()) as far, pytest.raises(OSError, match="refused"):
        guarded_connect("hooks.example", far.port, LOOPBACK)

    assert far.connections == 0


def test_private_networks_are_called_only_where_they_were_opened() -> None:
    assert why_refused("93.184.215.14", PUBLIC) is None
    assert why_refused("10.0.0.5", PUBLIC)
    assert why_refused("192.168.7.5", PUBLIC)
    assert why_refused("10.0.0.5", (*PUBLIC, "10.0.0.0/8")) is None


def test_what_was_opened_at_the_start_may_be_called(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(egress, "_opened", ())
    egress.open_networks(LOOPBACK)
    with Listener(page()) as far:
        code, _body = call("GET", f"http://127.0.0.1:{far.port}/", {})

    assert code == 200


@pytest.mark.attack("A45")
def test_a_denied_address_is_never_called(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(egress, "_denied", ("127.0.0.1",))
    with Listener(page()) as far, pytest.raises(AddressRefused, match="own"):
        guarded_connect("127.0.0.1", far.port, LOOPBACK)

    assert far.connections == 0


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
@pytest.mark.attack("A43")
def test_a_redirect_is_answered_not_followed(code: int) -> None:
    with (
        Listener(page()) as elsewhere,
        Listener(page(code, b"", f"Location: http://127.0.0.1:{elsewhere.port}/")) as far,
    ):
        answered, _body = call("GET", f"http://127.0.0.1:{far.port}/", {}, networks=LOOPBACK)
        session = Session(LOOPBACK)
        plain = session.get(f"http://127.0.0.1:{far.port}/", allow_redirects=True)

    assert answered == plain.status_code == code
    assert elsewhere.connections == 0


@pytest.mark.attack("A48")
def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with Listener(page()) as far, Listener(page()) as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        call("GET", f"http://127.0.0.1:{far.port}/", {}, networks=LOOPBACK)

    assert (far.connections, proxy.connections) == (1, 0)


@pytest.mark.parametrize(
    "behave",
    [stay_silent, drip(b"HTTP/1.1 200 OK\r\n" * 9, 0.05), drip(b"x" * 99, 0.05, b"HTTP/1.1 200 OK\r\nX: y\r\n\r\n")],
    ids=["silent", "drips-headers", "drips-body"],
)
@pytest.mark.attack("A49")
def test_one_deadline_holds_for_the_whole_call(behave: Callable[..., None]) -> None:
    with Listener(behave) as far:
        begun = time.monotonic()
        with pytest.raises(OSError, match="no whole answer|timed out"):  # by the whole, or by the last read
            call("GET", f"http://127.0.0.1:{far.port}/", {}, timeout_s=0.5, networks=LOOPBACK)

    assert time.monotonic() - begun < 1.5


@pytest.mark.parametrize(
    "first",
    [b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n",
     b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n"],
    ids=["1-GiB", "endless", "bomb"],
)  # fmt: skip
@pytest.mark.attack("A49")
def test_no_more_than_64_kib_are_read(first: bytes) -> None:
    with Listener(endless(first, b"x" * 65_536)) as far:
        _code, body = call("GET", f"http://127.0.0.1:{far.port}/", {}, networks=LOOPBACK)

    assert body == b"x" * 65_536


@pytest.mark.parametrize("behave", [reset(), answer(b"nonsense\r\n\r\n"), answer(b"")], ids=["rst", "nonsense", "fin"])
def test_a_broken_answer_is_an_os_error(behave: Callable[..., None]) -> None:
    with Listener(behave) as far, pytest.raises(OSError, match="."):
        call("GET", f"http://127.0.0.1:{far.port}/", {}, networks=LOOPBACK)


def test_a_closed_port_is_an_os_error() -> None:
    with pytest.raises(OSError, match="refused"):
        call("GET", f"http://127.0.0.1:{closed_port()}/", {}, networks=LOOPBACK)


@pytest.mark.parametrize(
    "url", ["ftp://a.example/", "file:///etc/passwd", "http://", "http://u@a.example/", "http://a.example\\@b/", "x"]
)
def test_a_url_that_is_none_of_ours_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="URL"):
        call("GET", url, {})


def test_certificates_are_verified(tmp_path: Path) -> None:
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    with Listener(page(), tls=context) as far:
        url = f"https://127.0.0.1:{far.port}/"
        code, _body = call("GET", url, {}, networks=LOOPBACK, ca_file=str(bundle))
        with pytest.raises(OSError, match="certificate"):
            call("GET", url, {}, networks=LOOPBACK)

    assert code == 200


def test_a_session_for_libraries_is_guarded_too() -> None:
    with Listener(page()) as far, pytest.raises((ValueError, requests.RequestException)):
        Session(None).get(f"http://127.0.0.1:{far.port}/")

    assert far.connections == 0


# Who may open or accept connections at all; everybody else goes through egress.
_MAY_USE_SOCKETS = (
    "probing/",
    "egress/",
    "tls.py",
    "live/",
    "web/",
    "queues.py",
    "cli/",
    "healing/providers/process.py",
    # Their libraries connect by themselves; each is given connections of egress (tests/alerting).
    "alerting/channels/email.py",
    "alerting/channels/apprise.py",
)
_NETWORK = {"requests", "urllib3", "http.client", "urllib.request", "pycurl", "httpx", "aiohttp", "smtplib", "ftplib"}
_NETWORK |= {"telnetlib", "xmlrpc", "asyncio", "socketserver", "ssl"}
_HARMLESS = {"gethostname"}  # of module socket


@pytest.mark.attack("A50")
def test_no_other_module_opens_connections() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in sorted((ROOT / "podhealth").rglob("*.py"))
        if not str(path.relative_to(ROOT / "podhealth")).startswith(_MAY_USE_SOCKETS)
        for name in _network_uses(ast.parse(path.read_text()))
    ]

    assert found == []


@pytest.mark.parametrize(
    ("source", "uses"),
    [("import socket\nsocket.gethostname()", set()), ("import socket\nsocket.create_connection(x)", {"socket"}),
     ("from socket import socket", {"socket"}), ("import requests", {"requests"}), ("import os", set()),
     ("from urllib import request", {"urllib.request"}), ("from urllib.parse import quote", set())],
)  # fmt: skip
def test_the_search_for_connections_finds_them(source: str, uses: set[str]) -> None:
    assert _network_uses(ast.parse(source)) == uses


def _network_uses(tree: ast.Module) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            names.add(f"{node.value.id}.{node.attr}")
    uses = {name for name in _NETWORK if any(f"{found}.".startswith(f"{name}.") for found in names)}
    of_socket = {name.removeprefix("socket.") for name in names if name.startswith("socket.")}
    return uses | ({"socket"} if of_socket - _HARMLESS else set())
