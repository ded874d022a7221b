"""A deliberate bug, as data: one piece of the source put in place of another, and the tests that must notice."""

from typing import NamedTuple


class Mutant(NamedTuple):
    """One bug. ``breaks``: the invariant (I1 to I20, hazards §4) or the brake, gate or defence that it takes away.

    ``old`` stands once in ``file``; ``tests`` are node ids, the fastest ones that say it.
    """

    name: str
    breaks: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
