"""Write docs/states.md from the table in podhealth/core/status.py: ``python docs/make_states.py``.

The table is the truth; this file knows only how to lay it out.
"""

from pathlib import Path

from podhealth.core.status import TABLE, Cell
from podhealth.core.words import Status

PAGE = Path(__file__).with_name("states.md")

HEAD = """# How a check's status changes

Made from the table in `podhealth/core/status.py` by `python docs/make_states.py`; a test compares the two.

`f` and `s` count failures and successes in a row, this result included; FT and ST are the check's failureThreshold and
successThreshold. A *success* is `ok` or `slow`; *slow-run* means that the last max(2, ST) successes were all slow.
`error` and `invalid` are our own trouble: they change nothing and are no evidence.

| from | success | slow-run | fail | error, invalid |
| --- | --- | --- | --- | --- |
"""

TAIL = """
- fail: f + 1, s = 0. Success: s + 1, and f = 0, except in unhealthy, where f is kept until it is left and is 0 then.
- A status is believed for min(3 × interval, interval + 2 h) + timeout after its last conclusive result; from then on it
  is unknown for every reader.
- Entering unknown, an edit, enabling, the end of a provider's action, and the end of maintenance, of unreachable and of
  blindness begin anew: unknown, f = s = 0.
"""


def told(cell: Cell, when: str, start: Status) -> str:
    """Return one cell in words."""
    reached = "stays" if cell.reached == start else f"→ {cell.reached.value}"
    short = "stays" if cell.short == start else cell.short.value
    if cell.reached == cell.short:
        return reached
    return f"{when} {reached}, else {short}"


def page() -> str:
    """Return the whole page."""
    rows = [
        f"| {start.value} | {told(row.success, 's ≥ ST', start)} | {told(row.slow_run, 's ≥ ST', start)} "
        f"| {told(row.fail, 'f ≥ FT', start)} | stays |\n"
        for start, row in TABLE.items()
    ]
    return HEAD + "".join(rows) + TAIL


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
