"""Maintenance windows over a fleet in memory, by the rules of core/windows.

A window that holds alerts only changes nothing here.
"""

from podhealth.core import set_phase
from podhealth.core.errors import InputError
from podhealth.core.facts import SnoozeFacts
from podhealth.core.window_rules import WindowRules, parse_window
from podhealth.core.windows import concerns, next_change, under_way
from podhealth.core.words import SnoozeHolds
from podhealth.simulator.engine import Run
from podhealth.simulator.fleet import micros, moment


def open_windows(run: Run) -> None:
    """Let each window of the scenario begin and end at its times."""
    for number, fields in enumerate(run.scenario.windows):
        try:
            rules = parse_window(fields)
        except InputError as error:
            raise InputError(f"windows.{number}.{error.field}", error.message) from None
        if rules.holds == SnoozeHolds.HEALS_AND_ALERTS:
            _look(run, rules, run.begins)


def _look(run: Run, rules: WindowRules, now: int) -> None:
    plan, at = rules.plan(), moment(now)
    occurrence = under_way(plan, at)
    for pod in run.pods:
        if not concerns(rules.covers, pod.pod_id, pod.tags, None):
            continue
        if occurrence is not None:
            until = occurrence.until
            pod.snooze = SnoozeFacts(f"window {rules.name}", rules.reason, until)
            set_phase.begin_maintenance(pod.hand, now, micros(until), f"window {rules.name}")
        elif pod.snooze is not None:
            pod.snooze = None
            set_phase.end_maintenance(pod.hand, now)
        else:
            continue
        run.healer.judge_soon(pod, now)
    again = next_change(plan, at)
    if again is not None:
        run.later(micros(again), lambda then: _look(run, rules, then))
