"""``podhealth demo-host``: keeps the demo's pods as real processes; the far end of the provider ``process``.

A pod that dies stays dead until somebody says restart: healing it is what the demo shows. Each action has a key and is
done once, also when it is asked for twice or after this program was killed: keys stand in a ledger before they are
done. Knows no check, no policy and no database.
"""

import contextlib
import ctypes
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from podhealth.core.errors import SetupError
from podhealth.healing.providers.process import SOCKET

SPEC = "spec.json"
LEDGER = "actions.log"
_TURN_S = 0.1
_GRACE_S = 2.0
_LINE = 65_536
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


def write_spec(folder: Path, pods: list[dict[str, Any]]) -> None:
    """Write what the host is to run; only this user may read it, since a pod's environment may hold its token."""
    kept = [{"name": pod["name"], "command": pod["command"], "env": pod.get("env", {})} for pod in pods]
    draft = folder / f"{SPEC}.new"
    draft.touch(0o600)
    draft.write_text(json.dumps({"pods": kept}, indent=1))
    draft.rename(folder / SPEC)


def read_spec(folder: Path) -> dict[str, dict[str, Any]]:
    """Return what ``write_spec`` wrote last, by pod name; nothing where nothing or nonsense is there."""
    try:
        return {row["name"]: row for row in json.loads((folder / SPEC).read_text())["pods"]}
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return {}


def _die_with_parent() -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


@dataclass
class _Pod:
    name: str
    command: list[str]
    env: dict[str, str]
    process: subprocess.Popen[bytes] | None = None
    starts: int = 0

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self, log: Path) -> None:
        with log.open("ab") as out:
            self.process = subprocess.Popen(  # noqa: S603 - the command is that of the spec we wrote
                self.command,
                env={"PATH": os.environ.get("PATH", ""), **self.env},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                preexec_fn=_die_with_parent,
            )
        self.starts += 1

    def signal(self, number: int) -> None:
        if self.process is not None and self.is_running:
            self.process.send_signal(number)


@dataclass
class _Task:
    key: str
    do: str
    pod: str
    kill_at: float = 0.0
    is_over: bool = False
    is_ok: bool = False
    message: str = ""


