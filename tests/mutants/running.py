"""Applies mutants to a copy of the tree, one after another, and runs the tests that must notice.

The working tree is never touched: what git does not ignore is copied as it lies there, and goes when all is done.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.mutants.mutant import Mutant

ROOT = Path(__file__).resolve().parents[2]
TIME_LIMIT_S = 180
_NOT_FOR_RUNS = ("PYTEST_", "PODHEALTH_TEST_", "PYTHONDONTWRITEBYTECODE")
_RED = 1  # of pytest: tests ran, and some failed
_FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+?::\w+)", re.M)


class Ran(NamedTuple):
    """What became of a run. ``code``: pytest's, null where the time was over; ``by``: the test that failed first."""

    code: int | None
    by: str
    seconds: float
    said: str

    @property
    def is_red(self) -> bool:
        """Whether a test failed: neither that none was found, nor that none came to an end."""
        return self.code == _RED


@contextmanager
def a_copy() -> Iterator[Path]:
    """Copy the working tree, but for what git ignores, into a folder of its own while the block lasts."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode()
    folder = Path(tempfile.mkdtemp(prefix="ph-mutants-"))
    try:
        folder.chmod(0o755)  # PostgreSQL, another user, walks through it
        for name in filter(None, listed.split("\0")):
            if (ROOT / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, folder / name)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run_tests(tree: Path, tests: Iterable[str], limit_s: float = TIME_LIMIT_S, is_sound: bool = False) -> Ran:
    """Run these tests in ``tree`` until the first fails. ``is_sound``: its bytecode may be kept for later runs."""
    # No bytecode of a mutant: it would be taken for that of another one that is written in the same second.
    env = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_FOR_RUNS)}
    env |= {"PYTHONPATH": str(tree)} | ({} if is_sound else {"PYTHONDONTWRITEBYTECODE": "1"})
    command = [sys.executable, "-m", "pytest", "-x", "-n", "0", "-q", "--short", "-p", "no:cacheprovider", *tests]
    begun = time.monotonic()
    try:
        ran = subprocess.run(command, cwd=tree, env=env, capture_output=True, text=True, timeout=limit_s, check=False)
    except subprocess.TimeoutExpired:
        return Ran(None, "", time.monotonic() - begun, f"not done within {limit_s:g} s")
    failed = _FAILED.search(ran.stdout)
    by = failed[1].rpartition("::")[2] if failed and ran.returncode == _RED else ""
    return Ran(ran.returncode, by, time.monotonic() - begun, ran.stdout[-3000:] + ran.stderr[-1000:])


def run_mutant(tree: Path, mutant: Mutant) -> Ran:
    """Run a mutant's tests in ``tree`` with the mutant applied; the tree is left as it was."""
    path = tree / mutant.file
    plain = path.read_text()
    path.write_text(applied(mutant, plain))
    try:
        return run_tests(tree, mutant.tests)
    finally:
        path.write_text(plain)


def applied(mutant: Mutant, plain: str) -> str:
    """Return the file's text with the bug in it. Raises ValueError where its place is not there, or not once."""
    found = plain.count(mutant.old)
    if found != 1:
        raise ValueError(f"{mutant.name}: what it replaces stands {found} times in {mutant.file}")
    return plain.replace(mutant.old, mutant.new)
