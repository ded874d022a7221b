"""The mutants: each still fits its source and its tests, and one is really run (``make mutants`` runs all)."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.mutants import MUTANTS
from tests.mutants.running import ROOT, a_copy, applied, run_mutant

LEAST = 45
INVARIANTS = {f"I{n}" for n in range(1, 21)}


@cache
def functions_of(path: Path) -> frozenset[str]:
    """The test functions of a file, of its classes too."""
    nodes = ast.walk(ast.parse(path.read_text()))
    return frozenset(node.name for node in nodes if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"))


def missing(test: str) -> bool:
    file, _, name = test.partition("::")
    path = ROOT / file
    return not path.is_file() or (bool(name) and name.rpartition("::")[2].partition("[")[0] not in functions_of(path))


def faults() -> Iterator[str]:
    for mutant in MUTANTS:
        changed = applied(mutant, (ROOT / mutant.file).read_text())
        if mutant.file.endswith(".py"):
            compile(changed, mutant.file, "exec")
        if changed == (ROOT / mutant.file).read_text() or not mutant.tests:
            yield f"{mutant.name} changes nothing, or names no test"
        yield from (f"{mutant.name}: there is no {test}" for test in mutant.tests if missing(test))


def test_each_mutant_still_fits_its_source_and_names_tests_that_there_are() -> None:
    assert list(faults()) == []


def test_there_is_one_for_each_invariant_and_enough_of_them_each_with_a_name_of_its_own() -> None:
    broken = {found[0] for mutant in MUTANTS if (found := re.match(r"I\d+(?=: )", mutant.breaks))}

    assert broken == INVARIANTS
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= LEAST


@pytest.mark.slow
def test_a_mutant_reddens_its_test_and_a_change_of_nothing_does_not() -> None:
    mutant = next(one for one in MUTANTS if one.name == "one-fail-is-unhealthy")
    with a_copy() as tree:
        before = (tree / mutant.file).read_text()
        caught = run_mutant(tree, mutant)
        sound = run_mutant(tree, mutant._replace(new=mutant.old))

    assert (caught.is_red, caught.by) == (True, mutant.tests[0].rpartition("::")[2]), caught.said
    assert sound.code == 0, sound.said
    assert before == (ROOT / mutant.file).read_text()
