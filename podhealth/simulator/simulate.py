"""Runs a scenario from its begin to its end and says what came of it."""

from podhealth.simulator.engine import Run, begin
from podhealth.simulator.happenings import arrange
from podhealth.simulator.report import Report, report
from podhealth.simulator.scenario import Scenario


def run(scenario: Scenario, seed: int | None = None, *, is_quick: bool = True) -> Run:
    """Return the run of a scenario when it is over."""
    under_way = begin(scenario, seed, is_quick=is_quick)
    arrange(under_way)
    under_way.go()
    return under_way


def simulate(scenario: Scenario, seed: int | None = None) -> Report:
    """Return what came of a scenario."""
    return report(run(scenario, seed))
