"""Whether an address may be probed or called, in whatever spelling it comes (behaviour §3, Addresses).

Nothing here resolves a name or opens a socket: names are judged by their text only, and whoever connects asks again
with the address really used.
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

IP = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# Addresses under which clouds hand out credentials. Never allowed, whatever the networks say: fd00:ec2::254 lies
# inside fc00::/7, which is allowed by default, and 100.100.100.200 inside 100.64.0.0/10.
METADATA = frozenset(
    ip_address(text)
    for text in (
        "169.254.169.254",
        "169.254.170.2",
        "169.254.170.23",
        "100.100.100.200",
        "192.0.0.192",
        "168.63.129.16",
        "fd00:ec2::254",
        "fd00:ec2::23",
        "fd20:ce::254",
        "fe80::a9fe:a9fe",
    )
)

# range, what it is, whether naming it (or a part of it) as an allowed network opens it
_SPECIAL: tuple[tuple[Network, str, bool], ...] = tuple(
    (ip_network(text), what, may_be_named)
    for text, what, may_be_named in (
        ("127.0.0.0/8", "loopback", True),
        ("::1/128", "loopback", True),
        ("0.0.0.0/8", "unspecified", False),
        ("::/128", "unspecified", False),
        ("169.254.0.0/16", "link-local", False),
        ("fe80::/10", "link-local", False),
        ("224.0.0.0/4", "multicast", False),
        ("ff00::/8", "multicast", False),
        ("100.64.0.0/10", "shared address space", True),
        ("192.0.0.0/24", "reserved", False),
        ("192.0.2.0/24", "reserved for documentation", True),
        ("198.51.100.0/24", "reserved for documentation", True),
        ("203.0.113.0/24", "reserved for documentation", True),
        ("2001:db8::/32", "reserved for documentation", True),
        ("3fff::/20", "reserved for documentation", True),
        ("198.18.0.0/15", "reserved for benchmarks", True),
        ("192.88.99.0/24", "reserved", False),
        ("240.0.0.0/4", "reserved", False),
        ("fec0::/10", "reserved", False),
        ("100::/64", "reserved", False),
    )
)
_NAT64 = ip_network("64:ff9b::/96")
_NAT64_LOCAL = ip_network("64:ff9b:1::/48")
_TRANSLATED = ip_network("::ffff:0:0:0/96")
_COMPATIBLE = ip_network("::/96")
_UNICAST = (ip_network("2000::/3"), ip_network("fc00::/7"), _NAT64, _NAT64_LOCAL)
_ISATAP = (0x00005EFE, 0x02005EFE)

_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)", re.ASCII)
_NUMBER = re.compile(r"\d+|0x[0-9a-f]*", re.ASCII)
_OWN_NAMES = frozenset(
    ("localhost", "localhost.localdomain", "localhost4", "localhost6", "ip6-localhost", "ip6-loopback", "broadcasthost")
)
_METADATA_NAMES = frozenset(("metadata", "metadata.google.internal", "metadata.goog", "instance-data"))


class AddressRefused(ValueError):  # noqa: N818 - most often a finding, not an error
    """A host that may not be probed or called; the text ends a sentence that starts with it."""


def parse_host(text: str) -> IP | str:
    """Return the address a host text writes out, or the DNS name it is, in small letters without a final dot.

    Only the plain spellings count: what resolvers also take for an address (``127.1``, ``0x7f000001``, full-width
    digits) is neither. Raises ValueError, whose text ends a sentence that starts with the host.
    """
    try:
        address = ip_address(text)
    except ValueError:
        return _parse_name(text)
    if isinstance(address, IPv6Address) and address.scope_id is not None:
        raise ValueError("names a zone, which only means something on this host")
    return address


def _parse_name(text: str) -> str:
    name = text.lower().removesuffix(".")
    if not text.isascii() or not name or len(name) > 253:
        raise ValueError("is no IP address and no DNS name")
    labels = name.split(".")
    if not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError("is no IP address and no DNS name")
    # As browsers do it: a last label that is a number makes the whole an address, and this one is misspelt.
    if _NUMBER.fullmatch(labels[-1]):
        raise ValueError("is an address in an unusual spelling; write it as 192.0.2.10")
    return name


def why_host_refused(text: str, networks: Sequence[str], denied: Sequence[str] = ()) -> str | None:
    """Return why a pod's address is refused when it is written, or None if it may be stored.

    A DNS name passes here unless it can only mean this host or a metadata service; it is judged by its addresses
    each time it is used.
    """
    try:
        host = parse_host(text)
    except ValueError as error:
        return str(error)
    if not isinstance(host, str):
        return why_refused(host, networks, denied)
    if host in _OWN_NAMES or host.endswith(".localhost"):
        return "is this host's own name"
    if host in _METADATA_NAMES:
        return "is a metadata service"
    return None


def why_refused(ip: IP | str, networks: Sequence[str], denied: Sequence[str] = ()) -> str | None:
    """Return why an address is refused, or None if it lies in an allowed network and is nothing special.

    ``networks`` are the allowed ones; without any, everything is refused. Naming loopback, shared or benchmark space
    there opens that part; metadata, link-local, multicast and unspecified addresses stay shut. ``denied`` are
    addresses or networks of the control plane. Addresses that carry an IPv4 address inside are judged by it too, and
    what is opened by name is opened in its own spelling only.
    """
    try:
        address = plain(ip_address(ip) if isinstance(ip, str) else ip)
    except ValueError:
        return "is no IP address"
    if getattr(address, "scope_id", None) is not None:
        return "is link-local"
    allowed = _parse_networks(tuple(networks))
    own = _parse_networks(tuple(denied))
    for candidate in (address, *_carried(address)):
        if any(candidate in network for network in own):
            return "is one of PodHealth's own addresses"
        special = _why_special(candidate, allowed if candidate is address else ())
        if special:
            return f"is {special}"
    if not any(address in network for network in allowed):
        return "is outside the allowed networks"
    return None


def is_forbidden(ip: IP | str, networks: Sequence[str], denied: Sequence[str] = ()) -> bool:
    """Whether an address is refused for what it is, not merely for lying outside the allowed networks."""
    why = why_refused(ip, networks, denied)
    return why is not None and why != "is outside the allowed networks"


def allowed_ones(addresses: Sequence[str], networks: Sequence[str], denied: Sequence[str] = ()) -> list[IP]:
    """Return those addresses of a name that may be connected to, IPv4 first, as what will really be connected to.

    Addresses outside the allowed networks are passed over (a name may have a public one too). A name with a
    forbidden address among its answers is refused whole: no honest pod has one, a rebinding attack does.

    Raises AddressRefused with the reason if none is left, ValueError if one is no address at all.
    """
    plain_ones = [plain(ip_address(text)) for text in addresses]
    for ip in plain_ones:
        if is_forbidden(ip, networks, denied):
            raise AddressRefused(why_refused(ip, networks, denied))
    allowed = [ip for ip in plain_ones if why_refused(ip, networks, denied) is None]
    if not allowed:
        raise AddressRefused("is outside the allowed networks")
    return sorted(allowed, key=lambda ip: ip.version)


def counted_as(text: str) -> str:
    """Return as whom to count a caller: the address, of IPv6 its network of 64 bits, which is one subscriber's.

    What is no address is counted as it is.
    """
    try:
        ip = plain(ip_address(text))
    except ValueError:
        return text
    if isinstance(ip, IPv4Address):
        return str(ip)
    return str(IPv6Network((int(ip) >> 64 << 64, 64)))


def plain(ip: IP) -> IP:
    """Return the address the operating system really connects to: an IPv4-mapped one is IPv4."""
    mapped = ip.ipv4_mapped if isinstance(ip, IPv6Address) else None
    return mapped or ip


def _carried(ip: IP) -> Iterator[IPv4Address]:
    """Yield the IPv4 addresses that a gateway on the way could take out of an IPv6 one."""
    if isinstance(ip, IPv4Address):
        return
    number = int(ip)
    low = number & 0xFFFFFFFF
    if any(ip in network for network in (_NAT64, _NAT64_LOCAL, _TRANSLATED)) or (ip in _COMPATIBLE and low > 1):
        yield IPv4Address(low)
    if ip in _NAT64_LOCAL:  # RFC 6052, prefix of 48 bits: two bytes, a zero byte, two bytes
        yield IPv4Address(((number >> 64) & 0xFFFF) << 16 | ((number >> 40) & 0xFFFF))
    if ip.sixtofour is not None:
        yield ip.sixtofour
    if ip.teredo is not None:
        yield from ip.teredo
    if (number >> 32) & 0xFFFFFFFF in _ISATAP:
        yield IPv4Address(low)


def _why_special(ip: IP, allowed: tuple[Network, ...]) -> str | None:
    if ip in METADATA:
        return "a metadata address"
    for network, what, may_be_named in _SPECIAL:
        if ip in network and not (may_be_named and _is_named(ip, network, allowed)):
            return what
    if isinstance(ip, IPv6Address) and not any(ip in network for network in (*_UNICAST, ip_network("::1/128"))):
        return "reserved"
    return None


def _is_named(ip: IP, special: Network, allowed: tuple[Network, ...]) -> bool:
    # 0.0.0.0/0 does not name loopback: only a network inside the special range does.
    return any(
        ip in network and network.version == special.version and network.subnet_of(special)  # type: ignore[arg-type]
        for network in allowed
    )


@lru_cache(maxsize=1024)
def _parse_networks(networks: tuple[str, ...]) -> tuple[Network, ...]:
    return tuple(ip_network(text, strict=False) for text in networks)
