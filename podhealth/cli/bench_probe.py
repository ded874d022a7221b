"""``podhealth bench probe``: the real processes against targets of its own, what they recorded and what it cost.

Counted are results that became visible in the database during the measured span (bench_ledger), and the CPU time of
every PodHealth process: prober, healer and tick, scheduler, web, with their children. Redis, the PostgreSQL server,
the targets and this program are not PodHealth; the first two are shown apart. The warm-up is in no figure.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from socket import socket
from threading import Event
from typing import NamedTuple

from podhealth import clock
from podhealth.cli import bench_cpu, bench_database
from podhealth.cli.bench_ledger import LOOK_EVERY_S, Ledger, Seen
from podhealth.cli.bench_place import Place, hear, helper, open_place, wait_until
from podhealth.cli.bench_stock import Load, Ports, fill
from podhealth.store import workers
from podhealth.store.db import read

_PROGRAMS = ("web", "scheduler", "probe", "worker")
_START_WITHIN_S = 60
_SETTLE_S = 3.0
_LONGEST_WARM_UP_S = 30.0


class Used(NamedTuple):
    """CPU seconds used up to a moment, by whom."""

    by_process: dict[str, float]
    redis: float
    database: float | None
    machine: float
    told_by_database: dict[str, float]


def run(load: Load, seconds: float, database_url: str | None, probe_workers: int) -> dict[str, object]:
    """Measure ``seconds`` of this load and return the figures by their names in JSON.

    Raises InputError or SetupError where it cannot be run here; then nothing is left behind either.
    """
    with _targets() as ports, open_place(database_url) as place:
        place.start_programs(_PROGRAMS, probe_workers)
        wait_until(lambda: _is_up(place, probe_workers), _START_WITHIN_S, "all processes up")
        fill(place.engine, load, ports)
        ledger = Ledger(place.environment["DATABASE_URL"], load)
        try:
            warm_up_s = min(load.interval_s, _LONGEST_WARM_UP_S) + load.timeout_s * bool(load.silent_percent)
            _watch(place, ledger, warm_up_s + _SETTLE_S)
            begun = _used(place, ledger)
            since = ledger.look()
            _watch(place, ledger, seconds)
            until = ledger.look()
            ended = _used(place, ledger)
            ledger.look_at_all()
        finally:
            ledger.close()
        rows = [row for row in ledger.rows if since < row.seen_us <= until]
        rss_mb = max(bench_cpu.peak_rss_mb(place.running[n].pid) for n in place.running if n.startswith("probe"))
        return {
            **_counted(rows, load, (until - since) / 1e6),
            **_cost(len(rows), begun, ended),
            "databasePerSecond": bench_database.per_second(
                begun.told_by_database, ended.told_by_database, (until - since) / 1e6
            ),
            "rssMb": round(rss_mb, 1),
            **_method(load, seconds, place, warm_up_s + _SETTLE_S, probe_workers),
        }


@contextmanager
def _targets() -> Iterator[Ports]:
    """Run the targets' servers; gives their ports, and one that stays taken while nobody listens there."""
    answering, silent = [], []
    with helper("podhealth.cli.bench_targets") as one, helper("podhealth.cli.bench_targets") as other:
        for server in (one, other):
            ports = json.loads(hear(server))
            answering.append(ports["answering"])
            silent.append(ports["silent"])
        with socket() as closed:
            closed.bind(("0.0.0.0", 0))  # noqa: S104 - never listened at: every connection is refused
            yield Ports(answering, silent, [closed.getsockname()[1]])


def _is_up(place: Place, probe_workers: int) -> bool:
    is_web_up = place.web_answers()
    with read(place.engine) as conn:
        roles = sorted(worker.role for worker in workers.living(conn))
    wanted = ["scheduler", "web", "worker", *["probe"] * probe_workers]
    return roles == sorted(wanted) and is_web_up


def _watch(place: Place, ledger: Ledger, for_s: float) -> None:
    until, pause = clock.monotonic() + for_s, Event()
    while (left_s := until - clock.monotonic()) > 0:
        ledger.look()
        pause.wait(min(LOOK_EVERY_S, left_s))
    place.require_alive()


def _used(place: Place, ledger: Ledger) -> Used:
    by_process = {n: bench_cpu.cpu_s([p.pid]) for n, p in place.running.items() if n != "redis"}
    backend = ledger.backend_pid()
    server = bench_cpu.postmaster_of(backend) if backend is not None else None
    database = bench_cpu.cpu_s([server], but=[backend]) if server is not None and backend is not None else None
    with read(place.engine) as conn:
        told = bench_database.counters(conn)
    return Used(by_process, bench_cpu.cpu_s([place.running["redis"].pid]), database, bench_cpu.busy_s(), told)


def _counted(rows: list[Seen], load: Load, took_s: float) -> dict[str, object]:
    # How late the results of silent targets are is their own doing: they end with their deadlines.
    told = [row for row in rows if not load.is_silent(load.pod_of(row.check_id))]
    lags = sorted(row.seen_us - row.due_us for row in told)
    of_small = sorted(row.seen_us - row.due_us for row in told if load.is_small(load.pod_of(row.check_id)))
    return {
        "recorded": len(rows),
        "recordedPerSecond": round(len(rows) / took_s, 1),
        "failures": sum(not row.is_right for row in rows),
        "checksProbed": len({row.check_id for row in rows}),
        "lagP50Ms": percentile_ms(lags, 50),
        "lagP99Ms": percentile_ms(lags, 99),
        "smallLagP99Ms": percentile_ms(of_small, 99),
        "smallRecorded": len(of_small),
    }


def percentile_ms(sorted_us: list[int], percent: float) -> float | None:
    """Return what so many percent of the lags did not exceed, in ms; null without lags."""
    if not sorted_us:
        return None
    return round(sorted_us[min(len(sorted_us) - 1, int(len(sorted_us) * percent / 100))] / 1000, 1)


def _cost(recorded: int, begun: Used, ended: Used) -> dict[str, object]:
    by_process = {name: round(used - begun.by_process[name], 2) for name, used in ended.by_process.items()}
    cpu_s = sum(ended.by_process.values()) - sum(begun.by_process.values())
    cost: dict[str, object] = {
        "cpuSeconds": round(cpu_s, 2),
        "recordedPerCpuSecond": round(recorded / cpu_s) if cpu_s else None,
        "cpuSecondsByProcess": by_process,
        "redisCpuSeconds": round(ended.redis - begun.redis, 2),
    }
    if ended.database is not None and begun.database is not None:
        database_s = ended.database - begun.database
        cost["databaseCpuSeconds"] = round(database_s, 2)
        cost["recordedPerCpuSecondWithDatabase"] = round(recorded / (cpu_s + database_s))
    cost["machineCpuSeconds"] = round(ended.machine - begun.machine, 1)
    return cost


def _method(load: Load, seconds: float, place: Place, warm_up_s: float, probe_workers: int) -> dict[str, object]:
    return {
        "database": place.database,
        "targets": load.pods,
        "checks": load.checks,
        "intervalSeconds": load.interval_s,
        "rate": round(load.rate, 2),
        "seconds": seconds,
        "warmUpSeconds": round(warm_up_s, 1),
        "timingOutPercent": load.silent_percent,
        "refusingPercent": load.refusing_percent,
        "healing": load.is_healing,
        "smallPods": load.small,
        "timeoutSeconds": load.timeout_s,
        "probeWorkers": probe_workers,
        "machine": bench_cpu.machine(),
    }
