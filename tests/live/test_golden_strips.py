"""Strips and lanes of thirty-odd pasts, as files that were looked at (``python -m tests.support.goldenstrips``)."""

from collections import Counter
from datetime import timedelta

import pytest

from podhealth.core.uptime import uptime
from podhealth.models.base import to_us
from podhealth.store.strips import draw, length_of
from tests.support.goldenstrips import CASES, FOLDER, Case


@pytest.mark.parametrize("name", CASES)
def test_a_past_is_drawn_as_it_was_when_it_was_looked_at(name: str) -> None:
    kept = (FOLDER / f"{name}.svg").read_text(encoding="utf-8")

    assert CASES[name].drawn() == kept, "look at it, then run: python -m tests.support.goldenstrips"


def test_each_file_has_its_past() -> None:
    assert {file.stem for file in FOLDER.glob("*.svg")} == CASES.keys()


@pytest.mark.parametrize(
    "case", [c for c in CASES.values() if c.heals is None], ids=[n for n in CASES if CASES[n].heals is None]
)
def test_the_runs_behind_a_strip_sum_up_to_what_uptime_says(case: Case) -> None:
    for past in case.pasts:
        begin, end = to_us(case.now - length_of(case.range)), to_us(case.now)
        spent: Counter[str] = Counter()
        for run in draw(past, case.range, case.now, case.zone).runs:
            spent[run.mark] += run.length_us
        up = uptime(begin, end, past.course)

        assert (spent["healthy"] + spent["degraded"], spent["unhealthy"]) == (up.up_us, up.down_us)
        assert spent.total() == length_of(case.range) // timedelta(microseconds=1)
