"""PodHealth beside Prometheus with blackbox_exporter and beside Icinga 2: the same targets, one run, one after another.

    python -m bench.side_by_side --targets 1000 --interval 5 --seconds 60

Each probes every target over HTTP at the same interval. Counted is what it recorded where it keeps it (PodHealth in
PostgreSQL or SQLite, Prometheus in its TSDB, Icinga at its GraphiteWriter, which is how it hands results on), the CPU
of all its processes (PostgreSQL's apart), their memory, and how long after a target went away the first failure was
recorded. Needs Debian's packages prometheus, prometheus-blackbox-exporter, icinga2-bin and monitoring-plugins-basic;
who is not installed is left out, and it is said. Nothing leaves loopback, and all that is started is ended.
"""

import argparse
import json
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from podhealth import clock
from podhealth.cli import bench_cpu
from podhealth.cli.bench_ledger import Ledger
from podhealth.cli.bench_place import end, hear, helper, open_place, wait_until
from podhealth.cli.bench_stock import Load, Ports, address_of, fill
from podhealth.core.errors import SetupError
from tests.support.visited import Visited

_pause = threading.Event().wait
_VICTIM_PERCENT = 2
_NOTICED_WITHIN = 4  # intervals
_FEWEST, _SHORTEST_S = 50, 5  # one of fifty goes away; no check of ours is due more often


def _now() -> float:
    """Seconds since 1970, as all of them tell time."""
    return clock.utcnow().timestamp()


class Asked(NamedTuple):
    """What all of them get to do. ``port`` answers; at ``victims_port`` somebody does until he is sent away."""

    targets: int
    interval_s: int
    seconds: float
    port: int
    victims: Visited

    @property
    def load(self) -> Load:
        """The same as PodHealth's own benchmarks say it."""
        return Load(self.targets, 1, self.interval_s, 0, 0, min(3.0, self.interval_s / 2), _VICTIM_PERCENT)

    def port_of(self, number: int) -> int:
        """The port of a target; they are numbered from 1."""
        return self.victims.port if self.load.is_refusing(number) else self.port

    @property
    def victim_numbers(self) -> set[int]:
        """The targets that go away."""
        return {number for number in range(1, self.targets + 1) if self.load.is_refusing(number)}


class Peer(NamedTuple):
    """One of them, running: how many results it recorded between two moments, and which targets it knows to fail."""

    pids: Callable[[], list[int]]
    recorded: Callable[[float, float], int]
    failing: Callable[[float], dict[int, float]]


def measure(peer: Peer, asked: Asked) -> dict[str, object]:
    """Warm up, count for the asked time, then have the victims go and wait until all are noticed."""
    _pause(2 * asked.interval_s)
    began, used = _now(), bench_cpu.cpu_s(peer.pids())
    _pause(asked.seconds)
    until, used = _now(), bench_cpu.cpu_s(peer.pids()) - used
    memory_mb = bench_cpu.pss_mb(peer.pids())
    recorded = peer.recorded(began, until)
    asked.victims.go()
    gone = _now()
    seen: dict[int, float] = {}
    while len(seen) < len(asked.victim_numbers) and _now() < gone + _NOTICED_WITHIN * asked.interval_s:
        for number, at in peer.failing(gone).items():
            seen.setdefault(number, at)
        _pause(0.05)
    asked.victims.come()
    lags = sorted(at - gone for at in seen.values())
    return {
        "recorded": recorded,
        "wanted": round(asked.targets / asked.interval_s * asked.seconds),
        "cpuSeconds": round(used, 2),
        "recordedPerCpuSecond": round(recorded / used),
        "memoryMb": round(memory_mb),
        "noticed": f"{len(lags)} of {len(asked.victim_numbers)}",
        "noticedAfterMedianS": round(median(lags), 2) if lags else None,
        "noticedAfterMostS": round(lags[-1], 2) if lags else None,
    }


