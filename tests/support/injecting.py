"""Faults inside a program that a test started (tests/support/program.py), asked for by its environment.

``TEST_WALL_SHIFT``: its clock is so many seconds wrong, while the database's own is right (PostgreSQL on another host).
``TEST_CLOCK_FILE``: the machine's clock is so many seconds wrong as that file says at the moment, the database's too.
``TEST_FAIL``: a file; once it is there, the system calls it names fail (``fsync EIO``, ``thread EAGAIN``), for good.
``TEST_EAT``: a file; once it is there, it takes more and more memory.
``TEST_READ_ONLY``: a file; while it is there, SQLite takes no writes of this program (``query_only``).
Always: who writes in a transaction that began as a reader's is ended. SQLite refuses such writes at once, but only
where another writer came between (hazards M15).
"""

import ctypes
import errno
import os
import platform
import struct
import sys
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event

from podhealth import clock

EXIT_DEFERRED = 87
_WRITES = ("INSERT", "UPDATE", "DELETE", "REPLACE", "CREATE", "DROP", "ALTER")
_LOOK_EVERY_S = 0.05
_CALLS = {
    "x86_64": {"fsync": (74, 75), "thread": (56, 435)},
    "aarch64": {"fsync": (82, 83), "thread": (220, 435)},
}
_SECCOMP = {"x86_64": 317, "aarch64": 277}
_PR_SET_NO_NEW_PRIVS, _SET_MODE_FILTER, _ALL_THREADS = 38, 1, 1
_LOAD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _FAIL = 0x7FFF0000, 0x00050000


def inject() -> None:
    """Arrange all that the environment asks for."""
    event.listen(sa.Engine, "before_cursor_execute", _refuse_deferred)
    if "TEST_READ_ONLY" in os.environ:
        forbidden = Path(os.environ["TEST_READ_ONLY"])
        event.listen(sa.Engine, "begin", lambda conn: _forbid_writes(conn, forbidden.exists()), insert=True)
    wrong_s = os.environ.get("TEST_WALL_SHIFT")
    if wrong_s is not None:
        clock.shift(timedelta(seconds=float(wrong_s)))
        clock.shifted = lambda: timedelta(0)
    if "TEST_CLOCK_FILE" in os.environ:
        clock.shift(_Followed(Path(os.environ["TEST_CLOCK_FILE"])))  # type: ignore[arg-type]
    if "TEST_FAIL" in os.environ:
        threading.Thread(target=_wait_to_fail, args=(Path(os.environ["TEST_FAIL"]),), daemon=True).start()
    if "TEST_EAT" in os.environ:
        threading.Thread(target=_wait_to_eat, args=(Path(os.environ["TEST_EAT"]),), daemon=True).start()


def _refuse_deferred(conn: sa.Connection, _cursor: Any, statement: str, *_rest: Any) -> None:
    if conn.dialect.name != "sqlite" or not statement.lstrip().upper().startswith(_WRITES):
        return
    if not conn.get_execution_options().get("podhealth_write", False):
        print(f"wrote in a transaction that began as a reader's: {statement[:200]}", file=sys.stderr, flush=True)
        os._exit(EXIT_DEFERRED)


def _forbid_writes(conn: sa.Connection, are_forbidden: bool) -> None:
    if conn.dialect.name == "sqlite":
        cursor = conn.connection.cursor()  # straight to the driver: SQLAlchemy is about to begin
        cursor.execute(f"PRAGMA query_only = {int(are_forbidden)}")
        cursor.close()


class _Followed:
    """A shift of the clock that is looked up whenever it is asked for: all programs see its step at once."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def _now(self) -> timedelta:
        return timedelta(seconds=float(self._file.read_text()))

    def __radd__(self, moment: Any) -> Any:
        return moment + self._now()

    def __floordiv__(self, unit: timedelta) -> int:
        return self._now() // unit


def _wait_to_fail(file: Path) -> None:
    pause = threading.Event()
    while not pause.wait(_LOOK_EVERY_S):
        if file.exists():
            fail_calls(*file.read_text().split())
            return


def _wait_to_eat(file: Path) -> None:
    pause = threading.Event()
    while not file.exists():
        pause.wait(_LOOK_EVERY_S)
    eaten = []
    while True:
        eaten.append(bytearray(os.urandom(1 << 20)))  # of zeros the kernel would give none


def fail_calls(name: str, error: str) -> None:
    """From now on, have these system calls of this process and all its threads fail with that error (Linux)."""
    machine = platform.machine()
    numbers, libc = _CALLS[machine][name], ctypes.CDLL(None, use_errno=True)
    # Each comparison that holds jumps over those after it and over the permission, to the refusal at the end.
    steps = [(_LOAD, 0, 0, 0)]
    steps += [(_JUMP_IF_EQUAL, len(numbers) - at, 0, number) for at, number in enumerate(numbers)]
    steps += [(_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _FAIL | getattr(errno, error))]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(steps), ctypes.addressof(code)))
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if libc.syscall(_SECCOMP[machine], _SET_MODE_FILTER, _ALL_THREADS, program) != 0:
        raise OSError(ctypes.get_errno(), "no filter of system calls can be set here")
