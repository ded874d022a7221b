"""The kind tcp against real listeners."""

import pytest

from podhealth.core.words import Kind, Outcome
from tests.probing.conftest import Asker
from tests.probing.test_http import told
from tests.support.listeners import Listener, closed_port, drip, full_backlog, greet, reset, stay_silent


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.fault("F63")
def test_a_connection_is_ok_with_its_latency(asker: Asker, host: str) -> None:
    with Listener(stay_silent, host) as far:
        found = asker.ask(Kind.TCP, str(far.port), address=host)

    assert told(found) == ("ok", None, None)
    assert found.latency_ms is not None
    assert 0 < found.latency_ms < 2000


def test_a_closed_port_refuses(asker: Asker) -> None:
    found = asker.ask(Kind.TCP, str(closed_port()))

    assert told(found) == ("fail", "down", "refused")
    assert found.latency_ms is None


def test_a_connection_over_the_latency_limit_is_slow(asker: Asker) -> None:
    with Listener(stay_silent) as far:
        found = asker.ask(Kind.TCP, str(far.port), latency_limit_ms=0.0001)

    assert told(found) == ("slow", None, "slow")


@pytest.mark.fault("F53")
def test_a_dropped_syn_ends_at_the_deadline(asker: Asker) -> None:
    with full_backlog() as port:
        found = asker.ask(Kind.TCP, str(port), timeout_s=0.5)

    assert told(found) == ("fail", "down", "timeout")
    assert found.error == "no connection within 0.5 s"


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        (b"SSH-2.0-OpenSSH_9.6\r\n", ("ok", None, None)),
        (b"SSH-2.0-", ("ok", None, None)),
        (b"SSH-1.99-old\r\n", ("fail", "content", "banner")),
        (b"220 mail\r\n", ("fail", "content", "banner")),
    ],
    ids=["right", "just", "late-difference", "other"],
)
def test_the_banner_must_begin_as_wanted(asker: Asker, said: bytes, outcome: tuple[str, str, str]) -> None:
    with Listener(greet(said)) as far:
        found = asker.ask(Kind.TCP, str(far.port), config={"banner": "SSH-2.0-"})

    assert told(found) == outcome


@pytest.mark.attack("A46")
def test_a_wrong_banner_is_shown_without_control_characters_and_not_at_length(asker: Asker) -> None:
    with Listener(greet(b"\x1b[31mSS\r\n\x00<b>")) as far:
        found = asker.ask(Kind.TCP, str(far.port), config={"banner": "SSH-2.0-" + "x" * 190}, timeout_s=5.0)

    assert found.error == "banner begins with “[31mSS <b>”, not as wanted"


def test_silence_where_a_banner_is_wanted_is_a_timeout(asker: Asker) -> None:
    with Listener(stay_silent) as far:
        found = asker.ask(Kind.TCP, str(far.port), config={"banner": "SSH"}, timeout_s=0.5)

    assert told(found) == ("fail", "down", "timeout")
    assert found.error == "no banner within 0.5 s"


def test_a_banner_that_drips_is_put_together(asker: Asker) -> None:
    def behave(connection: object) -> None:
        drip(b"H-2.0-x", 0.01, b"SS")(_Unread(connection))  # type: ignore[arg-type]

    with Listener(behave) as far:
        found = asker.ask(Kind.TCP, str(far.port), config={"banner": "SSH-2.0-"})

    assert found.outcome is Outcome.OK
    assert found.size == 8


@pytest.mark.fault("F59")
def test_a_reset_before_the_banner_is_a_failure(asker: Asker) -> None:
    with Listener(reset(read=False)) as far:
        found = asker.ask(Kind.TCP, str(far.port), config={"banner": "SSH"})

    assert told(found) == ("fail", "down", "reset")


@pytest.mark.parametrize("port", ["0", "65536", "80abc", " 80", "-1", "٣", "", None, "1" * 30], ids=ascii)
def test_a_stored_port_that_is_none_is_invalid(asker: Asker, port: str | None) -> None:
    assert told(asker.ask(Kind.TCP, port)) == ("invalid", None, "target")


class _Unread:
    """A connection from which nothing is expected: the client of a banner says nothing first."""

    def __init__(self, connection: object) -> None:
        self._connection = connection

    def recv(self, _size: int) -> bytes:
        return b""

    def __getattr__(self, name: str) -> object:
        return getattr(self._connection, name)
