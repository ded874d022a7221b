"""`podhealth up` and the other commands as a person runs them: real processes, a data folder of its own."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from tests.support.ports import free_port
from tests.support.wait import wait_for

_OURS = ("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "PODHEALTH_DATA")


def clean_environment(**more: str) -> dict[str, str]:
    """Return this environment without what would lead the command to another installation."""
    return {name: value for name, value in os.environ.items() if name not in _OURS} | more


def run(*words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run ``podhealth WORDS…`` to its end, whatever that is."""
    return subprocess.run(
        [sys.executable, "-m", "podhealth", *words],
        env=clean_environment(**environment),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


class Up:
    """One running ``podhealth up``; what it says on stderr is in ``said()``."""

    def __init__(self, folder: Path, port: int, args: tuple[str, ...] = ()) -> None:
        self.port, self.folder = port, folder
        self._errors = (folder.parent / f"{folder.name}.stderr").open("w+")
        # Tests that were themselves started by nohup would hand on that a closed terminal ends nothing.
        as_started = signal.signal(signal.SIGHUP, signal.SIG_DFL)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "podhealth", "up", "--data", str(folder), "--port", str(port), *args],
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env=clean_environment(),
        )
        signal.signal(signal.SIGHUP, as_started)

    def link(self) -> str:
        """Return the sign-in link of the ready line; fails where another line or none comes."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline().strip()
        assert line.startswith(f"PodHealth is ready: http://127.0.0.1:{self.port}/sign-in/link/"), line + self.said()
        return line.removeprefix("PodHealth is ready: ")

    def said(self) -> str:
        """Return what it has said on stderr so far."""
        return Path(self._errors.name).read_text()

    def command(self, *words: str) -> str:
        """Run another command on the same data folder and return what it prints; it must succeed."""
        ran = run(*words, "--data", str(self.folder))
        assert ran.returncode == 0, ran.stderr
        return ran.stdout.strip()

    def children(self) -> list[psutil.Process]:
        """Return all processes below it."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def child(self, words: str) -> psutil.Process | None:
        """Return the first process below it whose command line has these words."""
        for child in self.children():
            try:
                if words in " ".join(child.cmdline()):
                    return child
            except psutil.NoSuchProcess:
                continue
        return None

    def end(self, number: signal.Signals = signal.SIGINT) -> int:
        """Send it that signal, unless it has ended, and return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(timeout=60)
        if self.process.stdout is not None:
            self.process.stdout.close()
        self._errors.close()
        return code


@contextmanager
def running_up(folder: Path, *args: str, port: int | None = None) -> Iterator[Up]:
    """Run ``podhealth up`` while in the block, and end it with Ctrl-C."""
    up = Up(folder, port or free_port(), args)
    try:
        yield up
    finally:
        up.end()


def none_left(processes: list[psutil.Process], within_s: float = 20.0) -> None:
    """Fail unless all these processes end within that time; ended ones that nobody collected count as ended."""

    def living() -> list[psutil.Process]:
        return [p for p in processes if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]

    wait_for(lambda: not living(), within_s, what=f"no process left of {[p.pid for p in processes]}")
