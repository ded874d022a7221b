"""What processes have used, read from the kernel: CPU time with that of their children, memory, the machine's name.

Linux only, like the prober itself. It starts and ends nothing.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

_TICKS = os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")


class _Stat(NamedTuple):
    name: str
    parent: int
    used_s: float  # children that ended and were waited for included


def _stat(pid: int) -> _Stat | None:
    try:
        text = (_PROC / str(pid) / "stat").read_text()
    except (OSError, UnicodeDecodeError):
        return None
    name, _, rest = text.partition("(")[2].rpartition(")")
    fields = rest.split()
    return _Stat(name, int(fields[1]), sum(map(int, fields[11:15])) / _TICKS)


def _family(pids: Iterable[int]) -> dict[int, _Stat]:
    """Return these processes and all that descend from them."""
    everybody = {int(entry): stat for entry in os.listdir(_PROC) if entry.isdigit() and (stat := _stat(int(entry)))}
    found = {pid for pid in pids if pid in everybody}
    grew = True
    while grew:
        more = {pid for pid, stat in everybody.items() if stat.parent in found} - found
        found |= more
        grew = bool(more)
    return {pid: everybody[pid] for pid in found}


def cpu_s(pids: Iterable[int], but: Iterable[int] = ()) -> float:
    """Return the CPU seconds used so far by these processes and their descendants, without those of ``but``."""
    left_out = set(but)
    return sum(stat.used_s for pid, stat in _family(pids).items() if pid not in left_out)


def peak_rss_mb(pid: int) -> float:
    """Return the most memory a process ever held in RAM, in MB of 1,000,000 bytes; 0 when it is gone."""
    return _told_mb(pid, "status", "VmHWM:")


def _told_mb(pid: int, file: str, name: str) -> float:
    try:
        lines = (_PROC / str(pid) / file).read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith(name)), 0.0)


def rss_mb(pids: Iterable[int]) -> float:
    """Return the peaks of these processes and their descendants, added up."""
    return sum(peak_rss_mb(pid) for pid in _family(pids))


def pss_mb(pids: Iterable[int]) -> float:
    """Return what these processes and their descendants hold now, in MB; a page that several share counts once."""
    return sum(_told_mb(pid, "smaps_rollup", "Pss:") for pid in _family(pids))


def postmaster_of(backend_pid: int) -> int | None:
    """Return the PostgreSQL server above one of its backends, or None where it runs on another machine."""
    stat = _stat(backend_pid)
    if stat is None or not stat.name.startswith("postgres"):
        return None
    above = _stat(stat.parent)
    return stat.parent if above is not None and above.name.startswith("postgres") else None


def machine() -> dict[str, object]:
    """Return what the figures were measured on."""
    lines = (_PROC / "cpuinfo").read_text().splitlines()
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
    return {"cpu": model, "cores": os.cpu_count()}


def busy_s() -> float:
    """Return the CPU seconds that this machine's processes have used since it started, whoever's they are."""
    fields = (_PROC / "stat").read_text().split("\n", 1)[0].split()[1:]
    idle = int(fields[3]) + int(fields[4])
    return (sum(map(int, fields[:8])) - idle) / _TICKS
