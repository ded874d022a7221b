"""Where a page may send somebody next: our own paths, never another site (hazards A39)."""

import re

_LONGEST = 2000
HOME = "/pods"
OPERATION = "/ops?tab=tenants"  # where a platform admin chooses a tenant
SECOND_FACTOR = "/account/second-factor"
# A slash, a backslash or a control character that whoever decodes the path once more would see.
_DISGUISED = re.compile(r"%(2f|5c|7f|[01][0-9a-f])")


def own_path(wanted: str | None, otherwise: str = HOME) -> str:
    """Return ``wanted`` where it is plainly a path of ours, else ``otherwise``."""
    if not wanted or len(wanted) > _LONGEST or not wanted.startswith("/"):
        return otherwise
    # Browsers take a backslash for a slash and drop tabs and line ends, so neither may stand anywhere.
    if "\\" in wanted or any(ord(c) < 0x21 or ord(c) == 0x7F for c in wanted):
        return otherwise
    # Cut by hand: urlsplit sees an empty host in "///evil.example", where a browser sees evil.example.
    path = re.split(r"[?#]", wanted, maxsplit=1)[0].lower()
    if "//" in path or _DISGUISED.search(path):
        return otherwise
    return wanted
