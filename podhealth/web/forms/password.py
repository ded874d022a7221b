"""Reads the form that sets a password. What was typed is never shown again."""

from collections.abc import Mapping
from typing import NamedTuple

from podhealth.core.guessable import why_guessable

SHORTEST = 12  # characters
LONGEST_BYTES = 1024  # a longer one is refused before it is hashed (hazards A24)


class NewPassword(NamedTuple):
    """What was typed into the form; ``current`` is empty where it is not asked for."""

    current: str
    password: str
    again: str


def read_new_password(form: Mapping[str, str]) -> NewPassword:
    """Return the three fields, missing ones empty."""
    return NewPassword(form.get("current", ""), form.get("password", ""), form.get("again", ""))


def mistakes(typed: NewPassword, email: str, *names: str | None) -> dict[str, str]:
    """Return what is wrong with the new password, by field; the current one is compared elsewhere.

    ``names``: the person's and the tenant's, which whoever guesses knows.
    """
    found: dict[str, str] = {}
    if len(typed.password) < SHORTEST:
        found["password"] = f"must have at least {SHORTEST} characters"
    elif is_too_long(typed.password):
        found["password"] = f"must be at most {LONGEST_BYTES:,} bytes long"
    elif typed.password.strip().lower() == email:
        found["password"] = "must not be your e-mail address"  # noqa: S105 - a sentence
    elif guessed := why_guessable(typed.password, [email, *filter(None, names)]):
        found["password"] = guessed
    elif typed.again != typed.password:
        found["again"] = "is not the same"
    return found


def is_too_long(password: str) -> bool:
    """Return whether this is longer than any password may be."""
    return len(password.encode("utf-8", "surrogatepass")) > LONGEST_BYTES
