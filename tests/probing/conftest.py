"""An engine to probe real listeners on loopback with, and certificates for them."""

import ssl
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest
import trustme

from podhealth.core.probe import Finding, Target
from podhealth.core.words import Kind
from podhealth.probing.engine import Engine

LOOPBACK = ("127.0.0.0/8", "::1/128")


def a_target(kind: Kind = Kind.HTTP, target: str | None = None, **fields: Any) -> Target:
    """Return a target on loopback; an http check asks for "/"."""
    if kind == Kind.HTTP and target is None:
        target = "/"
    fields = {"address": "127.0.0.1", "timeout_s": 5.0, "networks": LOOPBACK, **fields}
    return Target(check_id=1, pod_id=1, tenant_id=fields.pop("tenant_id", 1), kind=kind, target=target, **fields)


class Asker:
    """An engine and what it has found."""

    def __init__(self, max_in_flight: int = 5000, **options: Any) -> None:
        self.found: dict[Any, Finding] = {}
        self.times: dict[Any, tuple[float, float]] = {}
        self._news = threading.Condition()
        self._next = 0
        options.setdefault("starts_per_address", 0)
        self.engine = Engine(self._done, max_in_flight, **options)

    def __enter__(self) -> "Asker":
        self.engine.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.engine.stop(0.0)

    def _done(self, key: Any, finding: Finding, begun: float, ended: float) -> None:
        with self._news:
            assert key not in self.found, "a probe was handed over twice"
            self.found[key] = finding
            self.times[key] = (begun, ended)
            self._news.notify_all()

    def submit(self, targets: Sequence[Target]) -> list[int]:
        keys = list(range(self._next, self._next + len(targets)))
        self._next += len(targets)
        self.engine.submit(list(zip(keys, targets, strict=True)))
        return keys

    def wait(self, keys: Sequence[int], within_s: float = 20.0) -> list[Finding]:
        with self._news:
            arrived = self._news.wait_for(lambda: all(key in self.found for key in keys), within_s)
            assert arrived, f"{sum(key not in self.found for key in keys)} probes did not end"
            return [self.found[key] for key in keys]

    def ask(self, kind: Kind = Kind.HTTP, target: str | None = None, **fields: Any) -> Finding:
        return self.wait(self.submit([a_target(kind, target, **fields)]))[0]

    def took_s(self, key: int) -> float:
        begun, ended = self.times[key]
        return ended - begun


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def asker(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asker]:
    """One engine for all tests that need no engine of their own; it trusts ``authority``."""
    bundle = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    with Asker(ca_file=str(bundle), resolve=_names) as asker:
        yield asker


def _names(name: str) -> list[str]:
    if name.endswith(".example"):
        return ["127.0.0.1"]
    raise OSError("Name or service not known")


@pytest.fixture(scope="session")
def server_tls(authority: trustme.CA) -> Callable[..., ssl.SSLContext]:
    """Make the far end's side of TLS with a certificate for some names."""

    def make(*names: str, authority: trustme.CA = authority, **options: Mapping[str, Any]) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(*names, **options).configure_cert(context)  # type: ignore[arg-type]
        return context

    return make
