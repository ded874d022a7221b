"""The tick: which steps are due how often, run one after another under leases in the database.

A tick is only a wake-up: one too many finds nothing due, one too few delays a step until the next.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from functools import cache
from importlib import import_module
from typing import NamedTuple

import sqlalchemy as sa
import structlog

from podhealth import clock
from podhealth.jobs.parts import Parts, parts
from podhealth.queues import enqueue
from podhealth.store import ticks
from podhealth.store.db import read, write
from podhealth.store.ticks import Ran

log = structlog.get_logger(__name__)

Function = Callable[[sa.Engine], Mapping[int, int] | None]


class Step(NamedTuple):
    """One thing to do again and again; ``function`` takes an engine and returns feed numbers to publish, or null."""

    name: str
    every_s: float
    function: str


# In this order: what probes run on first, then what the healer judges by, then the healer.
QUICK = (
    Step("dead_workers", 2, "podhealth.store.claim.free_dead_workers"),
    Step("tickets", 2, "podhealth.jobs.tickets.top_up"),
    Step("running", 1, "podhealth.jobs.heal.ask_providers"),
    Step("stale", 1, "podhealth.store.expiry.expire_stale"),
    Step("windows", 1, "podhealth.store.windowturns.due"),
    Step("phases", 1, "podhealth.store.podstate.settle_due"),
    Step("places", 1, "podhealth.store.places.watch"),
    Step("breakers", 1, "podhealth.store.breakers.watch"),
    Step("turns", 1, "podhealth.store.turns.wake"),
    Step("tell", 1, "podhealth.store.wider.tell_due"),
    Step("judge", 1, "podhealth.jobs.heal.judge_due"),
    Step("heal_steps", 1, "podhealth.jobs.heal.step_due"),
    Step("relay", 1, "podhealth.alerting.relay.run"),
    Step("deliver", 1, "podhealth.jobs.alert.look"),
    Step("sync", 2, "podhealth.jobs.sync.look"),
)
# May take seconds; a job of their own, so that no heal waits for them.
SLOW = (
    Step("acknowledgements", 5, "podhealth.store.acknowledging.end_lapsed"),
    Step("letters", 5, "podhealth.jobs.letters.send"),
    Step("checkpoint", 10, "podhealth.store.ticks.checkpoint"),
    Step("partitions", 3600, "podhealth.store.partitions.ensure_ahead"),
    Step("rollups", 30, "podhealth.store.rollups.make_due"),
    Step("dead_man", 60, "podhealth.jobs.deadman.ping"),
    Step("statistics", 3600, "podhealth.store.statistics.renew"),
    Step("retention", 60, "podhealth.store.retention.clean"),
)
_QUICK_LEASE = timedelta(seconds=15)
_SLOW_LEASE = timedelta(seconds=120)
_SLOW_AGAIN_S = 10.0
# Ticks come a second apart, give or take: without slack every other one would find its step due 10 ms later.
_SLACK = 0.3


class Last:
    """When a tick last came to this process, and when it last asked for the slow steps; monotonic."""

    came_at = clock.monotonic()
    slow_at = float("-inf")


def run() -> None:
    """Do as ``go``, and note that ticks do come (job ``tick.run``)."""
    Last.came_at = clock.monotonic()
    go()


def go() -> None:
    """Run the quick steps that are due, and have the slow ones run."""
    here = parts()
    try:
        with read(here.engine) as conn:
            due = ticks.due(conn, [step.name for step in QUICK + SLOW])
        _run_due(here, QUICK, due, _QUICK_LEASE)
        if any(step.name in due for step in SLOW) and clock.monotonic() - Last.slow_at >= _SLOW_AGAIN_S:
            Last.slow_at = clock.monotonic()
            if not enqueue(here.hurried, "tick.slow"):
                slow()
    except sa.exc.DBAPIError as error:
        log.warning("tick skipped", error=str(error.orig))


def slow() -> None:
    """Run the slow steps that are due (job ``tick.slow``)."""
    here = parts()
    _run_due(here, SLOW, {step.name for step in SLOW}, _SLOW_LEASE)


def _run_due(here: Parts, steps: Iterable[Step], due: set[str], lease: timedelta) -> None:
    wanted = [step for step in steps if step.name in due]
    if not wanted:
        return
    with write(here.engine) as conn:
        taken = ticks.take(conn, [step.name for step in wanted], here.worker_id, lease)
    mine = [step for step in wanted if step.name in taken]
    # Told to end, a process ends the step it is at, and leaves the others to the next one.
    ran = [_run_one(here, step) for step in mine if not here.leaving.is_set()]
    if mine:
        with write(here.engine) as conn:
            ticks.put_back(conn, ran, here.worker_id)
            ticks.give_back(conn, {step.name for step in mine} - {one.name for one in ran}, here.worker_id)


def _run_one(here: Parts, step: Step) -> Ran:
    begun = clock.monotonic()
    error = None
    try:
        with here.under_way.at(f"step {step.name}"):
            here.publish(function_of(step.function)(here.engine) or {})
    except Exception as problem:  # the job wrapper: one step's fault must not keep the others from running
        log.exception("tick step failed", step=step.name)
        error = f"{type(problem).__name__}: {problem}"
    took_s = clock.monotonic() - begun
    return Ran(step.name, took_s * 1000, error, timedelta(seconds=max(step.every_s - _SLACK - took_s, 0.0)))


@cache
def function_of(dotted: str) -> Function:
    """Return the function of that name, imported when first needed.

    Raises ImportError or AttributeError for a name that is none: the table is wrong.
    """
    module, _, name = dotted.rpartition(".")
    function: Function = getattr(import_module(module), name)
    return function