@dataclass
class Host:
    """The pods, the tasks by key, and the ledger that remembers the keys."""

    folder: Path
    pods: dict[str, _Pod] = field(default_factory=dict)
    tasks: dict[str, _Task] = field(default_factory=dict)

    def boot(self) -> None:
        """Read spec and ledger, and start every pod whose last action was not a stop."""
        for row in json.loads((self.folder / SPEC).read_text())["pods"]:
            self.pods[row["name"]] = _Pod(row["name"], row["command"], row["env"])
        stopped: set[str] = set()
        for row in self._ledger():
            (stopped.add if row["do"] == "stop" else stopped.discard)(row["pod"])
            # Booting starts the pod anew, which is all that a restart in flight could still do.
            self.tasks[row["key"]] = _Task(row["key"], row["do"], row["pod"], is_over=True, is_ok=True)
        for pod in self.pods.values():
            if pod.name not in stopped:
                self._start(pod)

    def _ledger(self) -> list[dict[str, Any]]:
        rows = []
        with contextlib.suppress(FileNotFoundError):
            for line in (self.folder / LEDGER).read_text().splitlines():
                # A line cut short by a kill was never acted on.
                with contextlib.suppress(ValueError):
                    rows.append(json.loads(line))
        return rows

    def _note(self, row: dict[str, Any]) -> None:
        descriptor = os.open(self.folder / LEDGER, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(descriptor, json.dumps(row).encode() + b"\n")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _start(self, pod: _Pod) -> None:
        logs = self.folder / "logs"
        logs.mkdir(exist_ok=True)
        pod.start(logs / f"{pod.name}.log")

    def answer(self, question: dict[str, Any]) -> dict[str, Any]:
        """Do or tell what one question asks; a refusal is an ``error`` with ``permanent``."""
        do, name, key = question.get("do"), question.get("pod"), question.get("key")
        if do == "task":
            return self._told(self.tasks.get(str(key)))
        pod = self.pods.get(str(name))
        if pod is None:
            return {"error": f"there is no pod {name}", "permanent": True}
        if do == "state":
            return {"running": pod.is_running, "pid": pod.process.pid if pod.process else None, "starts": pod.starts}
        if do in ("crash", "hang", "slow"):
            return self._break(pod, str(do))
        if do in ("restart", "stop", "start") and isinstance(key, str) and key:
            return self._take_on(pod, str(do), key, bool(question.get("graceful", True)))
        return {"error": f"cannot {do}", "permanent": True}

    def _told(self, task: _Task | None) -> dict[str, Any]:
        if task is None:
            return {"known": False}
        return {"known": True, "over": task.is_over, "ok": task.is_ok, "message": task.message}

    def _break(self, pod: _Pod, how: str) -> dict[str, Any]:
        if not pod.is_running:
            return {"error": f"{pod.name} does not run", "permanent": True}
        pod.signal({"crash": signal.SIGKILL, "hang": signal.SIGSTOP, "slow": signal.SIGUSR1}[how])
        return {"ok": True}

    def _take_on(self, pod: _Pod, do: str, key: str, graceful: bool) -> dict[str, Any]:
        if key not in self.tasks:
            self._note({"key": key, "do": do, "pod": pod.name, "at": time.monotonic(), "by": os.getpid()})
            self.tasks[key] = _Task(key, do, pod.name, time.monotonic() + (_GRACE_S if graceful else 0.0))
            if do != "start":
                pod.signal(signal.SIGTERM)
                pod.signal(signal.SIGCONT)  # one that hangs would never hear it
        return self._told(self.tasks[key])

    def turn(self) -> None:
        """Bring the open tasks a step further, and collect those who died."""
        for task in self.tasks.values():
            if task.is_over:
                continue
            pod = self.pods[task.pod]
            if task.do != "start" and pod.is_running:
                if time.monotonic() >= task.kill_at:
                    pod.signal(signal.SIGKILL)
                continue
            if task.do != "stop" and not pod.is_running:
                self._start(pod)
            task.is_over = task.is_ok = True
        for pod in self.pods.values():
            _ = pod.is_running  # asks, and so leaves no zombie

    def end(self) -> None:
        """End all pods."""
        for pod in self.pods.values():
            pod.signal(signal.SIGKILL)
        for pod in self.pods.values():
            if pod.process is not None:
                pod.process.wait()


class _Door:
    """The unix socket: one line in, one line out, then the connection is closed."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._path = host.folder / SOCKET
        self._path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX)
        # By the folder's descriptor: the kernel takes 107 bytes for a socket's path.
        folder = os.open(host.folder, os.O_PATH | os.O_DIRECTORY)
        self._listener.bind(f"/proc/self/fd/{folder}/{SOCKET}")
        os.close(folder)
        self._path.chmod(0o600)
        self._listener.listen(16)
        self._listener.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ, b"")

    def serve(self, for_s: float) -> None:
        """Answer what comes within that time."""
        for key, _ in self._selector.select(for_s):
            if key.fileobj is self._listener:
                conn, _ = self._listener.accept()
                conn.settimeout(1.0)
                self._selector.register(conn, selectors.EVENT_READ, b"")
            elif isinstance(key.fileobj, socket.socket):
                self._read(key.fileobj, key.data)

    def _read(self, conn: socket.socket, before: bytes) -> None:
        try:
            part = conn.recv(4096)
            received = before + part
            if part and b"\n" not in received and len(received) < _LINE:
                self._selector.modify(conn, selectors.EVENT_READ, received)
                return
            if part:
                conn.sendall(json.dumps(self._answer(received)).encode() + b"\n")
        except OSError:
            pass  # the asker has gone
        self._selector.unregister(conn)
        conn.close()

    def _answer(self, received: bytes) -> dict[str, Any]:
        try:
            question = json.loads(received)
        except ValueError:
            question = None
        if not isinstance(question, dict):
            return {"error": "not a question", "permanent": True}
        return self._host.answer(question)

    def close(self) -> None:
        """Take the socket away."""
        self._listener.close()
        self._path.unlink(missing_ok=True)


@click.command("demo-host")
@click.option("--dir", "folder", required=True, type=click.Path(path_type=Path), help="Folder with spec.json.")
def demo_host(folder: Path) -> None:
    """Keep the demo's pods as real processes until told to end."""
    if not (folder / SPEC).is_file():
        raise SetupError(f"{folder / SPEC} is missing: `podhealth up --demo` writes it")
    run(folder)


def run(folder: Path) -> None:
    """Keep the pods of ``folder`` until SIGTERM or SIGINT, then end them all."""
    ends: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda got, _frame: ends.append(got))
    host = Host(folder)
    host.boot()
    door = _Door(host)
    print(f"demo-host keeps {len(host.pods)} pods", flush=True)
    try:
        while not ends:
            door.serve(_TURN_S)
            host.turn()
    finally:
        door.close()
        host.end()


if __name__ == "__main__":
    run(Path(sys.argv[1]))
