"""The rules stay pure: core imports the standard library, a calendar and core, and nothing that reaches outside."""

import ast
import sys
from pathlib import Path

import pytest

import podhealth.core

FOLDER = Path(podhealth.core.__file__).parent
REACHES_OUTSIDE = {
    "socket",
    "subprocess",
    "ssl",
    "http",
    "urllib",
    "asyncio",
    "sqlite3",
    "os",
    "shutil",
    "time",
    "random",
}


def imported_by(source: str) -> set[str]:
    """Return the full names of all modules that a source text imports, wherever the import stands."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add("." * node.level + (node.module or ""))
    return names


def is_pure(name: str) -> bool:
    """Return whether core may import this module."""
    if name == "podhealth.core" or name.startswith("podhealth.core."):
        return True
    # Takes texts apart; its neighbours open connections. Counts days; given a begin, it reads no clock.
    if name in ("urllib.parse", "dateutil.rrule"):
        return True
    top = name.split(".")[0]
    return top in sys.stdlib_module_names and top not in REACHES_OUTSIDE


@pytest.mark.parametrize("path", sorted(FOLDER.rglob("*.py")), ids=lambda path: path.name)
def test_core_imports_only_the_standard_library_and_core(path: Path) -> None:
    strangers = {name for name in imported_by(path.read_text()) if not is_pure(name)}

    assert strangers == set()


@pytest.mark.parametrize(
    "line",
    [
        "import socket",
        "from subprocess import run",
        "import flask",
        "from podhealth.store import db",
        "from . import x",
    ],
)
def test_a_wrong_import_would_be_seen(line: str) -> None:
    assert not all(is_pure(name) for name in imported_by(f"def f():\n    {line}\n"))


@pytest.mark.parametrize("path", sorted(FOLDER.rglob("*.py")), ids=lambda path: path.name)
def test_core_reads_no_clock(path: Path) -> None:
    calls = {
        node.func.attr
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }

    assert not calls & {"now", "utcnow", "today"}
