"""``make mutants``: apply each deliberate bug to a copy of the tree, and count those that a test notices."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.mutants import MUTANTS, Mutant
from tests.mutants.running import Ran, a_copy, run_mutant, run_tests

_LONGEST_RUN_S = 1800


def main() -> int:
    """Return 0 where all are caught, 1 where one survives, 2 where the suite is red without any."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--only", default="", help="only the mutants of these names, with commas")
    names = [name for name in parser.parse_args().only.split(",") if name]
    if unknown := {*names} - {mutant.name for mutant in MUTANTS}:
        parser.error(f"no mutant is called {', '.join(sorted(unknown))}")
    chosen = [mutant for mutant in MUTANTS if not names or mutant.name in names]
    with a_copy() as tree:
        named = dict.fromkeys(test for mutant in chosen for test in mutant.tests)
        sound = run_tests(tree, named, _LONGEST_RUN_S, is_sound=True)
        if sound.code != 0:
            print(sound.said, "\nThese tests are not green without any mutant.", sep="", file=sys.stderr)
            return 2
        return _count(tree, chosen)


def _count(tree: Path, chosen: Sequence[Mutant]) -> int:
    print("| mutant | breaks | in | caught by | |\n| --- | --- | --- | --- | --- |", flush=True)
    survived = 0
    for mutant in chosen:
        ran = run_mutant(tree, mutant)
        survived += not ran.is_red
        where = f"[{mutant.file}](../{mutant.file})"
        print(f"| {mutant.name} | {mutant.breaks} | {where} | {_outcome(ran)} | {ran.seconds:.1f} s |", flush=True)
    print(f"\n{len(chosen) - survived} caught, {survived} survived")
    return 1 if survived else 0


def _outcome(ran: Ran) -> str:
    if ran.is_red:
        return ran.by
    return "SURVIVED" if ran.code == 0 else f"SURVIVED: pytest ended with {ran.code}"


if __name__ == "__main__":
    sys.exit(main())
