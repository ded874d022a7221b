"""Counts proofs: with ``--proofs faults`` (or ``attacks``) only tests that carry the mark run, and a table is printed.

It ends ``N passed, N failed``, of faults and not of tests. A fault without a test is failed: nobody has seen it hold.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.proofs import attacks, faults

_KINDS = {"faults": "fault", "attacks": "attack"}
_ABOUT = {"fault": "what happens, and what must hold", "attack": "what is tried"}
_KNOWN = {"fault": faults.FAULTS, "attack": {key: attack.what for key, attack in attacks.ATTACKS.items()}}
_NOT_HERE = {"fault": faults.NOT_HERE, "attack": attacks.NOT_HERE}


@dataclass
class _Proof:
    """What the tests of one fault or attack came to. ``back_s``: the longest time until all was well again."""

    tests: int = 0
    failed: list[str] = field(default_factory=list)
    back_s: float | None = None


class Counting:
    """Chooses the tests that are proofs of one kind and adds up what they came to."""

    def __init__(self, mark: str, only: frozenset[str], page: Path | None) -> None:
        self._mark, self._only, self._page = mark, only, page
        self._proofs: dict[str, _Proof] = defaultdict(_Proof)

    def wanted(self) -> list[str]:
        """Return the ids that are to be shown here."""
        known = [key for key in _KNOWN[self._mark] if key not in _NOT_HERE[self._mark]]
        return [key for key in known if not self._only or key in self._only]

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        wanted = set(self.wanted())
        chosen = [item for item in items if wanted & set(ids_of(item, self._mark))]
        config.hook.pytest_deselected(items=[item for item in items if item not in set(chosen)])
        items[:] = chosen

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        properties = dict(report.user_properties)
        for key in str(properties.get(self._mark, "")).split():
            proof = self._proofs[key]
            proof.tests += report.when == "call" and report.passed  # one that was skipped has shown nothing
            if report.failed:
                proof.failed.append(report.nodeid)
            if "back_s" in properties and report.when == "call":
                proof.back_s = max(proof.back_s or 0.0, float(str(properties["back_s"])))

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self._failed() and not hasattr(session.config, "workerinput"):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _failed(self) -> list[str]:
        return [key for key in self.wanted() if not self._proofs[key].tests or self._proofs[key].failed]

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        table = "\n".join(self._table())
        terminalreporter.write_line(f"\n{table}")
        if self._page is not None:
            head = self._page.read_text().partition("\n| ")[0] if self._page.exists() else ""
            self._page.write_text(f"{head}\n{table}\n")

    def _table(self) -> Iterator[str]:
        known = _KNOWN[self._mark]
        has_times = self._mark == "fault"  # nobody recovers from an attack
        yield f"| id | {_ABOUT[self._mark]} | tests |{' back after |' * has_times} |"
        yield f"| --- | --- | --- |{' --- |' * has_times} --- |"
        for key in self.wanted():
            proof = self._proofs[key]
            back = "" if proof.back_s is None else f"{proof.back_s:.1f} s"
            yield f"| {key} | {known[key]} | {proof.tests or ''} |{f' {back} |' * has_times} {_outcome(proof)} |"
        for key, reason in _NOT_HERE[self._mark].items():
            yield f"| {key} | {known[key]} | |{' |' * has_times} not here: {reason} |"

    def pytest_unconfigure(self, config: pytest.Config) -> None:
        if not hasattr(config, "workerinput"):  # after pytest's own last line, which counts tests
            failed = len(self._failed())
            print(f"{len(self.wanted()) - failed} passed, {failed} failed")


def _outcome(proof: _Proof) -> str:
    if proof.failed:
        return f"FAILED: {proof.failed[0]}"
    return "passed" if proof.tests else "FAILED: no test"


def ids_of(item: pytest.Item, mark: str) -> list[str]:
    """Return the ids that a test proves, by all marks on it, its class and its file."""
    return [key for each in item.iter_markers(mark) for key in each.args]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take ``--proofs``, ``--only`` and ``--table``."""
    parser.addoption("--proofs", choices=sorted(_KINDS), help="run and count the proofs of this kind")
    parser.addoption("--table", type=Path, help="a page of Markdown, whose table is written anew and ends it")
    parser.addoption("--only", default="", help="of the proofs, only these ids, with commas; quick: a short choice")


def pytest_configure(config: pytest.Config) -> None:
    """Count, where proofs are asked for."""
    for mark in _KINDS.values():
        config.addinivalue_line("markers", f"{mark}(*ids): a proof of these ids of tests/proofs")
    if kind := config.getoption("--proofs"):
        asked = config.getoption("--only")
        only = faults.QUICK if asked == "quick" else [key for key in asked.split(",") if key]
        config.pluginmanager.register(
            Counting(_KINDS[kind], frozenset(only), config.getoption("--table")), "proofs-counting"
        )


def pytest_itemcollected(item: pytest.Item) -> None:
    """Hand what a test proves on to whoever counts, and refuse an id that is not known."""
    for mark, known in _KNOWN.items():
        ids = ids_of(item, mark)
        for key in ids:
            if key not in known:
                raise pytest.UsageError(f"{item.nodeid}: no {mark} is called {key}; see tests/proofs")
        if ids:
            item.user_properties.append((mark, " ".join(ids)))


@pytest.fixture
def back_after(record_property: pytest.FixtureRequest) -> object:
    """``back_after(seconds)``: how long after the fault all was well again."""
    return lambda seconds: record_property("back_s", f"{seconds:.3f}")  # type: ignore[operator]