@contextmanager
def podhealth(asked: Asked, database_url: str | None) -> Iterator[Peer]:
    """The Procfile's processes, on their own database."""
    with open_place(database_url) as place:
        fill(place.engine, asked.load, Ports([asked.port], [0], [asked.victims.port]))
        place.start_programs(("web", "scheduler", "probe", "worker"))
        wait_until(place.web_answers, 60, "the web process answers")
        ledger = Ledger(place.environment["DATABASE_URL"], asked.load)

        def failing(after: float) -> dict[int, float]:
            ledger.look()
            found: dict[int, float] = {}
            for row in ledger.rows:
                if row.is_right and asked.load.is_refusing(row.check_id) and row.due_us > after * 1e6:
                    found.setdefault(row.check_id, row.seen_us / 1e6)
            return found

        def recorded(since: float, until: float) -> int:
            ledger.look_at_all()
            return sum(since * 1e6 < row.due_us <= until * 1e6 for row in ledger.rows)

        yield Peer(lambda: place.pids("redis"), recorded, failing)
        ledger.close()


@contextmanager
def prometheus(asked: Asked) -> Iterator[Peer]:
    """Prometheus, which asks blackbox_exporter to ask."""
    with tempfile.TemporaryDirectory(prefix="side-prometheus-") as name, ExitStack() as stack:
        folder, (port, exporter) = Path(name), _free_ports(2)
        timeout = f"{asked.load.timeout_s:g}s"
        module = {"prober": "http", "timeout": timeout, "http": {"preferred_ip_protocol": "ip4"}}
        (folder / "blackbox.yml").write_text(json.dumps({"modules": {"http_2xx": module}}))
        groups = [
            {"targets": [f"http://{address_of(n)}:{asked.port_of(n)}/"], "labels": {"number": str(n)}}
            for n in range(1, asked.targets + 1)
        ]
        (folder / "targets.json").write_text(json.dumps(groups))
        job = {
            "job_name": "blackbox",
            "metrics_path": "/probe",
            "params": {"module": ["http_2xx"]},
            "file_sd_configs": [{"files": [str(folder / "targets.json")]}],
            "relabel_configs": [
                {"source_labels": ["__address__"], "target_label": "__param_target"},
                {"source_labels": ["__param_target"], "target_label": "instance"},
                {"target_label": "__address__", "replacement": f"127.0.0.1:{exporter}"},
            ],
        }
        every = {"scrape_interval": f"{asked.interval_s}s", "scrape_timeout": f"{min(asked.interval_s, 5)}s"}
        (folder / "prometheus.yml").write_text(json.dumps({"global": every, "scrape_configs": [job]}))
        pids = [
            _start(stack, folder, "prometheus-blackbox-exporter", f"--config.file={folder}/blackbox.yml",
                   f"--web.listen-address=127.0.0.1:{exporter}"),
            _start(stack, folder, "prometheus", f"--config.file={folder}/prometheus.yml",
                   f"--storage.tsdb.path={folder}/data", f"--web.listen-address=127.0.0.1:{port}"),
        ]  # fmt: skip

        def ask(query: str, at: float | None = None) -> list[Any]:
            words = urllib.parse.urlencode({"query": query} | ({} if at is None else {"time": f"{at:.3f}"}))
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/query?{words}", timeout=30) as answer:
                return list(json.load(answer)["data"]["result"])

        def recorded(since: float, until: float) -> int:
            return int(float(ask(f"sum(count_over_time(probe_success[{until - since:.0f}s]))", until)[0]["value"][1]))

        def failing(_after: float) -> dict[int, float]:
            now = _now()
            return {int(one["metric"]["number"]): now for one in ask("probe_success == 0")}

        def answers() -> bool:
            try:
                return len(ask("probe_success")) == asked.targets
            except OSError:
                return False

        wait_until(answers, 60, "Prometheus has looked at all targets")
        yield Peer(lambda: pids, recorded, failing)


@contextmanager
def icinga(asked: Asked) -> Iterator[Peer]:
    """Icinga 2 with monitoring-plugins' check_http, a process for each check; results come by its GraphiteWriter."""
    with tempfile.TemporaryDirectory(prefix="side-icinga-") as name, ExitStack() as stack:
        folder = Path(name)
        results = _Graphite()
        stack.callback(results.close)
        hosts = "\n".join(
            f'object Host "h{n}" {{ import "target"; address = "{address_of(n)}"; vars.http_port = {port} }}'
            for n, port in ((n, asked.port_of(n)) for n in range(1, asked.targets + 1))
        )
        (folder / "icinga2.conf").write_text(_ICINGA.format(every=asked.interval_s, port=results.port) + hosts)
        for each in ("data", "log", "run", "cache", "spool"):
            (folder / each).mkdir()
        where = {"DataDir": "data", "LogDir": "log", "InitRunDir": "run", "CacheDir": "cache", "SpoolDir": "spool"}
        dirs = [f"-DConfiguration.{key}={folder / value}" for key, value in where.items()]
        own = ["-DConfiguration.RunAsUser=root", "-DConfiguration.RunAsGroup=root", "-DConfiguration.Concurrency=2"]
        pid = _start(stack, folder, "icinga2", "daemon", "-c", str(folder / "icinga2.conf"), *dirs, *own)
        wait_until(lambda: len(results.hosts()) == asked.targets, 120, "Icinga has looked at all targets")
        yield Peer(lambda: [pid], results.recorded, results.failing)


