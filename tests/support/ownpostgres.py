"""A PostgreSQL of one test's own, to be restarted, killed and cut off; unlike the session's it keeps what it said."""

import ctypes
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import psutil
import sqlalchemy as sa

from podhealth.store.db import make_engine
from podhealth.store.schema import migrate
from tests.support.databases import server_programs, server_user
from tests.support.wait import wait_for

_NAME = "podhealth"
# The machine does not fail here, only processes do: without fsync nothing that was committed is lost to that.
_OPTIONS = ["fsync=off", "synchronous_commit=on", "shared_buffers=32MB", "max_connections=60", "autovacuum=off"]
_OPTIONS += ["jit=off", "wal_level=minimal", "max_wal_senders=0", "log_min_messages=warning", "restart_after_crash=on"]
_PR_SET_PDEATHSIG = 1


class OwnPostgres:
    """One server at one address, up or not; its database is migrated."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="ph-pg-"))
        self._user = server_user()
        if self._user is not None:
            shutil.chown(self.folder, self._user)
        self.folder.chmod(0o711)  # who is nobody's root (unshare --map-root-user) walks through it too
        self._programs = server_programs(self.folder)
        self._data = self.folder / "data"
        command = [self._programs / "initdb", "-D", self._data, "-U", "postgres", "-A", "trust", "-E", "UTF8"]
        made = subprocess.run(
            [*command, "--locale=C", "--no-sync"], capture_output=True, text=True, user=self._user, cwd=self.folder
        )
        assert made.returncode == 0, made.stderr
        self.start()
        self._sql("postgres", f"CREATE DATABASE {_NAME}")
        migrate(self.url())

    @property
    def socket(self) -> Path:
        """Where it listens."""
        return self.folder / ".s.PGSQL.5432"

    def url(self, folder: Path | None = None) -> str:
        """Return the database's address, or that of a proxy whose socket has the same name in another folder."""
        return f"postgresql+psycopg://postgres@/{_NAME}?host={folder or self.folder}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        command = [str(self._programs / "postgres"), "-D", str(self._data), "-k", str(self.folder), "-h", ""]
        for option in _OPTIONS:
            command += ["-c", option]
        with (self.folder / "server.log").open("ab") as log:
            self._server = subprocess.Popen(
                command, user=self._user, cwd=self.folder, stdout=log, stderr=log, preexec_fn=_end_with_parent
            )
        wait_for(self.answers, 30, what=f"PostgreSQL up; see {self.folder / 'server.log'}")

    def answers(self) -> bool:
        """Return whether it lets anybody in."""
        assert self._server.poll() is None, (self.folder / "server.log").read_text()[-2000:]
        try:
            self._sql("postgres", "SELECT 1")
        except sa.exc.OperationalError:
            return False
        return True

    def end(self, number: signal.Signals) -> None:
        """End it: SIGINT as ``pg_ctl -m fast``, SIGQUIT as ``-m immediate``, SIGKILL as a machine without memory."""
        self._server.send_signal(number)
        self._server.wait(20)
        if number == signal.SIGKILL:  # its children notice, and keep the memory until then
            wait_for(lambda: not self._children(), 20, what="the server's processes have ended")

    def kill_a_backend(self) -> None:
        """Kill one of the processes that serve a connection: the server ends all of them and starts anew."""
        serving = [one for one in self._children() if _NAME in " ".join(one.cmdline())]
        serving[0].kill()

    def allow_writes(self, is_allowed: bool) -> None:
        """Let the database be read only, as a replica is, for whoever connects from now on; all are disconnected."""
        setting = "off" if is_allowed else "on"
        self._sql("postgres", f"ALTER DATABASE {_NAME} SET default_transaction_read_only = {setting}")
        self._sql("postgres", f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{_NAME}'")

    def say(self, statements: str) -> None:
        """Have the database do these statements."""
        self._sql(_NAME, statements)

    def remove(self) -> None:
        """End it, whatever was done to it, and take its folder away."""
        if self._server.poll() is None:
            self.end(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _children(self) -> list[psutil.Process]:
        found = []
        for process in psutil.process_iter(["cmdline", "cwd"]):
            if process.info["cwd"] == str(self._data) and process.pid != self._server.pid:
                found.append(process)
        return found

    def _sql(self, database: str, statement: str) -> None:
        url = f"postgresql+psycopg://postgres@/{database}?host={self.folder}"
        engine = make_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        with engine.connect() as conn:
            conn.exec_driver_sql(statement)
        engine.dispose()


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT)
    if os.getppid() == 1:
        os._exit(1)
