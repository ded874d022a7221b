"""A set of real PodHealth processes around one database and one Redis, and who watches them from outside."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import sqlalchemy as sa

from podhealth.core.ending import KILL_AFTER_S
from podhealth.models import Result
from podhealth.settings import Settings
from podhealth.store.db import read
from tests.support.invariants import Acked
from tests.support.wait import wait_for
from tests.support.webserver import SECRET

TICKET_S = 2.0
ROOT = Path(__file__).resolve().parents[2]


class Program:
    """One running ``podhealth`` command; what it said is in ``log``."""

    def __init__(self, name: str, log: Path, process: subprocess.Popen[bytes]) -> None:
        self.name, self.log, self.process = name, log, process

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self.process.poll() is None

    def said(self, words: str) -> bool:
        """Whether its log has these words."""
        return words in self.log.read_text()

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        self.process.wait()

    def hang(self) -> None:
        """Stop it in the middle of whatever it does; returns when all of its threads stand still.

        On a busy machine they go on for some 20 ms after the signal: long enough to begin a transaction.
        """
        self.process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def resume(self) -> None:
        """Let it go on."""
        self.process.send_signal(signal.SIGCONT)

    def stop(self, within_s: float = KILL_AFTER_S) -> int:
        """Ask it to end and return its exit code; fails when it takes longer than a supervisor waits."""
        self.process.terminate()
        return self.process.wait(within_s)


class Cluster:
    """The processes of one test, of the checkout ``root``. Leaving the block kills what still runs."""

    def __init__(self, database_url: str, redis_url: str, folder: Path, root: Path = ROOT) -> None:
        self.folder, self._root = folder, root
        self.programs: list[Program] = []
        self.environment = {
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "SECRET_KEY": SECRET,
            "PODHEALTH_DEMO_LOOPBACK": "true",
        }

    @property
    def settings(self) -> Settings:
        """The settings of its processes, for those who put jobs into its queues."""
        return Settings(**self.environment)

    def __enter__(self) -> "Cluster":
        return self

    def __exit__(self, error: object, *_rest: object) -> None:
        for program in self.programs:
            if error is not None:
                print(f"{program.name} ({program.process.poll()}): {program.log.read_text()[-3000:]}")
            program.resume()
            program.process.kill()
        for program in self.programs:
            program.process.wait()

    def start(self, *words: str, ticket_s: float = TICKET_S, **more: str) -> Program:
        """Start ``podhealth WORDS…``; ``more`` are further environment variables."""
        name = f"{len(self.programs)}-{words[0]}"
        log = self.folder / f"{name}.log"
        command = [sys.executable, "-m", "tests.support.program", str(ticket_s), *words]
        with log.open("wb") as file:
            environment = os.environ | {"PYTHONPATH": str(self._root)} | self.environment | more
            process = subprocess.Popen(command, env=environment, cwd=self._root, stdout=file, stderr=file)
        program = Program(name, log, process)
        self.programs.append(program)
        return program

    def stop(self) -> list[int]:
        """Ask all that run to end, at once, and return their exit codes in the order of their start."""
        running = [program for program in self.programs if program.is_running]
        for program in running:
            program.process.terminate()
        return [program.process.wait(KILL_AFTER_S) for program in running]

    def ended(self) -> list[str]:
        """Return which programs have ended, with the last they said."""
        gone = [program for program in self.programs if not program.is_running]
        return [f"{p.name} ended ({p.process.returncode}): {p.log.read_text()[-1500:]}" for p in gone]


class Witness:
    """Reads the results from another process than those that store them, so that it knows what was committed.

    While the database is away it looks again.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._seen: set[tuple[int, int]] = set()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Witness":
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        self._thread.join()

    @property
    def acked(self) -> tuple[Acked, ...]:
        """What was seen to be committed."""
        return tuple(Acked(*key) for key in sorted(self._seen))

    def wait_for_more(self, count: int, within_s: float = 20.0) -> None:
        """Wait until so many more results are committed."""
        wanted = len(self._seen) + count
        wait_for(lambda: len(self._seen) >= wanted, within_s, what=f"{count} more results")

    def _run(self) -> None:
        while not self._over.wait(0.2):
            with contextlib.suppress(sa.exc.DBAPIError), read(self._engine) as conn:
                self._seen.update(tuple(row) for row in conn.execute(sa.select(Result.check_id, Result.claim_token)))
