"""Reference targets of a vantage as people write them: ``10.0.0.1`` (does it answer at all?) or ``10.0.0.1:8006``.

Whether an address is allowed is asked here by its text only; whoever connects asks again. No socket is opened.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from podhealth.core.address import is_forbidden, parse_host, plain, why_host_refused
from podhealth.core.errors import InputError
from podhealth.core.places import FEWEST_REFERENCES, MOST_REFERENCES


class ReferenceTarget(NamedTuple):
    """A host, and the port to connect to; without one it is pinged."""

    host: str
    port: int | None

    def __str__(self) -> str:
        if self.port is None:
            return self.host
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_reference(text: str) -> ReferenceTarget:
    """Return the target that a text names. Raises ValueError, whose text ends a sentence that starts with it."""
    host, port = _parts(text.strip())
    parsed = parse_host(host)
    name = parsed if isinstance(parsed, str) else str(plain(parsed))
    if port is None:
        return ReferenceTarget(name, None)
    if not (port.isascii() and port.isdecimal() and len(port) <= 5 and 1 <= int(port) <= 65_535):
        raise ValueError("has a port that is not a whole number from 1 to 65,535")
    return ReferenceTarget(name, int(port))


def _parts(text: str) -> tuple[str, str | None]:
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise ValueError("is no IP address and no DNS name")
        return host, rest[1:] if rest else None
    if text.count(":") == 1:
        host, _, port = text.partition(":")
        return host, port
    return text, None  # a name, an IPv4 address, or an IPv6 address without a port


def networks_with(platform: Sequence[str], known: Iterable[str]) -> tuple[str, ...]:
    """Return where references may lie: the platform's networks, and the known addresses of its nodes and gateway.

    A known address that is refused for what it is (loopback, link-local, metadata) stays refused.
    """
    own = []
    for text in known:
        try:
            host = parse_host(text)
        except ValueError:
            continue
        if not isinstance(host, str) and not is_forbidden(host, platform):
            own.append(f"{plain(host)}/{plain(host).max_prefixlen}")
    return (*platform, *own)


def parse_references(texts: Iterable[str], networks: Sequence[str]) -> tuple[str, ...]:
    """Return the targets an operator chose, each in its plain spelling, in the order given.

    Raises InputError(reference) for a bad or refused address, one named twice, or a number other than 2 to 10.
    """
    found: list[str] = []
    for text in texts:
        try:
            target = parse_reference(text)
        except ValueError as error:
            raise InputError("reference", f"{text} {error}") from None
        why = why_host_refused(target.host, networks)
        if why:
            raise InputError("reference", f"{text} {why}")
        if str(target) in found:
            raise InputError("reference", f"{text} is named twice")
        found.append(str(target))
    if not FEWEST_REFERENCES <= len(found) <= MOST_REFERENCES:
        raise InputError("reference", f"must be given {FEWEST_REFERENCES} to {MOST_REFERENCES} times")
    return tuple(found)


def default_references(nodes: Iterable[str], gateways: Iterable[str], networks: Sequence[str]) -> tuple[str, ...]:
    """Return the targets where nobody chose any: the gateways and the nodes, as many as allowed, in that order.

    Addresses that are refused are passed over, and fewer than two are none: one that is down proves nothing.
    """
    found: list[str] = []
    for text in (*gateways, *nodes):
        try:
            host = str(parse_reference(text).host)
        except ValueError:
            continue
        if why_host_refused(host, networks) is None and host not in found:
            found.append(host)
    return tuple(found[:MOST_REFERENCES]) if len(found) >= FEWEST_REFERENCES else ()
