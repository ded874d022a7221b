"""Regular expressions of tenants: by an engine whose time is linear in the text, and none whose steps are too large."""

from typing import Any

import re2

from podhealth.core.errors import InputError

_MOST_BYTES = 1 << 20
# Beyond some hundreds the engine's states no longer fit into its memory: it goes back to trying all at each character,
# and 64 KiB take half a second in which the prober does nothing else.
_MOST_INSTRUCTIONS = 700


def compile_pattern(field: str, pattern: str) -> Any:  # noqa: ANN401 - re2 has no types
    """Return a compiled regular expression, for bytes.

    Raises InputError with the engine's own words: no back-references, no look-around, not too large.
    """
    options = re2.Options()
    options.max_mem = _MOST_BYTES
    options.log_errors = False
    try:
        found = re2.compile(pattern.encode(), options)
    except re2.error as error:
        words = error.args[0] if error.args else "unknown error"
        shown = words.decode("utf-8", "replace") if isinstance(words, bytes) else str(words)
        raise InputError(field, f"is no regular expression that runs in linear time (RE2): {shown}") from None
    if found.programsize > _MOST_INSTRUCTIONS:
        raise InputError(field, "is too large: repeat less, or repeated parts less often")
    return found
