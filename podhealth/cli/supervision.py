"""Runs the programs of the Procfile under supervisord, which starts again, with a growing pause, whatever ends.

Knows how programs are kept running, not what they are.
"""

import ctypes
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from honcho.environ import parse_procfile

_STOP_WAIT_S = 12
_ENDED = re.compile(r"(?:WARN|INFO) exited: (?P<name>\S+) \((?P<how>[^)]*?)(?:; (?:not )?expected)?\)")
_SPAWNED = re.compile(r"INFO spawned: '(?P<name>[^']+)' with pid (?P<pid>\d+)")
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Program:
    """One process to keep running. ``is_base`` ones (Redis) start before the others and stop after them."""

    name: str
    command: str
    is_base: bool = False


def programs_of(procfile: Path) -> list[Program]:
    """Return the programs that a Procfile names, in its order."""
    return [Program(name, command) for name, command in parse_procfile(procfile.read_text()).processes.items()]


def write_configuration(programs: Iterable[Program], folder: Path) -> Path:
    """Write supervisord's configuration for ``programs`` into ``folder`` and return its path.

    Secrets go to the programs by environment only, never into this file.
    """
    logs = folder / "logs"
    logs.mkdir(exist_ok=True)
    programs = list(programs)
    parts = [
        "[supervisord]\nnodaemon=true\nlogfile=/dev/null\nlogfile_maxbytes=0\nloglevel=info\n"
        f"pidfile={folder / 'supervisord.pid'}\nchildlogdir={logs}\nminfds=1024\n"
        + ("user=root\n" if os.geteuid() == 0 else ""),  # as root it warns unless it is told to stay so
    ]
    for program in programs:
        parts.append(
            f"[program:{program.name}]\ncommand={program.command.replace('%', '%%')}\n"
            "autostart=true\nautorestart=true\n"
            # A program that ends within startsecs waits 1, 2, 3 … s before its next start, and is never given up.
            "startsecs=3\nstartretries=1000000\n"
            f"stopsignal=TERM\nstopwaitsecs={_STOP_WAIT_S}\nstopasgroup=false\nkillasgroup=true\n"
            f"redirect_stderr=true\nstdout_logfile={logs / (program.name + '.log')}\n"
            f"stdout_logfile_maxbytes=10MB\nstdout_logfile_backups=2\npriority={1 if program.is_base else 10}\n"
        )
    # One group stops together; without it supervisord would stop the programs one after another.
    names = ",".join(p.name for p in programs if not p.is_base)
    parts.append(f"[group:podhealth]\nprograms={names}\npriority=10\n")
    path = folder / "supervisord.conf"
    path.write_text("\n".join(parts))
    return path


class Supervision:
    """A running supervisord and the thread that retells what it says about its programs."""

    def __init__(self, configuration: Path, environment: Mapping[str, str], tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._ended: dict[str, str] = {}
        self.is_stopping = False
        self._process = subprocess.Popen(
            [sys.executable, "-m", "supervisor.supervisord", "-n", "-c", str(configuration)],
            env=dict(environment),
            cwd=configuration.parent,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,  # Ctrl-C reaches us alone, and we stop the programs in order
            preexec_fn=end_with_parent,
        )
        self._reader = threading.Thread(target=self._retell, name="supervision", daemon=True)
        self._reader.start()

    def is_running(self) -> bool:
        """Whether supervisord itself is alive."""
        return self._process.poll() is None

    def stop(self) -> None:
        """Stop all programs, the base ones last, and wait until none is left."""
        self.is_stopping = True
        if self.is_running():
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(timeout=3 * _STOP_WAIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(timeout=2)

    def _retell(self) -> None:
        if self._process.stdout is None:
            return
        for line in self._process.stdout:
            if self.is_stopping:
                continue
            if ended := _ENDED.search(line):
                self._ended[ended["name"]] = ended["how"]
                self._tell(f"{ended['name']} ended ({ended['how']}); starting it again")
            elif (spawned := _SPAWNED.search(line)) and self._ended.pop(spawned["name"], None):
                self._tell(f"{spawned['name']} runs again, pid {spawned['pid']}")
            elif "CRIT" in line or "ERROR" in line or "FATAL" in line:
                self._tell(line.strip())


def end_with_parent() -> None:
    """Have the kernel end this child with a SIGTERM when its parent is killed outright (``preexec_fn``; Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() == 1:
            os._exit(1)


def quoted(command: Iterable[str]) -> str:
    """Return a command line that supervisord splits again into exactly these words."""
    return shlex.join(command)
