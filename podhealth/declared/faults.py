"""What is wrong with a file: each place with its line, all of them at once."""

from collections.abc import Sequence
from typing import NamedTuple

from podhealth.core.errors import InputError

Path = tuple[str | int, ...]
_MOST_TOLD = 50


class Fault(NamedTuple):
    """One place that was refused: ``field`` as ``pods[3].checks[0].target``, its line where it is known."""

    field: str
    message: str
    line: int | None = None

    def __str__(self) -> str:
        """Return it as one line."""
        where = "" if self.line is None else f"line {self.line}: "
        return f"{where}{self.field}: {self.message}"


class FileError(InputError):
    """A file was refused as a whole, nothing was changed. ``faults`` are all places of it, at most 50."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        first = faults[0]
        where = "" if first.line is None else f" (line {first.line})"
        super().__init__(first.field, first.message + where, code="refused")
        self.faults = tuple(faults[:_MOST_TOLD])
        self.total = len(faults)


def spelt(path: Path) -> str:
    """Return a place of a file as people and programs write it."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else ("." if text else "") + part
    return text or "file"
