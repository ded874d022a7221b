"""Cursors: where the next page of a list begins, as a text that callers pass back and need not understand."""

import base64
import binascii
from datetime import datetime

from podhealth.core.errors import InputError
from podhealth.models.base import from_us, to_us

_LARGEST = 2**62


def encode(*numbers: int) -> str:
    """Return the cursor that stands for these numbers."""
    return base64.urlsafe_b64encode(".".join(map(str, numbers)).encode()).decode().rstrip("=")


def decode(text: str, count: int) -> tuple[int, ...]:
    """Return the ``count`` numbers of a cursor; raises InputError(cursor) for any text that ``encode`` did not make."""
    try:
        plain = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode("ascii")
        parts = plain.split(".")
        numbers = tuple(int(p) for p in parts if p.isdigit() and len(p) < 20)
    except (binascii.Error, UnicodeDecodeError, ValueError):
        numbers = ()
    if len(numbers) != count or any(n >= _LARGEST for n in numbers):
        raise InputError("cursor", "is not one of ours; begin again without it")
    return numbers


def of_moment(moment: datetime) -> str:
    """Return the cursor for a list ordered by time."""
    return encode(to_us(moment))


def moment_of(text: str | None) -> datetime | None:
    """Return the moment a cursor stands for, None without one; raises InputError(cursor)."""
    return None if text is None else from_us(decode(text, 1)[0])
