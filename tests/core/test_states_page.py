"""docs/states.md says what the table says."""

import runpy
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_is_the_one_made_from_the_table() -> None:
    made = runpy.run_path(str(DOCS / "make_states.py"))

    assert (DOCS / "states.md").read_text(encoding="utf-8") == made["page"](), "run: python docs/make_states.py"
