"""docs/asvs.md says of each requirement what shows it, and what it names is there."""

import re
import runpy
from pathlib import Path

import pytest

from tests.proofs.attacks import ATTACKS

ROOT = Path(__file__).parents[2]
MADE = runpy.run_path(str(ROOT / "docs" / "make_asvs.py"))
LINES = MADE["lines"]()


def test_the_page_says_what_is_known_now():
    assert (ROOT / "docs" / "asvs.md").read_text(encoding="utf-8") == MADE["page"](), (
        "run: PYTHONPATH=. python docs/make_asvs.py"
    )


def test_every_requirement_of_both_levels_has_its_line():
    assert len({line.id for line in LINES}) == len(LINES)
    assert [sum(line.level == level for line in LINES) for level in (1, 2)] == [70, 183]


def test_level_1_is_shown_whole_and_nine_tenths_of_level_2():
    apply = {level: [line for line in LINES if line.level == level and line.applies] for level in (1, 2)}
    shown = {level: [line for line in apply[level] if line.is_shown] for level in (1, 2)}

    assert [line.id for line in apply[1] if not line.is_shown] == []
    assert len(shown[2]) >= 0.9 * len(apply[2])


@pytest.mark.parametrize("line", [line for line in LINES if line.is_shown], ids=lambda line: line.id)
def test_what_a_line_names_is_there(line):
    for part in line.proof.split():
        if part in ATTACKS:
            continue
        file, _, test = part.partition("::")
        assert (ROOT / file).exists(), part
        if test:
            assert re.search(rf"^\s*def {test}\(", (ROOT / file).read_text(), re.M), part
        else:
            assert file.startswith("docs/"), part


def test_what_is_not_shown_says_why():
    short = [line.id for line in LINES if not line.is_shown and len(line.proof.partition(":")[2]) < 10]

    assert short == []
