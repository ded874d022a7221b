"""``/metrics`` for Prometheus: for who brings the operator's token or, where none is set, asks from this very host.

For everybody else there is no such page.
"""

import hmac
from ipaddress import ip_address

from flask import Blueprint, Response, current_app, request
from flask.typing import ResponseReturnValue
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from podhealth.core.errors import NotFound
from podhealth.web.installed import installed
from podhealth.web.measuring import registry_of

pages = Blueprint("metrics", __name__)

# A proxy on this host forwards strangers from here: whoever comes by one is not this host.
_FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Via")
_OWN_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})


@pages.get("/metrics")
def show() -> ResponseReturnValue:
    """Show the figures of the installation and of this web process. Raises NotFound for strangers."""
    if not _may():
        raise NotFound
    return Response(generate_latest(registry_of(current_app)), content_type=CONTENT_TYPE_LATEST)


def _may() -> bool:
    token = installed().settings.metrics_token
    if token:
        kind, _, given = request.headers.get("Authorization", "").partition(" ")
        return kind.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.encode())
    return _is_this_host()


def _is_this_host() -> bool:
    if any(name in request.headers for name in _FORWARDED):
        return False
    name = request.host.rpartition(":")[0] if request.host.rpartition(":")[2].isdigit() else request.host
    return name in _OWN_NAMES and request.remote_addr is not None and ip_address(request.remote_addr).is_loopback
