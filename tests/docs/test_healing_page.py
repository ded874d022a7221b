"""The page about healing names every gate, in the order in which they are asked."""

import re
from pathlib import Path

from podhealth.core.gates import GATES

PAGE = Path(__file__).parents[2] / "docs" / "healing.md"


def test_every_gate_has_its_heading_in_order() -> None:
    assert re.findall(r"^### (\w+)$", PAGE.read_text(), re.M) == [gate.value for gate, _ in GATES]
