"""Where a page may send somebody next: our own paths, never another site (hazards A39)."""

from urllib.parse import urlsplit

_LONGEST = 2000
HOME = "/pods"


def own_path(wanted: str | None, otherwise: str = HOME) -> str:
    """Return ``wanted`` where it is plainly a path of ours, else ``otherwise``."""
    if not wanted or len(wanted) > _LONGEST or not wanted.startswith("/"):
        return otherwise
    # Browsers take a backslash for a slash and drop tabs and line ends, so neither may stand anywhere.
    if "\\" in wanted or any(ord(c) < 0x21 or ord(c) == 0x7F for c in wanted):
        return otherwise
    try:
        parts = urlsplit(wanted)
    except ValueError:
        return otherwise
    lowered = parts.path.lower()
    if parts.scheme or parts.netloc or "//" in parts.path or "%2f" in lowered or "%5c" in lowered:
        return otherwise
    return wanted
