"""Sessions of providers' libraries, bound: guarded, bounded, over in time, and only with whom the pin names."""

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
import requests
import trustme

from podhealth import egress
from podhealth.core.address import AddressRefused
from podhealth.egress.http import bound
from podhealth.tls import BY_AUTHORITIES, Pin
from tests.support.listeners import Listener, closed_port, drip, page, stay_silent

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.fixture(autouse=True)
def _loopback() -> Iterator[None]:
    egress.open_networks(["127.0.0.0/8"])
    yield
    egress.open_networks([])
    egress.open_sockets([])


def get(url: str, timeout_s: float = 5, most_bytes: int = 1000, pin: Pin = BY_AUTHORITIES, unix: str | None = None):
    session = requests.Session()
    with bound(session, timeout_s, most_bytes=most_bytes, pin=pin, unix=unix):
        return session.get(url, timeout=timeout_s)


def test_an_answer_is_read_whole() -> None:
    with Listener(page(200, b"ok")) as far:
        assert get(f"http://127.0.0.1:{far.port}/").text == "ok"


@pytest.mark.attack("A49")
def test_a_longer_answer_than_allowed_is_refused() -> None:
    with Listener(page(200, b"x" * 1001)) as far, pytest.raises(OSError, match="longer than"):
        get(f"http://127.0.0.1:{far.port}/")


@pytest.mark.parametrize("behave", [stay_silent, drip(OK, 0.05)], ids=["silence", "drip"])
def test_one_deadline_holds_for_the_whole_block(behave) -> None:
    begun = time.monotonic()
    with Listener(behave) as far, pytest.raises(OSError, match=r"within 0.4 s|timed out"):
        get(f"http://127.0.0.1:{far.port}/", timeout_s=0.4)

    assert time.monotonic() - begun < 3


@pytest.mark.attack("A43")
def test_a_redirect_is_not_followed() -> None:
    with (
        Listener(page()) as other,
        Listener(page(302, b"", f"Location: http://127.0.0.1:{other.port}/")) as far,
        pytest.raises(OSError, match="redirects"),
    ):
        get(f"http://127.0.0.1:{far.port}/")

    assert other.connections == 0


def test_a_forbidden_address_is_never_called() -> None:
    egress.open_networks([])
    with Listener(page()) as far, pytest.raises(AddressRefused):
        get(f"http://127.0.0.1:{far.port}/")

    assert far.connections == 0


@pytest.mark.attack("A48")
def test_proxies_of_the_environment_are_not_used(monkeypatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{closed_port()}")
    with Listener(page(200, b"ok")) as far:
        assert get(f"http://127.0.0.1:{far.port}/").text == "ok"


# ---------------------------------------------------------------- unix sockets


def test_a_socket_is_opened_only_where_the_operator_named_it(tmp_path: Path) -> None:
    path = str(tmp_path / "s.sock")
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen()

    def serve() -> None:
        connection, _ = server.accept()
        connection.recv(4096)
        connection.sendall(OK)
        connection.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    with pytest.raises(AddressRefused, match="PODHEALTH_DOCKER_SOCKETS"):
        get("http://far:80/", unix=path)
    egress.open_sockets([path])

    assert get("http://far:80/", unix=path).text == "ok"
    server.close()


def test_a_socket_that_is_not_there_is_an_os_error(tmp_path: Path) -> None:
    egress.open_sockets([str(tmp_path / "no.sock")])
    with pytest.raises(OSError, match="no connection"):
        get("http://far:80/", unix=str(tmp_path / "no.sock"))


# ---------------------------------------------------------------- certificates


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def serving(authority: trustme.CA, name: str = "127.0.0.1", asks: bool = False) -> tuple[ssl.SSLContext, str]:
    """Return a server's TLS settings and the fingerprint of its certificate."""
    leaf = authority.issue_cert(name)
    settings = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    leaf.configure_cert(settings)
    if asks:
        settings.verify_mode = ssl.CERT_REQUIRED
        authority.configure_trust(settings)
    der = ssl.PEM_cert_to_DER_cert(leaf.cert_chain_pems[0].bytes().decode())
    return settings, sha256(der).hexdigest()


def pem(blob: trustme.Blob) -> str:
    return blob.bytes().decode()


def colons(fingerprint: str) -> str:
    return ":".join(fingerprint[i : i + 2] for i in range(0, 64, 2)).upper()


@pytest.mark.parametrize("name", ["127.0.0.1", "another.example"])
def test_the_fingerprint_is_enough_whatever_the_name(authority: trustme.CA, name) -> None:
    settings, fingerprint = serving(authority, name)
    with Listener(page(200, b"ok"), tls=settings) as far:
        assert get(f"https://127.0.0.1:{far.port}/", pin=Pin(fingerprint=colons(fingerprint))).text == "ok"


def test_another_fingerprint_is_refused_before_anything_is_sent(authority: trustme.CA) -> None:
    settings, _ = serving(authority)
    with Listener(page(), tls=settings) as far, pytest.raises(OSError, match="Fingerprints did not match"):
        get(f"https://127.0.0.1:{far.port}/", pin=Pin(fingerprint="00" * 32))

    assert [request for request in far.requests if request] == []


def test_the_given_authority_is_enough_for_the_right_name_only(authority: trustme.CA) -> None:
    pin = Pin(ca=pem(authority.cert_pem))
    with Listener(page(200, b"ok"), tls=serving(authority)[0]) as far:
        assert get(f"https://127.0.0.1:{far.port}/", pin=pin).text == "ok"
    with (
        Listener(page(), tls=serving(authority, "another.example")[0]) as far,
        pytest.raises(OSError, match="(?i)certificate"),
    ):
        get(f"https://127.0.0.1:{far.port}/", pin=pin)


@pytest.mark.parametrize("pin", [BY_AUTHORITIES, Pin(ca=pem(trustme.CA().cert_pem))], ids=["the system's", "another's"])
def test_an_authority_that_was_not_given_vouches_for_nothing(authority: trustme.CA, pin) -> None:
    with Listener(page(), tls=serving(authority)[0]) as far, pytest.raises(OSError, match="(?i)certificate"):
        get(f"https://127.0.0.1:{far.port}/", pin=pin)


def test_our_own_certificate_is_shown_where_one_is_asked_for(authority: trustme.CA) -> None:
    ours = authority.issue_cert("podhealth.example")
    mine = {"certificate": pem(ours.cert_chain_pems[0]), "key": pem(ours.private_key_pem)}
    with Listener(page(200, b"ok"), tls=serving(authority, asks=True)[0]) as far:
        answer = get(f"https://127.0.0.1:{far.port}/", pin=Pin(ca=pem(authority.cert_pem), **mine))

    assert answer.text == "ok"


@pytest.mark.parametrize("pin", [Pin(ca="no"), Pin(certificate="no", key="no")], ids=["ca", "ours"])
def test_a_certificate_that_is_none_is_named(pin) -> None:
    with pytest.raises(ValueError, match="cannot be used"):
        get("https://127.0.0.1:1/", pin=pin)


def test_a_pin_shows_nothing_of_itself() -> None:
    assert "secret" not in repr(Pin(key="secret"))
