"""A file as its objects: its sections, their names, no field unknown. What the fields say is judged in ``planning``."""

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any, NamedTuple

from podhealth.core.errors import InputError
from podhealth.core.fields import line
from podhealth.core.words import Declared
from podhealth.declared.faults import Fault, FileError, Path, spelt
from podhealth.declared.fields import KNOWN, SECTIONS, Fields
from podhealth.declared.reading import Lines, read_yaml

VERSION = 1
MAX_NAME = 63
MOST_OBJECTS = 20_000


class Entry(NamedTuple):
    """One object of a file; ``checks`` null: the file says nothing about the pod's."""

    noun: Declared
    name: str
    fields: Fields
    path: Path
    checks: "tuple[Entry, ...] | None" = None


class Document(NamedTuple):
    """A file whose objects are known by name; ``lines`` tells where in it they stand."""

    entries: tuple[Entry, ...]
    lines: Lines

    def of(self, noun: Declared) -> Iterator[Entry]:
        """Return the file's objects of a kind, in its order."""
        return (entry for entry in self.entries if entry.noun is noun)

    def fault(self, path: Path, message: str) -> Fault:
        """Return what is wrong at a place, with the line of the nearest place that the file has."""
        near = path
        while near and near not in self.lines:
            near = near[:-1]
        return Fault(spelt(path), message, self.lines.get(near))


def read_document(text: str | bytes) -> Document:
    """Return the file's objects. Raises FileError with all that is wrong with its shape."""
    value, lines = read_yaml(text)
    reader = _Reader(Document((), lines))
    entries = reader.entries(value)
    if reader.faults:
        raise FileError(reader.faults)
    return Document(tuple(entries), lines)


class _Reader:
    def __init__(self, document: Document) -> None:
        self._document = document
        self.faults: list[Fault] = []

    def _refuse(self, path: Path, message: str) -> None:
        self.faults.append(self._document.fault(path, message))

    def entries(self, value: Any) -> list[Entry]:
        if not isinstance(value, dict):
            self._refuse((), f"must begin with 'version: {VERSION}' and hold " + ", ".join(SECTIONS))
            return []
        self._refuse_unknown(value, frozenset({"version", *SECTIONS}), ())
        if value.get("version") != VERSION:
            self._refuse(("version",), f"must be {VERSION}")
        found = [entry for section, noun in SECTIONS.items() for entry in self._section(value, section, noun)]
        if len(found) > MOST_OBJECTS:
            self._refuse((), f"must hold at most {MOST_OBJECTS:,} objects")
        return found

    def _section(self, value: Fields, section: str, noun: Declared) -> list[Entry]:
        if value.get(section) is None:
            return []
        return self._list(value[section], (section,), noun)

    def _list(self, value: Any, path: Path, noun: Declared) -> list[Entry]:
        if not isinstance(value, list):
            self._refuse(path, "must be a list")
            return []
        made = [self._entry(one, (*path, at), noun) for at, one in enumerate(value)]
        found = [entry for entry in made if entry is not None]
        seen: set[str] = set()
        for entry in found:
            if entry.name in seen:
                self._refuse((*entry.path, "name"), f"{entry.name} is the name of another {noun.value} of this file")
            seen.add(entry.name)
        return found

    def _entry(self, value: Any, path: Path, noun: Declared) -> Entry | None:
        if not isinstance(value, dict):
            self._refuse(path, f"must be a {noun.value}: its fields and their values")
            return None
        self._refuse_unknown(value, KNOWN[noun], path)
        named = value.get("name", value.get("checkType") if noun is Declared.CHECK else None)
        if named is None:
            self._refuse((*path, "name"), "is missing")
            return None
        try:
            name = line("name", named, MAX_NAME)
        except InputError as error:
            self._refuse((*path, "name"), error.message)
            return None
        fields = {key: one for key, one in value.items() if key in KNOWN[noun] and key != "checks"} | {"name": name}
        listed = value.get("checks") if noun is Declared.POD else None
        checks = None if listed is None else tuple(self._list(listed, (*path, "checks"), Declared.CHECK))
        return Entry(noun, name, fields, path, checks)

    def _refuse_unknown(self, value: Fields, known: frozenset[str], path: Path) -> None:
        for name in value:
            if name not in known:
                near = get_close_matches(name, sorted(known), 1, 0.5)
                hint = f": did you mean {near[0]}?" if near else "; there are " + ", ".join(sorted(known))
                self._refuse((*path, name[:60]), "there is no such field" + hint)
