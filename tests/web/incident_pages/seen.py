"""What the tests of incidents' pages read off them, and how pods fall ill."""

import re

from tests.support.told import Fleet


def ill(fleet: Fleet, *names: str) -> list[int]:
    fleet.add(*names)
    fleet.fall_ill(*names)
    return [row.id for row in fleet.incidents()]


def rows(page: str) -> list[str]:
    found = re.findall(r'<article id="incident-row-\d+".*?</article>', page, re.DOTALL)
    return [re.search(r'<h2[^>]*>\s*<a href="[^"]*">([^<]*)', row)[1] for row in found]  # type: ignore[index]


def states(page: str) -> dict[str, int]:
    found = re.findall(r"<span>([a-z ]+) <b>([\d,]+)</b></span>", page)
    return {word: int(count) for word, count in found}
