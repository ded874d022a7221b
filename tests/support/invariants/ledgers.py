"""What processes other than the killed one wrote down: who was called, and what was said to be committed (H4)."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple


class Call(NamedTuple):
    """One call at a provider: under which key, when (microseconds), and whether the action was really done."""

    key: str
    at_us: int | None = None
    executed: bool = True


class Acked(NamedTuple):
    """One result that a worker said was committed."""

    check_id: int
    claim_token: int


@dataclass(frozen=True)
class Ledgers:
    """All that was written down outside; empty where a run keeps none."""

    calls: tuple[Call, ...] = ()
    acked: tuple[Acked, ...] = field(default=())
    # Somebody set the database's clock back: what came later may have an earlier time.
    clock_went_back: bool = False

    @classmethod
    def read(cls, calls: Path | None = None, acked: Path | None = None) -> "Ledgers":
        """Return the ledgers from files of JSON lines; a last line cut short by a kill is passed over."""
        return cls(tuple(Call(**row) for row in _lines(calls)), tuple(Acked(**row) for row in _lines(acked)))


def _lines(path: Path | None) -> list[dict[str, int]]:
    if path is None or not path.exists():
        return []
    whole = path.read_text().rpartition("\n")[0]
    return [json.loads(line) for line in whole.splitlines() if line]
