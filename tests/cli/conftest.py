"""The commands with which an operator looks at an installation and steers it, run in this process."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from podhealth.cli import main

Run = Callable[..., list[str]]


@pytest.fixture
def run(
    request: pytest.FixtureRequest, sqlite_engine: sa.Engine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Iterator[Run]:
    """Runs the module's ``COMMAND`` of ``podhealth`` on the installation of ``sqlite_engine``; returns what it says.

    What the command changes in the environment is put back.
    """
    before = os.environ.copy()
    os.environ.pop("DATABASE_URL", None)

    def call(*words: str) -> list[str]:
        main([request.module.COMMAND, *words[:1], "--data", str(tmp_path), *words[1:]])
        return capsys.readouterr().out.splitlines()

    yield call
    os.environ.clear()
    os.environ.update(before)


def refused(run: Run, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Run what must be refused and return the one line it says."""
    with pytest.raises(SystemExit) as ended:
        run(*words)
    said = capsys.readouterr()

    assert (ended.value.code, said.out) == (2, "")
    (line,) = said.err.splitlines()
    return line.removeprefix("podhealth: ")
