"""A PodHealth of its own for a benchmark: folder, empty database, private Redis, the Procfile's processes.

Whatever happens, the processes it started are ended, the database is empty again and the folder is gone.
"""

import json
import os
import secrets
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import redis
import sqlalchemy as sa

from podhealth import clock
from podhealth.beside import beside
from podhealth.cli.installation import Installation
from podhealth.cli.redis_program import redis_command
from podhealth.cli.supervision import end_with_parent, programs_of
from podhealth.core.ending import KILL_AFTER_S
from podhealth.core.errors import InputError, SetupError
from podhealth.store import statistics
from podhealth.store.db import make_engine, normalise_url
from podhealth.store.schema import downgrade, migrate

_PROCFILE = beside("Procfile")
_OURS = ("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "FLASK_", "PODHEALTH_")


def wait_until(condition: Callable[[], object], within_s: float, what: str) -> None:
    """Return once the condition holds. Raises SetupError naming ``what`` did not come."""
    until, pause = clock.monotonic() + within_s, threading.Event()
    while not condition():
        if clock.monotonic() > until:
            raise SetupError(f"bench: not within {within_s:g} s: {what}")
        pause.wait(0.05)


def count_rows(engine: sa.Engine) -> None:
    """Have the database count its rows, as it does by itself within a minute (PostgreSQL) or an hour (SQLite)."""
    statistics.renew(engine)
    if engine.dialect.name == "postgresql":
        with engine.begin() as conn:
            conn.exec_driver_sql("ANALYZE")


class Place:
    """The folder and what runs in it. ``environment``: what its processes are given."""

    def __init__(self, folder: Path, database_url: str, **more: str) -> None:
        self.folder = folder
        self.engine = make_engine(database_url)
        self.redis_socket = Installation(folder).redis_socket
        self.secret_key = secrets.token_urlsafe(48)
        self.port = _free_port()
        self.origin = f"http://127.0.0.1:{self.port}"
        own = {
            "DATABASE_URL": database_url,
            "REDIS_URL": f"unix://{self.redis_socket}",
            "SECRET_KEY": self.secret_key,
            "PODHEALTH_DEMO_LOOPBACK": "true",
            "PODHEALTH_WEB_PORT": str(self.port),
            "PODHEALTH_EXPENSIVE_A_MINUTE": "100000",  # one measures here, without a pause
            "PODHEALTH_PUBLIC_URL": self.origin,
        }
        clean = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
        self.environment = clean | own | more
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def database(self) -> str:
        """The kind of database: ``sqlite`` or ``postgresql``."""
        return self.engine.dialect.name

    def pids(self, *but: str) -> list[int]:
        """Return the processes started here, except those named."""
        return [process.pid for name, process in self.running.items() if name not in but]

    def start(self, name: str, command: Sequence[str]) -> None:
        """Start one process; what it says goes to a log in the folder."""
        with (self.folder / f"{name}.log").open("wb") as log:
            self.running[name] = subprocess.Popen(
                command,
                env=self.environment,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=end_with_parent,
            )

    def start_redis(self) -> None:
        """Start the private Redis and wait until it answers."""
        self.start("redis", redis_command(self.redis_socket, self.folder))
        client = redis.Redis(unix_socket_path=str(self.redis_socket))

        def answers() -> bool:
            self.require_alive()
            try:
                return bool(client.ping())
            except redis.RedisError:
                return False

        wait_until(answers, 10, "redis-server answers")
        client.close()

    def start_programs(self, names: Sequence[str], probe_workers: int = 1) -> None:
        """Start these programs of the Procfile by the commands that stand there; several of ``probe`` if asked."""
        for program in programs_of(_PROCFILE):
            if program.name not in names:
                continue
            words = [sys.executable, "-m", *shlex.split(program.command)]
            for number in range(probe_workers if program.name == "probe" else 1):
                self.start(f"{program.name}-{number + 1}" if number else program.name, words)

    def require_alive(self) -> None:
        """Raise SetupError with the end of its log if a process has ended by itself."""
        for name, process in self.running.items():
            if process.poll() is not None:
                said = (self.folder / f"{name}.log").read_text(errors="replace")[-1500:]
                raise SetupError(f"bench: {name} ended by itself (code {process.returncode}):\n{said}")

    def web_answers(self) -> bool:
        """Whether the web process answers that it is alive. Raises SetupError if any process has ended."""
        self.require_alive()
        try:
            with urllib.request.urlopen(self.origin + "/healthz", timeout=2):  # noqa: S310 - our own http address
                return True
        except OSError:
            return False

    def stop(self, *names: str) -> None:
        """End these processes, or all; Redis last, so that the others may say farewell."""
        wanted = [name for name in names or self.running if name in self.running]
        for some in ([n for n in wanted if n != "redis"], [n for n in wanted if n == "redis"]):
            for name in some:
                self.running[name].send_signal(signal.SIGTERM)
            for name in some:
                end(self.running.pop(name))


def end(process: subprocess.Popen[Any]) -> None:
    """Wait for a process that was told to end, and kill it if it does not."""
    try:
        process.wait(KILL_AFTER_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def open_place(database_url: str | None, **more: str) -> Iterator[Place]:
    """Make a place with a migrated, otherwise empty database; without a URL a SQLite file in the folder.

    ``more`` are further settings of its processes. Raises InputError where the database is not empty, SetupError
    where it is not reached or there is no Redis to run.
    """
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="podhealth-bench-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        if database_url is None:
            url = f"sqlite:///{folder / 'podhealth.db'}"
            migrate(url)
        else:
            url = normalise_url(database_url)
            stack.enter_context(_empty_database(url))
        place = Place(folder, url, **more)
        if place.redis_socket.parent != folder:  # the folder's path is too long for a socket
            stack.callback(shutil.rmtree, place.redis_socket.parent, ignore_errors=True)
        stack.callback(place.engine.dispose)
        stack.callback(place.stop)
        place.start_redis()
        yield place


@contextmanager
def _empty_database(url: str) -> Iterator[None]:
    try:
        engine = make_engine(url, poolclass=sa.NullPool)
        tables = sa.inspect(engine).get_table_names()
    except (sa.exc.SQLAlchemyError, ValueError, ImportError) as error:
        raise SetupError(f"--database: not reached: {str(error).splitlines()[0]}") from None
    if tables:
        raise InputError("--database", "must be an empty database, without tables: what is measured fills it")
    try:
        migrate(url)
        yield
    finally:
        wait_until(lambda: _is_emptied(url), 60, "whoever used the database let go of it; it is not emptied")
        with engine.begin() as conn:
            conn.exec_driver_sql("DROP TABLE IF EXISTS alembic_version")
        engine.dispose()


def _is_emptied(url: str) -> bool:
    try:
        downgrade(url, "base")
    except SetupError:  # the server still does what a process asked that has ended since, or counts rows by itself
        return False
    return True


@contextmanager
def helper(module: str, order: Mapping[str, object] | None = None) -> Iterator["subprocess.Popen[str]"]:
    """Run one of our modules beside what is measured, speaking lines of JSON with it; ended on leaving."""
    process = subprocess.Popen(
        [sys.executable, "-m", module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=end_with_parent,
    )
    try:
        if order is not None:
            tell(process, json.dumps(order))
        yield process
    finally:
        process.terminate()
        end(process)
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()


def tell(process: "subprocess.Popen[str]", line: str) -> None:
    """Send a line to a helper."""
    assert process.stdin is not None  # helper made it so
    process.stdin.write(line + "\n")
    process.stdin.flush()


def hear(process: "subprocess.Popen[str]") -> str:
    """Return the next line a helper says. Raises SetupError if it has ended instead."""
    assert process.stdout is not None  # helper made it so
    line = process.stdout.readline().strip()
    if not line:
        raise SetupError(f"bench: a helper process ended too early (code {process.poll()})")
    return line


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
