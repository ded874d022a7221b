"""What a short run of the tests (``--short``, ``make test``) leaves to ``make test-deep`` and ``make faults``.

Of two tests that differ in nothing but the database, one; of the machines, those on PostgreSQL; and the faults of
tests/proofs that do not belong to the quick ones. What asks the database itself (store, flows, simulator, models …)
runs on both all the same.
"""

from collections import defaultdict
from zlib import crc32

import pytest

from tests.proofs.faults import ALWAYS

DATABASES = ("sqlite", "postgres")
# Folders and files whose tests come out of functions of store/ that have tests of their own on both.
_BY_TURNS = frozenset({"web", "healing", "alerting", "proofs", "test_bad_input.py", "test_rolling.py"})


# Of quick faults, but of another sort: other files show them in little.
_LONG_FILES = frozenset({"test_unplugged.py"})


def left_out(items: list[pytest.Item]) -> set[pytest.Item]:
    """Return what a short run leaves out; the same in every run."""
    return _others_turn(items) | {item for item in items if _is_long_fault(item) or _is_long_machine(item)}


def _others_turn(items: list[pytest.Item]) -> set[pytest.Item]:
    twins: dict[str, dict[str, pytest.Item]] = defaultdict(dict)
    for item in items:
        on = _database_of(item)
        if on is not None and _BY_TURNS & {*item.path.parts}:
            twins[item.nodeid.partition("[")[0] + item.callspec.id.replace(on, "", 1)][on] = item  # type: ignore[attr-defined]
    pairs = {name: pair for name, pair in twins.items() if len(pair) == len(DATABASES)}
    return {pair[DATABASES[crc32(name.encode()) % len(pair)]] for name, pair in pairs.items()}


def _database_of(item: pytest.Item) -> str | None:
    call = getattr(item, "callspec", None)
    texts = [value for value in call.params.values() if isinstance(value, str)] if call else []
    return next((text for text in texts if text in DATABASES), None)


def _is_long_fault(item: pytest.Item) -> bool:
    ids = {key for mark in item.iter_markers("fault") for key in mark.args}
    is_long = not ids & {*ALWAYS} or item.path.name in _LONG_FILES
    return "proofs" in item.path.parts and bool(ids) and is_long


def _is_long_machine(item: pytest.Item) -> bool:
    return "machines" in item.path.parts and _database_of(item) == "postgres"
