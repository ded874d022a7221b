"""Secrets by reference: a file names where a secret is, and never holds one.

Where names and files are read from is the caller's; a server must never let a tenant read its own.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from podhealth.core.errors import InputError

_NAMED = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]{0,127})\}")
_FILE = "file:"
HIDDEN = "(secret)"
ANOTHER = "(another secret)"


def is_reference(value: object) -> bool:
    """Return whether a value says where a secret is, and is none itself."""
    return isinstance(value, str) and (_NAMED.fullmatch(value) is not None or value.startswith(_FILE))


class Secrets(NamedTuple):
    """Where secrets come from: ``named`` by ``${NAME}``; ``read_file`` gives what ``file:PATH`` names, null: nobody."""

    named: Mapping[str, str] = {}
    read_file: Callable[[str], str] | None = None

    def resolve(self, field: str, reference: object) -> str | None:
        """Return the secret, null where its name has no value here.

        Raises InputError naming the field for anything but a reference, and for a file that cannot be read.
        """
        if isinstance(reference, str):
            if found := _NAMED.fullmatch(reference):
                return self.named.get(found[1]) or None
            if reference.startswith(_FILE):
                return self._from_file(field, reference.removeprefix(_FILE))
        raise InputError(field, "must be a reference such as ${NAME} or file:/path, never the secret itself")

    def _from_file(self, field: str, path: str) -> str:
        if self.read_file is None:
            raise InputError(field, "cannot be read from a file here: send it under a name, such as ${NAME}")
        try:
            return self.read_file(path).rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "is no text"
            raise InputError(field, f"{path} cannot be read: {reason}") from None


class Settled(NamedTuple):
    """Settings whose secrets were looked up. ``unset``: references without a value, whose stored secret stays."""

    config: dict[str, Any]
    replaced: frozenset[str]
    unset: tuple[str, ...]


def settle(
    at: str,
    given: Mapping[str, Any],
    stored: Mapping[str, Any],
    names: frozenset[str],
    secrets: Secrets,
    opened: Callable[[], Mapping[str, Any]],
) -> Settled:
    """Return ``given`` with its secrets in place: as they are stored where they are absent, unset or the same.

    ``opened`` gives the stored settings with their secrets open; asked only where there is something to hold against
    them. Raises InputError for a reference that has neither a value nor a stored secret.
    """
    config, replaced, unset = dict(given), set[str](), list[str]()
    for name in sorted(names):
        reference = given.get(name)
        plain = None if reference is None else secrets.resolve(f"{at}.{name}", reference)
        if plain is None and stored.get(name) is not None:
            config[name] = stored[name]
            unset += [f"{at}.{name}: {reference} is not set: the stored secret stays"] if reference else []
        elif plain is None:
            config.pop(name, None)
            if reference is not None:
                raise InputError(f"{at}.{name}", f"{reference} is not set here, and no secret is stored")
        elif stored.get(name) is not None and opened().get(name) == plain:
            config[name] = stored[name]
        else:
            config[name] = plain
            replaced.add(name)
    return Settled(config, frozenset(replaced), tuple(unset))
