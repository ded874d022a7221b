"""Prints what the machines lived through: ``--machines`` ends with a table of steps and ``N passed, N failed``."""

from dataclasses import dataclass

import pytest

_UNITS = ("steps", "interleavings")


@dataclass
class Lived:
    """What one machine came to on one database."""

    name: str
    number: int
    unit: str
    lives: int
    seconds: float
    failed: bool


class Counting:
    """Adds up what the tests of a run lived through."""

    def __init__(self) -> None:
        self._lived: dict[str, Lived] = {}
        self._failed = 0

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        said = dict(report.user_properties)
        self._failed += report.failed
        if report.when == "call" and "machine" in said:
            name = f"{said['machine']}, {said['database']}"
            rest = (int(str(said["number"])), str(said["unit"]), int(str(said["lives"])))
            self._lived[report.nodeid] = Lived(name, *rest, report.duration, report.failed)

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        line = terminalreporter.write_line
        line("")
        line("| machine | lives | steps | seconds | violations |")
        line("| --- | ---: | ---: | ---: | ---: |")
        for unit in _UNITS:
            of_unit = sorted((one for one in self._lived.values() if one.unit == unit), key=lambda one: one.name)
            for one in of_unit:
                lives = f"{one.lives:,}" if one.lives else ""
                line(f"| {one.name} | {lives} | {one.number:,} | {one.seconds:.0f} | {int(one.failed)} |")
            total, seconds = sum(one.number for one in of_unit), sum(one.seconds for one in of_unit)
            line(f"| **{unit} in all** | | **{total:,}** | {seconds:.0f} | {sum(one.failed for one in of_unit)} |")

    def pytest_unconfigure(self, config: pytest.Config) -> None:
        if not hasattr(config, "workerinput"):  # after pytest's own last line, which counts tests
            passed = sum(not one.failed for one in self._lived.values())
            print(f"{passed} passed, {self._failed} failed")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take ``--machines``."""
    parser.addoption("--machines", action="store_true", help="print what the machines lived through")


def pytest_configure(config: pytest.Config) -> None:
    """Count, where that is asked for."""
    if config.getoption("--machines"):
        config.pluginmanager.register(Counting(), "machines-counting")
