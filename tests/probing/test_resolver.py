"""Names: found, remembered, capped; trouble with them is never the pod's."""

import threading
from collections.abc import Iterator

import pytest

from tests.probing.conftest import Asker
from tests.probing.test_http import told
from tests.support.listeners import Listener, page


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """A gate that a resolver waits at; open at the latest when the test ends."""
    event = threading.Event()
    yield event
    event.set()


def test_a_name_is_resolved_once_and_its_host_header_kept() -> None:
    asked: list[str] = []

    def resolve(name: str) -> list[str]:
        asked.append(name)
        return ["127.0.0.1"]

    with Listener(page()) as far, Asker(resolve=resolve) as asker:
        found = [asker.ask(address="Web.Example.", config={"port": far.port}) for _ in range(3)]

    assert {told(one) for one in found} == {("ok", None, None)}
    assert asked == ["web.example"]
    assert f"Host: web.example:{far.port}".encode() in far.requests[0]


@pytest.mark.parametrize(
    "trouble", [OSError(-2, "Name or service not known"), OSError(-3, "Temporary failure"), UnicodeError("label")]
)
@pytest.mark.fault("F52")
def test_trouble_with_a_name_is_an_error_and_never_a_failure(trouble: Exception) -> None:
    def resolve(_name: str) -> list[str]:
        raise trouble

    with Asker(resolve=resolve) as asker:
        found = asker.ask(address="pod.example")

    assert told(found) == ("error", None, "dns")


@pytest.mark.fault("F52")
def test_a_name_without_addresses_is_an_error() -> None:
    with Asker(resolve=lambda _name: []) as asker:
        assert told(asker.ask(address="pod.example")) == ("error", None, "dns")


@pytest.mark.fault("F52")
def test_a_slow_resolver_is_given_up_while_others_are_probed(
    gate: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("podhealth.probing.engine.CAP_S", 0.3)

    def resolve(_name: str) -> list[str]:
        gate.wait(20)
        return ["127.0.0.1"]

    with Listener(page()) as far, Asker(resolve=resolve) as asker:
        slow = asker.submit([_named(f"pod-{n}.example", far.port) for n in range(40)])
        quick = asker.ask(config={"port": far.port})
        before = len(asker.found)
        found = asker.wait(slow)

    assert told(quick) == ("ok", None, None)
    assert before == 1
    assert {told(one) for one in found} == {("error", None, "dns")}


@pytest.mark.fault("F52")
def test_a_late_answer_is_remembered_for_the_next_probe(gate: threading.Event, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("podhealth.probing.engine.CAP_S", 0.1)

    def resolve(_name: str) -> list[str]:
        gate.wait(20)
        return ["127.0.0.1"]

    with Listener(page()) as far, Asker(resolve=resolve) as asker:
        first = asker.ask(address="pod.example", config={"port": far.port})
        gate.set()
        monkeypatch.setattr("podhealth.probing.engine.CAP_S", 10.0)
        second = asker.ask(address="pod.example", config={"port": far.port})

    assert told(first) == ("error", None, "dns")
    assert told(second) == ("ok", None, None)


@pytest.mark.fault("F52")
def test_ten_thousand_addresses_are_not_all_kept() -> None:
    with Listener(page()) as far, Asker(resolve=lambda _name: ["127.0.0.1"] * 10_000) as asker:
        assert told(asker.ask(address="pod.example", config={"port": far.port})) == ("ok", None, None)


def _named(name: str, port: int):  # type: ignore[no-untyped-def]
    from tests.probing.conftest import a_target

    return a_target(address=name, config={"port": port})
