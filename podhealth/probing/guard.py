"""Decides on the address really connected to: what may be probed is asked here, last, of what the socket is given.

Resolves nothing itself and knows no kinds.
"""

from collections.abc import Sequence
from ipaddress import ip_address

from podhealth.core.address import is_forbidden, plain, why_refused


class AddressRefused(ValueError):  # noqa: N818 - told as a finding, not an error of ours
    """A host that may not be probed; the text ends a sentence that starts with it."""


def pick(addresses: Sequence[str], networks: Sequence[str], denied: Sequence[str]) -> str:
    """Return, as plain text, the one address of a name to connect to: the first IPv4 one, else the first.

    Addresses outside the allowed networks are passed over (a name may have a public one too). A name with a
    forbidden address among its answers is refused whole: no honest pod has one, a rebinding attack does.

    Raises AddressRefused with the reason.
    """
    plain_ones = [plain(ip_address(text)) for text in addresses]
    for ip in plain_ones:
        if is_forbidden(ip, networks, denied):
            raise AddressRefused(f"{why_refused(ip, networks, denied)}")
    allowed = [ip for ip in plain_ones if why_refused(ip, networks, denied) is None]
    if not allowed:
        raise AddressRefused("is outside the allowed networks")
    return str(min(allowed, key=lambda ip: ip.version))


def is_same(peer: str, checked: str) -> bool:
    """Whether the address a library is about to connect to is the one that was checked, however it is written."""
    return peer == checked or plain(ip_address(peer.partition("%")[0])) == ip_address(checked)
