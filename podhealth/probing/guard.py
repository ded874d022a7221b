"""Decides on the address really connected to: asked last, of what a socket is about to be given.

Resolves nothing itself and knows no kinds.
"""

from collections.abc import Sequence
from ipaddress import ip_address

from podhealth.core.address import allowed_ones, plain


def pick(addresses: Sequence[str], networks: Sequence[str], denied: Sequence[str]) -> str:
    """Return, as plain text, the one address of a name to connect to: the first IPv4 one, else the first.

    Raises AddressRefused with the reason if there is none.
    """
    return str(allowed_ones(addresses, networks, denied)[0])


def is_same(peer: str, checked: str) -> bool:
    """Whether the address a library is about to connect to is the one that was checked, however it is written."""
    return peer == checked or plain(ip_address(peer.partition("%")[0])) == ip_address(checked)