_ICINGA = """
include <itl>
include <plugins>
const PluginDir = "/usr/lib/nagios/plugins"
const NodeName = "bench"
const MaxConcurrentChecks = 512
object IcingaApplication "app" {{ }}
object CheckerComponent "checker" {{ }}
object GraphiteWriter "graphite" {{ host = "127.0.0.1"; port = {port}; enable_send_metadata = true }}
template Host "target" {{
  check_command = "http"
  check_interval = {every}s
  retry_interval = {every}s
  max_check_attempts = 3
  vars.http_uri = "/"
}}
"""


class _Graphite:
    """Takes what a GraphiteWriter sends: one line ``….h7.….state 0 TIME`` for each result."""

    def __init__(self) -> None:
        self._sock = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._sock.getsockname()[1])
        self._came: list[tuple[float, int, bool]] = []
        threading.Thread(target=self._take, daemon=True).start()

    def hosts(self) -> set[int]:
        return {number for _, number, _ in list(self._came)}

    def recorded(self, since: float, until: float) -> int:
        return sum(since < at <= until for at, _, _ in list(self._came))

    def failing(self, after: float) -> dict[int, float]:
        found: dict[int, float] = {}
        for at, number, is_well in list(self._came):
            if at > after and not is_well:
                found.setdefault(number, at)
        return found

    def close(self) -> None:
        self._sock.close()

    def _take(self) -> None:
        try:
            stream = self._sock.accept()[0].makefile()
        except OSError:
            return
        for line in stream:
            path, value, _ = line.split(" ", 2)
            if path.endswith(".metadata.state"):
                self._came.append((_now(), int(path.split(".")[1][1:]), float(value) == 0))


def _start(stack: ExitStack, folder: Path, *command: str) -> int:
    with (folder / f"{command[0]}.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=folder)

    def stop() -> None:
        process.send_signal(signal.SIGTERM)
        end(process)

    stack.callback(stop)
    return process.pid


def _free_ports(many: int) -> list[int]:
    with ExitStack() as stack:
        socks = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(many)]
        return [int(sock.getsockname()[1]) for sock in socks]


def main() -> None:
    """Measure one after the other and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--targets", type=int, default=1000)
    parser.add_argument("--interval", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--database-url", help="an empty PostgreSQL for PodHealth (else SQLite)")
    given = parser.parse_args()
    if given.targets < _FEWEST or given.interval < _SHORTEST_S or given.seconds < 1:
        parser.error(f"--targets {_FEWEST} or more, --interval {_SHORTEST_S} or more, --seconds 1 or more")
    needs = {"prometheus": "prometheus-blackbox-exporter", "icinga": "icinga2"}
    found: dict[str, object] = {}
    with helper("podhealth.cli.bench_targets") as targets:
        port = json.loads(hear(targets))["answering"]
        asked = Asked(given.targets, given.interval, given.seconds, port, Visited())
        runs: dict[str, Callable[[], Any]] = {
            "podhealth": lambda: podhealth(asked, given.database_url),
            "prometheus": lambda: prometheus(asked),
            "icinga": lambda: icinga(asked),
        }
        for name, run in runs.items():
            if name in needs and shutil.which(needs[name]) is None:
                found[name] = "not installed"
                continue
            try:
                with run() as peer:
                    found[name] = measure(peer, asked)
            except SetupError as error:
                found[name] = f"did not come up: {error}"
            print(name, json.dumps(found[name]), file=sys.stderr, flush=True)
    method = {"targets": given.targets, "intervalSeconds": given.interval, "seconds": given.seconds}
    print(json.dumps(found | method | {"machine": bench_cpu.machine()}, indent=1))


if __name__ == "__main__":
    main()
