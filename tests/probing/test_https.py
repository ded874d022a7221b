"""The kind http over TLS: each trouble has its own code, and none of them heals."""

import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import trustme

from podhealth.core.words import Outcome
from tests.probing.conftest import Asker, a_target
from tests.probing.test_http import told
from tests.support.listeners import Listener, page, reset, stay_silent

MakeTls = Callable[..., ssl.SSLContext]


def test_a_trusted_certificate_for_the_address_is_ok(asker: Asker, server_tls: MakeTls) -> None:
    with Listener(page(), tls=server_tls("127.0.0.1")) as far:
        found = asker.ask(config={"scheme": "https", "port": far.port})

    assert told(found) == ("ok", None, None)


def test_the_configured_host_is_the_name_that_is_verified_and_asked_for(asker: Asker, server_tls: MakeTls) -> None:
    context = server_tls("shop.example")
    names: list[str | None] = []
    context.sni_callback = lambda _connection, name, _context: names.append(name)  # type: ignore[assignment,return-value]
    with Listener(page(), tls=context) as far:
        found = asker.ask(config={"scheme": "https", "port": far.port, "host": "shop.example"})

    assert told(found) == ("ok", None, None)
    assert names == ["shop.example"]


def test_a_pod_with_a_name_is_verified_by_it(asker: Asker, server_tls: MakeTls) -> None:
    with Listener(page(), tls=server_tls("web.example")) as far:
        found = asker.ask(address="web.example", config={"scheme": "https", "port": far.port})

    assert told(found) == ("ok", None, None)


@pytest.mark.parametrize(
    ("names", "days", "code"),
    [(("other.example",), (-1, 30), "cert_name"), (("127.0.0.1",), (-30, -1), "cert_expired"),
     (("127.0.0.1",), (1, 30), "cert_not_yet")],
    ids=["name", "expired", "not-yet"],
)  # fmt: skip
@pytest.mark.fault("F58")
def test_a_bad_certificate_is_a_failure_of_class_tls(
    asker: Asker, server_tls: MakeTls, names: tuple[str, ...], days: tuple[int, int], code: str
) -> None:
    begin, end = (datetime.now(UTC) + timedelta(days=day) for day in days)  # noqa: TID251 - OpenSSL asks the machine
    with Listener(page(), tls=server_tls(*names, not_before=begin, not_after=end)) as far:
        found = asker.ask(config={"scheme": "https", "port": far.port})
        lenient = asker.ask(config={"scheme": "https", "port": far.port, "verifyTls": False})

    assert told(found) == ("fail", "tls", code)
    assert lenient.outcome is Outcome.OK


@pytest.mark.fault("F58")
def test_a_certificate_of_an_unknown_authority_is_untrusted(asker: Asker, server_tls: MakeTls) -> None:
    with Listener(page(), tls=server_tls("127.0.0.1", authority=trustme.CA())) as far:
        found = asker.ask(config={"scheme": "https", "port": far.port})

    assert told(found) == ("fail", "tls", "cert_untrusted")


@pytest.mark.parametrize(
    ("wanted", "outcome"), [(20, ("ok", None, None)), (40, ("slow", None, "cert_days"))], ids=["enough", "too-few"]
)
def test_a_certificate_that_ends_soon_is_slow_not_a_failure(
    asker: Asker, server_tls: MakeTls, wanted: int, outcome: tuple[str, str, str]
) -> None:
    end = datetime.now(UTC) + timedelta(days=30, minutes=5)  # noqa: TID251 - as above
    with Listener(page(), tls=server_tls("127.0.0.1", not_after=end)) as far:
        found = asker.ask(config={"scheme": "https", "port": far.port, "minCertificateDays": wanted})

    assert told(found) == outcome


def test_a_certificate_is_looked_at_now_and_then_where_the_check_wants_no_days_of_it(
    asker: Asker, server_tls: MakeTls
) -> None:
    end = (datetime.now(UTC) + timedelta(days=30)).replace(microsecond=0)  # noqa: TID251 - as above
    with Listener(page(), tls=server_tls("127.0.0.1", not_after=end)) as far:
        target = a_target(config={"scheme": "https", "port": far.port})
        first, second = (asker.wait(asker.submit([target]))[0].certificate_ends_at for _ in range(2))

    assert (first, second) == (end, None)


@pytest.mark.fault("F58")
def test_a_server_that_does_not_speak_tls_fails_the_handshake(asker: Asker) -> None:
    with Listener(page()) as far:
        found = asker.ask(config={"scheme": "https", "port": far.port})

    assert told(found) == ("fail", "tls", "tls_handshake")


@pytest.mark.fault("F58")
def test_an_old_protocol_fails_the_handshake(asker: Asker, server_tls: MakeTls) -> None:
    context = server_tls("127.0.0.1")
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLS"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1
    with Listener(page(), tls=context) as far:
        found = asker.ask(config={"scheme": "https", "port": far.port})

    assert told(found) == ("fail", "tls", "tls_handshake")


@pytest.mark.fault("F58", "F59")
def test_a_reset_in_the_handshake_is_a_reset(asker: Asker) -> None:
    with Listener(reset()) as far:
        found = asker.ask(config={"scheme": "https", "port": far.port})

    assert told(found) == ("fail", "down", "reset")


@pytest.mark.fault("F58")
def test_a_handshake_that_hangs_ends_at_the_deadline(asker: Asker) -> None:
    with Listener(stay_silent) as far:
        found = asker.ask(config={"scheme": "https", "port": far.port}, timeout_s=0.5)

    assert told(found) == ("fail", "down", "timeout")
    assert found.error == "connected, but no TLS handshake within 0.5 s"
