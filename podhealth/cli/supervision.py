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

from podhealth import clock
from podhealth.cli import orphans
from podhealth.core.ending import KILL_AFTER_S

# A supervisord that dies sooner than this, more often than this, will not get better by itself.
_LIVES_S = 60.0
_MOST_DEATHS = 3
_RETELL_EVERY_S = 0.2
_ENDED = re.compile(r"(?:WARN|INFO) exited: (?P<name>\S+) \((?P<how>[^)]*?)(?:; (?:not )?expected)?\)")
_SPAWNED = re.compile(r"INFO spawned: '(?P<name>[^']+)' with pid (?P<pid>\d+)")
_PR_SET_PDEATHSIG = 1
_HERE = os.getpid()


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
            f"stopsignal=TERM\nstopwaitsecs={KILL_AFTER_S}\nstopasgroup=false\nkillasgroup=true\n"
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
    """A running supervisord and the thread that retells what it says about its programs.

    Should supervisord itself die, its programs are ended and it is started again. Made and used by the main thread:
    supervisord ends with the thread that started it.
    """

    def __init__(self, configuration: Path, environment: Mapping[str, str], tell: Callable[[str], None]) -> None:
        self._configuration, self._environment, self._tell = configuration, dict(environment), tell
        self._ended: dict[str, str] = {}
        self._deaths = 0
        self.is_stopping = False
        orphans.take_in()
        self._start()

    def _start(self) -> None:
        self._started_at = clock.monotonic()
        # A file and no pipe: at the first line after our end by SIGKILL, a broken pipe would end supervisord before
        # it has stopped its programs.
        with (self._configuration.parent / "logs" / "supervisor.log").open("w") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "supervisor.supervisord", "-n", "-c", str(self._configuration)],
                env=self._environment,
                cwd=self._configuration.parent,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C reaches us alone, and we stop the programs in order
                preexec_fn=end_with_parent,
            )
        self._reader = threading.Thread(
            target=self._retell, args=(self._process, Path(log.name)), name="supervision", daemon=True
        )
        self._reader.start()

    def is_running(self) -> bool:
        """Whether supervisord itself is alive."""
        return self._process.poll() is None

    def look_after(self) -> bool:
        """Collect orphans and start supervisord again if it died; false when it dies again and again."""
        orphans.collect(but=self._process.pid)
        if self.is_running():
            return True
        self._deaths = self._deaths + 1 if clock.monotonic() - self._started_at < _LIVES_S else 1
        if self._deaths > _MOST_DEATHS:
            return False
        self._tell("the supervisor ended; ending its programs and starting all again")
        orphans.end_all(KILL_AFTER_S, self._tell)
        self._start()
        return True

    def stop(self) -> None:
        """Stop all programs, the base ones last, and wait until none is left."""
        self.is_stopping = True
        if self.is_running():
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(timeout=2 * KILL_AFTER_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        orphans.end_all(KILL_AFTER_S, self._tell)
        self._reader.join(timeout=2)

    def _retell(self, process: "subprocess.Popen[bytes]", log: Path) -> None:
        pause = threading.Event()
        with log.open() as said:
            while True:
                is_over = process.returncode is not None
                for line in said:
                    self._retell_line(line)
                if is_over:
                    return
                pause.wait(_RETELL_EVERY_S)

    def _retell_line(self, line: str) -> None:
        if self.is_stopping:
            return
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
        if os.getppid() == 1 and _HERE != 1:  # gone already; in a container we may be process 1 ourselves
            os._exit(1)


def quoted(command: Iterable[str]) -> str:
    """Return a command line that supervisord splits again into exactly these words."""
    return shlex.join(command)
