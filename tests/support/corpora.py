"""The lists of what attackers try first, as data: one line each in ``tests/data/attacks``, a letter a list.

S hosts, R where to be led, X markup, J values of JSON as they are written, N numbers as they are typed, U characters,
P paths, H headers of a check, C cells, E patterns, W messages to a socket.
"""

import json
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parents[1] / "data" / "attacks"
# At least so many: a list that shrinks would be missed by nobody.
SIZES = {"S": 74, "R": 30, "X": 60, "J": 40, "N": 30, "U": 40, "P": 30, "H": 25, "C": 15, "E": 20, "W": 30}


def corpus(letter: str) -> list[Any]:
    """Return what a list holds: texts, and pairs of name and value in H. Of J it is the written values."""
    lines = (_FOLDER / f"{letter}.txt").read_text(encoding="ascii").splitlines()
    return lines if letter == "J" else [json.loads(line) for line in lines]
