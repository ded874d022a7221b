"""What the settings of a pod's provider may be (behaviour §6, Providers); so far those of a web hook.

Whether the far end answers is only known when it is asked.
"""

import re
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from podhealth.core.address import why_host_refused
from podhealth.core.errors import InputError
from podhealth.core.fields import text

MAX_URL = 1_000
MIN_SECRET, MAX_SECRET = 16, 200

_PLAIN = re.compile(r"[\x21-\x7e]+")
_SCHEMES = ("http", "https")


def parse_webhook(fields: Mapping[str, object], networks: Sequence[str]) -> dict[str, str]:
    """Return the settings of a web hook: ``url``, ``secret``, and ``stateUrl`` where it is given and not null.

    ``networks``: where calls may go. A name is judged by its text now and by its addresses each time it is called.

    Raises InputError that names the first bad field.
    """
    found = {"url": hook_url("url", fields.get("url"), networks), "secret": hook_secret("secret", fields.get("secret"))}
    if fields.get("stateUrl") is not None:
        found["stateUrl"] = hook_url("stateUrl", fields["stateUrl"], networks)
    return found


def hook_url(field: str, value: object, networks: Sequence[str]) -> str:
    """Return the URL that may be called, as far as its text tells. Raises InputError naming ``field``."""
    url = text(field, value, MAX_URL)
    try:
        parts = urlsplit(url) if _PLAIN.fullmatch(url) and "\\" not in url else None
        host, is_port_good = (parts and parts.hostname) or "", parts is not None and parts.port != 0
    except ValueError:  # brackets that do not match, a port that is no number
        parts, host, is_port_good = None, "", False
    # An empty port is most often one URL pasted behind another: https://http://…
    is_port_good = is_port_good and parts is not None and not parts.netloc.endswith(":")
    if parts is None or parts.scheme not in _SCHEMES or not host or not is_port_good:
        raise InputError(field, "must begin with http:// or https:// and a host, in plain characters")
    if "@" in parts.netloc:
        raise InputError(field, "must not hold a name or password; the secret signs each call")
    if parts.fragment:
        raise InputError(field, "must not hold a #")
    if why := why_host_refused(host, networks):
        raise InputError(field, f"leads to a host that {why}")
    return url


def hook_secret(field: str, value: object) -> str:
    """Return a secret that signs well. Raises InputError naming ``field``."""
    if not isinstance(value, str) or not MIN_SECRET <= len(value) <= MAX_SECRET or not _PLAIN.fullmatch(value):
        raise InputError(field, f"must be {MIN_SECRET} to {MAX_SECRET} plain characters without spaces")
    return value
