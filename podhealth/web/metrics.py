"""The figures of the whole installation as Prometheus reads them, from what all processes leave behind.

Workers and the scheduler open no port of their own (docs/adr/0012): any web process tells of all of them.
"""

import threading
from collections.abc import Iterable, Iterator
from datetime import datetime

import sqlalchemy as sa
from prometheus_client.core import GaugeMetricFamily as Gauge
from prometheus_client.metrics_core import CounterMetricFamily as Counter
from prometheus_client.metrics_core import Metric

from podhealth import clock, queues
from podhealth.store import measures, operation, workers
from podhealth.store.db import db_now, read
from podhealth.web.installed import Installed

_KEPT_S = 2.0  # whoever asks more often than this is told the same again


class Everything:
    """Collects the installation's figures. One of each application."""

    def __init__(self, parts: Installed) -> None:
        self._parts = parts
        self._turn = threading.Lock()
        self._kept: list[Metric] = []
        self._until = float("-inf")

    def collect(self) -> Iterable[Metric]:
        """Return all figures; of a database that does not answer, only that it does not."""
        with self._turn:
            if clock.monotonic() >= self._until:
                self._kept = self._read()
                self._until = clock.monotonic() + _KEPT_S
            return self._kept

    def _read(self) -> list[Metric]:
        try:
            with read(self._parts.engine) as conn:
                found = list(self._of_database(conn, db_now(conn)))
        except sa.exc.SQLAlchemyError:
            return [_one("database_up", "Whether the database answers.", 0)]
        return [_one("database_up", "Whether the database answers.", 1), *found]

    def _of_database(self, conn: sa.Connection, now: datetime) -> Iterator[Metric]:
        vantages = measures.vantages(conn)
        lengths = queues.lengths(self._parts.redis, vantages)
        yield _one("redis_up", "Whether Redis answers.", lengths is not None)
        waiting = {one.queue: one.waiting for one in lengths or ()}
        failed = {one.queue: one.failed for one in lengths or ()}
        yield _many("queue_depth", "Jobs that wait in each queue.", "queue", waiting)
        yield _many("queue_failed", "Failed jobs of the last hour.", "queue", failed)
        at = operation.running(conn, now, lengths, bool(self._parts.settings.deadman_url))
        yield from _of_operation(at.tick_age_s, at.step_late_s, at.overdue, at.overdue_s)
        yield _one("outbox_age_seconds", "Age of the oldest thing that should have been told by now.", at.outbox_s)
        yield _one("outbox_waiting", "Things that should have been told by now.", at.waiting)
        yield _one("dead_letters", "Messages of the last 24 hours that were given up.", at.dead_letters)
        if at.dead_man is not None and at.dead_man.age_s is not None:
            yield _one("dead_man_age_seconds", "Since the dead-man URL last answered.", at.dead_man.age_s)
        yield _many("checks", "Checks that are probed, by status.", "status", measures.checks(conn))
        yield _many("pods", "Pods by status.", "status", measures.pods(conn))
        yield _many("heals", "Heals of the last 24 hours, by state.", "state", measures.heals(conn, now))
        yield _many("vantage_blind", "Whether a vantage cannot trust its own network.", "vantage", vantages)
        held = measures.brakes(conn, now)
        yield _one("breakers_open", "Breakers that are not closed.", held.breakers)
        yield _one("kill_switches", "Kill switches in force.", held.switches)
        yield _one("nodes_unreachable", "Nodes that do not answer.", held.nodes)
        yield from _of_steps(measures.steps(conn))
        yield from _of_processes(workers.living(conn))


def _of_operation(tick_age_s: float | None, step_late_s: float, overdue: int, overdue_s: float) -> Iterator[Metric]:
    if tick_age_s is not None:
        yield _one("tick_age_seconds", "Since a step of the tick last ran.", tick_age_s)
    yield _one("scheduler_lag_seconds", "How overdue the latest step of the tick is.", step_late_s)
    yield _one("checks_overdue", "Checks that wait too long for a prober.", overdue)
    yield _one("checks_overdue_seconds", "How long the first of them has waited.", overdue_s)


def _of_steps(steps: list[measures.Row]) -> Iterator[Metric]:
    took = Gauge("podhealth_tick_step_seconds", "How long each step of the tick took last.", labels=["step"])
    failing = Gauge("podhealth_tick_step_failing", "Whether each step of the tick failed last.", labels=["step"])
    for step in steps:
        if step.took_ms is not None:
            took.add_metric([step.name], step.took_ms / 1000)
        failing.add_metric([step.name], float(step.is_failing))
    yield took
    yield failing


def _of_processes(living: list[workers.Living]) -> Iterator[Metric]:
    alive = Gauge("podhealth_processes", "Living processes.", labels=["role", "vantage"])
    counts: dict[tuple[str, str], int] = {}
    for one in living:
        counts[one.role, one.vantage or ""] = counts.get((one.role, one.vantage or ""), 0) + 1
    for (role, vantage), count in sorted(counts.items()):
        alive.add_metric([role, vantage], count)
    yield alive
    probers = [one for one in living if one.role == "probe"]
    names = ["worker", "vantage"]
    flying = Gauge("podhealth_prober_in_flight", "Probes in flight.", labels=names)
    most = Gauge("podhealth_prober_capacity", "Probes a prober can have in flight.", labels=names)
    lag = Gauge("podhealth_probe_lag_p99_seconds", "From due to stored: slowest hundredth.", labels=names)
    loop = Gauge("podhealth_prober_loop_lag_seconds", "How late a prober's own loop is.", labels=names)
    recorded = Counter("podhealth_results_recorded", "Results a prober has stored since its start.", labels=names)
    for one in probers:
        labels = [f"{one.host}-{one.pid}", one.vantage or ""]
        flying.add_metric(labels, one.in_flight)
        loop.add_metric(labels, one.loop_lag_ms / 1000)
        recorded.add_metric(labels, one.recorded)
        if one.capacity is not None:
            most.add_metric(labels, one.capacity)
        if one.lag_p99_ms is not None:
            lag.add_metric(labels, one.lag_p99_ms / 1000)
    yield from (flying, most, lag, loop, recorded)


def _one(name: str, meaning: str, value: float) -> Metric:
    return Gauge(f"podhealth_{name}", meaning, value=float(value))


def _many(name: str, meaning: str, label: str, values: dict[str, int] | dict[str, bool]) -> Metric:
    family = Gauge(f"podhealth_{name}", meaning, labels=[label])
    for key, value in sorted(values.items()):
        family.add_metric([key], float(value))
    return family
