"""The default gateway of this host, as the kernel's table of routes names it; nothing is sent."""

import socket
import struct
from pathlib import Path

_ROUTES = Path("/proc/net/route")
_IS_UP, _BY_GATEWAY = 1, 2


def default_gateways() -> tuple[str, ...]:
    """Return the IPv4 addresses of the host's default gateways; none where it has none or cannot tell."""
    try:
        return gateways_in(_ROUTES.read_text())
    except OSError:
        return ()


def gateways_in(routes: str) -> tuple[str, ...]:
    """Return the default gateways that a table of routes in the kernel's form names, each once."""
    found = []
    for line in routes.splitlines()[1:]:
        parts = line.split()
        if len(parts) < 8 or parts[1] != "00000000" or parts[7] != "00000000":
            continue
        if int(parts[3], 16) & (_IS_UP | _BY_GATEWAY) == _IS_UP | _BY_GATEWAY:
            # Numbers of the kernel, in this machine's own order of bytes.
            found.append(socket.inet_ntoa(struct.pack("=I", int(parts[2], 16))))
    return tuple(dict.fromkeys(found))
