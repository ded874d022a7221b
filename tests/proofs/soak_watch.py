"""What is measured while it soaks: memory, files and threads of each process, how much is recorded and how late."""

from statistics import median
from typing import NamedTuple

import psutil

from podhealth.cli.bench_ledger import Ledger
from podhealth.cli.bench_place import Place
from podhealth.cli.bench_probe import percentile_ms

_SPAN = 0.25  # of what follows the warm-up: its first and its last quarter are compared


class Held(NamedTuple):
    """What a process and its children hold."""

    rss_mb: float
    files: int
    threads: int


class Sample(NamedTuple):
    """One look. ``at``: seconds since the begin; ``lag_ms``: p99 of what was recorded since the last look."""

    at: float
    per_second: float
    lag_ms: float | None
    held: dict[str, Held]
    pids: dict[str, int]


class Sampler:
    """Looks every few seconds."""

    def __init__(self, place: Place, ledger: Ledger, every_s: float) -> None:
        self._place, self._ledger, self._every_s = place, ledger, every_s
        self._next = every_s
        self._seen, self._at = len(ledger.rows), 0.0
        self.samples: list[Sample] = []

    def look(self, now: float) -> None:
        """Take a sample if it is time."""
        if now < self._next:
            return
        self._next += self._every_s
        rows = self._ledger.rows[self._seen :]
        self._seen += len(rows)
        lag_ms = percentile_ms(sorted(row.seen_us - row.due_us for row in rows), 99)
        held = {name: _held(process.pid) for name, process in self._place.running.items()}
        pids = {name: process.pid for name, process in self._place.running.items()}
        self.samples.append(Sample(now, len(rows) / (now - self._at), lag_ms, held, pids))
        self._at = now


def _held(pid: int) -> Held:
    total = Held(0.0, 0, 0)
    try:
        family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return total
    for process in family:
        try:
            memory = process.memory_info()
            own = Held(memory.rss / 1e6, process.num_fds(), process.num_threads())
        except psutil.NoSuchProcess:
            continue
        total = Held(*(a + b for a, b in zip(total, own, strict=True)))
    return total


def growth(
    samples: list[Sample], names: tuple[str, ...], warm_up_s: float, spare: int = 0
) -> dict[str, dict[str, float]]:
    """Return for each process by how many percent it grew in memory, files and threads after the warm-up.

    Compared are the first and the last quarter of what follows the warm-up: the medians of memory, and the fewest files
    and threads, as probes under way hold some for a moment. ``spare``: so many of these more count as none.
    """
    after = [sample for sample in samples if sample.at >= warm_up_s]
    many = max(1, int(len(after) * _SPAN))
    first, last = after[:many], after[-many:]
    return {name: {field: _grown(first, last, name, field, spare) for field in Held._fields} for name in names}


def _grown(first: list[Sample], last: list[Sample], name: str, field: str, spare: int) -> float:
    was, is_now = _typical(first, name, field), _typical(last, name, field)
    if field != "rss_mb" and is_now - was <= spare:
        is_now = min(was, is_now)
    return round(100 * (is_now / was - 1), 1)


def _typical(samples: list[Sample], name: str, field: str) -> float:
    values: list[float] = [getattr(sample.held[name], field) for sample in samples]
    return (median(values) if field == "rss_mb" else min(values)) or 1.0
