"""Cursors: where the next page of a list begins, as a text that callers pass back and need not understand."""

import base64
import binascii
import re

from podhealth.core.errors import InputError

_LARGEST = 2**62
_NUMBER = re.compile(r"-?[0-9]{1,19}")


def encode(*numbers: int) -> str:
    """Return the cursor that stands for these numbers."""
    return base64.urlsafe_b64encode(".".join(map(str, numbers)).encode()).decode().rstrip("=")


def decode(text: str, count: int) -> tuple[int, ...]:
    """Return the ``count`` numbers of a cursor; raises InputError(cursor) for any text that ``encode`` did not make."""
    try:
        plain = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode("ascii")
        numbers = tuple(int(part) for part in plain.split(".") if _NUMBER.fullmatch(part))
    except (binascii.Error, UnicodeDecodeError, ValueError):
        numbers = ()
    if len(numbers) != count or any(abs(n) >= _LARGEST for n in numbers):
        raise InputError("cursor", "is not one of ours; begin again without it")
    return numbers
