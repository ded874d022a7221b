"""Whose password is it? Compared in the same time whether there is such a person or not (hazards A22)."""

from flask_security.utils import verify_password

from podhealth.store import people
from podhealth.store.db import read
from podhealth.web.forms.password import is_too_long
from podhealth.web.installed import engine_of

# Compared where there is no such person, so that the answer takes as long.
_NOBODYS = "$argon2id$v=19$m=65536,t=3,p=4$c29tZSBzYWx0IG9mIG5vYm9keQ$2cFLnbCVZyY4P3vZC7wzMzYqPnyx7tVCMVXcNYaHLOY"


def whose_password(email: str, password: str) -> int | None:
    """Return the id of the active person with this address whose password this is, else None."""
    with read(engine_of()) as conn:
        found = people.find_password(conn, email)
    too_long = is_too_long(password)
    matches = verify_password("" if too_long else password, found.hash if found else _NOBODYS)
    return found.user_id if found and matches and not too_long else None


def is_password_of(user_id: int, email: str, password: str) -> bool:
    """Return whether this is the password of that very person."""
    return whose_password(email, password) == user_id
