"""``podhealth bench``: measures probe path, live push and pages with the real processes, and prints the figures.

What is measured and how stands in bench_probe.py, bench_live.py and bench_pages.py, and in docs/performance.md.
"""

import json
import math
import sys
from collections.abc import Mapping
from typing import Any

import click

from podhealth.core.errors import InputError, SetupError


class _Number(click.FloatRange):
    """A number within bounds. What is not a number compares as false with every bound, so click would let it pass."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number: float = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail("nan is no number", param, ctx)
        return number


json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object in place of lines.")
database_option = click.option(
    "--database", metavar="URL", help="An empty database to use, emptied again afterwards (else a SQLite file)."
)


@click.group()
def bench() -> None:
    """Measure what this machine can do. Everything it starts ends with it, and nothing is left behind."""
    if sys.platform != "linux":
        raise SetupError("bench: needs Linux, like the prober: it reads /proc and probes all of 127.0.0.0/8")


@bench.command()
@click.option("--targets", type=click.IntRange(1, 60_000), default=1_000, show_default=True, help="Pods to probe.")
@click.option(
    "--rate",
    type=_Number(0, 100_000, min_open=True),
    default=200.0,
    show_default=True,
    metavar="PER_SECOND",
    help="HTTP checks that are due a second, all pods together.",
)
@click.option(
    "--seconds",
    type=_Number(1, 3_600),
    default=20.0,
    show_default=True,
    help="Length of the measured span, after the warm-up.",
)
@click.option(
    "--timing-out",
    type=click.IntRange(0, 100),
    default=0,
    show_default=True,
    metavar="PERCENT",
    help="Share of the pods that take requests and never answer.",
)
@click.option(
    "--refusing",
    type=click.IntRange(0, 100),
    default=0,
    show_default=True,
    metavar="PERCENT",
    help="Share of the pods that refuse connections.",
)
@click.option(
    "--healing", is_flag=True, help="Healing policies on all pods; those that refuse were well until the start."
)
@click.option(
    "--timeout",
    type=_Number(0.5, 60),
    metavar="SECONDS",
    help="Deadline of each check (else half its interval, at most 10 s).",
)
@click.option(
    "--small",
    type=click.IntRange(0, 1_000),
    default=0,
    show_default=True,
    metavar="PODS",
    help="Two tenants, one with these few pods and one with all others (else ten alike).",
)
@click.option("--workers", type=click.IntRange(1, 32), default=1, show_default=True, help="Processes that probe.")
@database_option
@json_option
def probe(
    targets: int,
    rate: float,
    seconds: float,
    timing_out: int,
    refusing: int,
    healing: bool,
    timeout: float | None,
    small: int,
    workers: int,
    database: str | None,
    as_json: bool,
) -> None:
    """Probe TARGETS local pods at a steady rate, and say what was recorded, how late, and for how much CPU time."""
    # Imported here: --help needs none of the database's modules.
    from podhealth.cli import bench_probe
    from podhealth.cli.bench_stock import plan_load

    load = plan_load(targets, rate, timing_out, timeout, refusing, healing)
    if small >= targets:
        raise InputError("--small", "fewer than --targets: the others belong to the large tenant")
    load = load._replace(small=small)
    _print(bench_probe.run(load, seconds, database, workers), as_json)


@bench.command()
@click.option(
    "--sockets", type=click.IntRange(1, 20_000), default=2_000, show_default=True, help="Live pages on one web process."
)
@click.option("--seconds", type=_Number(1, 3_600), default=20.0, show_default=True, help="Length of the span.")
@database_option
@json_option
def live(sockets: int, seconds: float, database: str | None, as_json: bool) -> None:
    """Change pods while SOCKETS pages watch, and say how soon all of them know and what a page takes meanwhile."""
    from podhealth.cli import bench_live

    _print(bench_live.run(sockets, seconds, database), as_json)


@bench.command()
@click.option("--pods", type=click.IntRange(1, 20_000), default=5_000, show_default=True, help="Pods of the tenant.")
@click.option("--days", type=click.IntRange(1, 30), default=30, show_default=True, help="Days of past they have.")
@click.option("--times", type=click.IntRange(1, 1_000), default=10, show_default=True, help="How often each is asked.")
@click.option("--database-url", metavar="URL", help="An empty database to use, as --database of the others.")
@json_option
def pages(pods: int, days: int, times: int, database_url: str | None, as_json: bool) -> None:
    """Ask one web process for the pages of a tenant of PODS pods, and say how long they take and how large they are.

    The past is made in bulk: outages, heals, incidents and rollups of all DAYS. Results, of which 5,000 pods with two
    checks have 432 million in 30 days, are made of the last two hours only, and of a day for the pods whose pages are
    asked for.
    """
    from podhealth.cli import bench_pages

    _print(bench_pages.run(pods, days, times, database_url), as_json)


@bench.command()
@click.option("--agents", type=click.IntRange(1, 20_000), default=2_000, show_default=True, help="Pods with an agent.")
@click.option("--at-once", type=click.IntRange(1, 1_000), default=64, show_default=True, help="Messages under way.")
@click.option("--seconds", type=_Number(1, 3_600), default=10.0, show_default=True, help="Length of the span.")
@database_option
@json_option
def heartbeats(agents: int, at_once: int, seconds: float, database: str | None, as_json: bool) -> None:
    """Send one web process what AGENTS say, and tell how many messages a CPU-second of it takes and stores."""
    from podhealth.cli import bench_heartbeats

    _print(bench_heartbeats.run(agents, at_once, seconds, database), as_json)


@bench.command()
@click.option(
    "--results", type=click.IntRange(1_000, 1_000_000_000), default=1_000_000, show_default=True, help="How many."
)
@click.option("--days", type=click.IntRange(1, 30), default=30, show_default=True, help="Days that they are of.")
@click.option(
    "--pods", type=click.IntRange(1, 100_000), help="Of so many pods (else as many as are probed each minute)."
)
@click.option("--times", type=click.IntRange(1, 1_000), default=3, show_default=True, help="How often each is asked.")
@click.option("--database-url", metavar="URL", help="An empty database to use, as --database of the others.")
@json_option
def history(results: int, days: int, pods: int | None, times: int, database_url: str | None, as_json: bool) -> None:
    """Make RESULTS in bulk, ask for histories and pages of pods, and remove a day of them while others write.

    A hundred million on PostgreSQL need 30 GB of disk and about half an hour.
    """
    from podhealth.cli import bench_history

    _print(bench_history.run(results, days, pods, times, database_url), as_json)


def _print(figures: Mapping[str, object], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(figures))
        return
    width = max(map(len, figures))
    for name, value in figures.items():
        shown = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, Mapping) else value
        click.echo(f"{name:<{width}}  {shown}")
