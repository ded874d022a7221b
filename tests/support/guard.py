"""Keeps one server alive for as long as its owner lives, and ends it and its folder afterwards.

``python -m tests.support.guard OWNER_PID FOLDER SIGNAL COMMAND...``: run COMMAND; when the owner is gone, however it
ended (kill -9 too), or when this program is told to end, send SIGNAL to the command, wait, and remove FOLDER.
"""

import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psutil

_GRACE_S = 10


def start(owner_pid: int, folder: Path, stop_signal: signal.Signals, command: list[str]) -> subprocess.Popen[bytes]:
    """Start a guard in a session of its own, so that Ctrl-C reaches it only through its owner."""
    guard = [sys.executable, "-m", "tests.support.guard", str(owner_pid), str(folder), stop_signal.name, *command]
    log = (folder / "server.log").open("ab")
    with log:
        return subprocess.Popen(
            guard,
            cwd=Path(__file__).resolve().parents[2],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def end(guard_pid: int) -> None:
    """Tell a guard to end its server, and return when both are gone."""
    try:
        process = psutil.Process(guard_pid)
        process.terminate()
        process.wait(2 * _GRACE_S)
    except psutil.NoSuchProcess:
        return


def _user_of(folder: Path) -> str | int | None:
    # PostgreSQL refuses to run as root: its files' owner runs it.
    owner = folder.stat().st_uid
    return owner if os.geteuid() == 0 and owner != 0 else None


def _watch(owner_pid: int, folder: Path, stop_signal: signal.Signals, command: list[str]) -> None:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: stop.set())
    server = subprocess.Popen(command, user=_user_of(folder), cwd=folder)
    try:
        while not stop.wait(0.3) and server.poll() is None:
            if not psutil.pid_exists(owner_pid):
                break
    finally:
        if server.poll() is None:
            server.send_signal(stop_signal)
        try:
            server.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    _watch(int(sys.argv[1]), Path(sys.argv[2]), signal.Signals[sys.argv[3]], sys.argv[4:])
