"""Reads YAML from outside into plain data, and keeps the line of each place.

Plain scalars mean what YAML 1.2 says (``no`` is text), as long as YAML 1.1 means it too. There are no anchors, no
aliases, no tags, no second document and no name twice: none of them can be read without a doubt, or without a bomb.
"""

import re
from collections.abc import Iterator
from copy import deepcopy
from typing import Any, NamedTuple

import yaml

from podhealth.declared.faults import Fault, FileError, Path, spelt

LARGEST = 4 * 1024 * 1024  # bytes
DEEPEST = 16
_MOST_NODES = 500_000
_LONGEST_NAME = 60
_LONGEST_NUMBER = 30

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_FLAGS = {word: spelling[0] == "t" for spelling in ("true", "false") for word in (spelling, spelling.title())}
# No octal, no sixty-based numbers, no "1e3": what two readers of YAML read in two ways is text here.
_WHOLE = re.compile(r"[-+]?(0|[1-9][0-9]*)", re.ASCII)
_NUMBER = re.compile(r"[-+]?[0-9]+\.[0-9]*([eE][-+][0-9]+)?", re.ASCII)

Lines = dict[Path, int]
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Read(NamedTuple):
    """What a file says, and on which line each place of it begins."""

    value: Any
    lines: Lines


def read_yaml(text: str | bytes, *, of_others: bool = False) -> Read:
    """Return what the file says. Raises FileError, with the line, for all that is no plain and small YAML.

    ``of_others``: other products' files may use anchors, aliases and merges; what they grow to is counted.
    """
    raw = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    if len(raw) > LARGEST:
        raise _refused((), f"must be at most {LARGEST // 1024:,} KiB, and is {len(raw) // 1024:,}")
    try:
        reader = _Reader(yaml.parse(raw.decode("utf-8-sig"), Loader=_LOADER), of_others)
        return Read(reader.document(), reader.lines)
    except UnicodeDecodeError:
        raise _refused((), "is no UTF-8 text") from None
    except yaml.YAMLError as error:
        raise _broken(error) from None


def _broken(error: yaml.YAMLError) -> FileError:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "cannot be read"
    return _refused((), f"is no valid YAML: {problem}", None if mark is None else mark.line + 1)


def _refused(path: Path, message: str, line: int | None = None) -> FileError:
    return FileError([Fault(spelt(path), message, line)])


class _Reader:
    """Builds values out of the parser's events, so that nothing is expanded before it is looked at."""

    def __init__(self, events: Iterator[Any], of_others: bool) -> None:
        self._events = events
        self._of_others = of_others
        self._anchored: dict[str, tuple[Any, int]] = {}
        self._left = _MOST_NODES
        self.lines: Lines = {}

    def document(self) -> Any:
        self._next()  # the stream's begin
        if isinstance(self._next(), yaml.StreamEndEvent):  # a file without anything in it
            return None
        value = self._value(self._next(), ())
        self._next()  # the document's end
        event = self._next()
        if not isinstance(event, yaml.StreamEndEvent):
            raise _refused((), "must be one document", event.start_mark.line + 1)
        return value

    def _next(self) -> Any:
        return next(self._events)

    def _value(self, event: Any, path: Path) -> Any:
        line = event.start_mark.line + 1
        self.lines[path] = line
        self._left -= 1
        if self._left < 0 or len(path) > DEEPEST:
            raise _refused(path, "holds too much" if self._left < 0 else "is nested too deeply", line)
        if event.anchor is not None:
            return self._shared(event, path, line)
        return self._plain(event, path, line)

    def _plain(self, event: Any, path: Path, line: int) -> Any:
        if event.tag is not None:
            raise _refused(path, f"must not use tags ({str(event.tag)[:_LONGEST_NAME]})", line)
        if isinstance(event, yaml.ScalarEvent):
            return _scalar(event, path, line)
        return self._list(path) if isinstance(event, yaml.SequenceStartEvent) else self._mapping(path)

    def _shared(self, event: Any, path: Path, line: int) -> Any:
        if not self._of_others:
            raise _refused(path, "must not use anchors and aliases (& and *)", line)
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in self._anchored:
                raise _refused(path, f"there is no anchor {str(event.anchor)[:_LONGEST_NAME]} before it", line)
            value, weight = self._anchored[event.anchor]
            self._left -= weight
            if self._left < 0:
                raise _refused(path, "holds too much", line)
            return deepcopy(value)
        before = self._left
        value = self._plain(event, path, line)
        self._anchored[event.anchor] = (value, before - self._left)
        return value

    def _list(self, path: Path) -> list[Any]:
        found: list[Any] = []
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            found.append(self._value(event, (*path, len(found))))
        return found

    def _mapping(self, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            line = event.start_mark.line + 1
            if not isinstance(event, yaml.ScalarEvent) or event.anchor is not None or event.tag is not None:
                raise _refused(path, "must have plain names", line)
            name = event.value
            if name in found:
                raise _refused((*path, name[:_LONGEST_NAME]), "is given twice", line)
            found[name] = self._value(self._next(), (*path, name[:_LONGEST_NAME]))
            self.lines[(*path, name[:_LONGEST_NAME])] = line
        return _merged(found) if self._of_others else found


def _merged(found: dict[str, Any]) -> dict[str, Any]:
    more = found.pop("<<", {})
    for one in reversed(more if isinstance(more, list) else [more]):
        found = {**one, **found} if isinstance(one, dict) else found
    return found


def _scalar(event: Any, path: Path, line: int) -> Any:
    text: str = event.value
    if not event.implicit[0]:
        return text
    if text in _NULL:
        return None
    if text in _FLAGS:
        return _FLAGS[text]
    is_whole = _WHOLE.fullmatch(text)
    if not is_whole and not _NUMBER.fullmatch(text):
        return text
    if len(text) > _LONGEST_NUMBER:
        raise _refused(path, "holds a number that is too large", line)
    return int(text) if is_whole else float(text)
