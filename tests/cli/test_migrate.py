"""``podhealth migrate`` as an operator runs it."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow


def _run(*args, **environment):
    clean = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "PODHEALTH_DATA")}
    return subprocess.run(
        [sys.executable, "-m", "podhealth", "migrate", *args],
        env=clean | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_an_empty_database_is_brought_to_the_schema_and_found_current(tmp_path):
    url = f"sqlite:///{tmp_path / 'x.db'}"
    before = _run("--check", DATABASE_URL=url)
    done = _run(DATABASE_URL=url)
    after = _run("--check", DATABASE_URL=url)

    assert (before.returncode, done.returncode, after.returncode) == (1, 0, 0)
    assert "run 'podhealth migrate'" in before.stderr
    assert "revision 0001" in done.stdout


def test_a_data_folder_is_found_by_its_option(tmp_path):
    done = _run("--data", str(tmp_path))

    assert done.returncode == 0
    assert (tmp_path / "podhealth.db").exists()


@pytest.mark.parametrize("args", [(), ("--check",)], ids=["migrate", "check"])
def test_a_database_that_is_not_reached_is_one_line_and_exit_code_2(tmp_path, args):
    done = _run(*args, DATABASE_URL=f"sqlite:///{tmp_path / 'missing' / 'x.db'}")

    assert done.returncode == 2
    assert done.stderr.startswith("podhealth: DATABASE_URL: ")
    assert len(done.stderr.splitlines()) == 1


def test_a_postgresql_that_is_not_there_is_one_line_and_exit_code_2(tmp_path):
    done = _run(DATABASE_URL=f"postgresql://nobody@/x?host={tmp_path}")

    assert done.returncode == 2
    assert done.stderr.startswith("podhealth: DATABASE_URL: ")
    assert len(done.stderr.splitlines()) == 1
