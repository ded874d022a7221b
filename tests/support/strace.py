"""Kills a process at its N-th system call of those that leave a trace outside (hazards H2), by strace.

A sweep kills a deed at one call after the other; of itself it says only that the deed was killed, the ledgers and
``check_invariants`` say what came of it. Run as a program (``python -m tests.support.strace``) it makes sure that
strace is there and prints its path.
"""

import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.support.depth import is_deep
from tests.support.installing import install
from tests.support.wait import wait_for

# What a process says to a file, a database, a provider or a receiver, and what it hears from them.
_CALLS = "write,pwrite64,fsync,fdatasync,ftruncate,unlink,connect,sendto,sendmsg,recvfrom,recvmsg"
# Each of the first forty, and then some as far as a deed may go; or a few.
_SWEPT = [*range(1, 41), *range(47, 4000, 13)] if is_deep() else [2, 9, 21, 40, 73, 130]


def ensure() -> str:
    """Return strace's path, installing it if need be; ends the program with a clear line if it cannot."""
    if not shutil.which("strace"):
        install("strace")
    return shutil.which("strace") or sys.exit("no strace for the tests: install it (Debian: apt install strace)")


def kill_at(pid: int, number: int) -> "subprocess.Popen[bytes]":
    """Have that process, which waits, killed before its so-manieth call, or a thread's of it, from now on is made.

    Returns the tracer, which ends when the process does.
    """
    fault = f"inject={_CALLS}:signal=SIGKILL:when={number}"
    words = ["-f", "-qq", "-o", "/dev/null", "-e", f"trace={_CALLS}", "-e", fault, "-p", str(pid)]
    tracer = subprocess.Popen([ensure(), *words])
    status = Path(f"/proc/{pid}/status")

    def is_held() -> bool:
        assert tracer.poll() is None, "strace may not trace other processes here"
        return "TracerPid:\t0\n" not in status.read_text()

    wait_for(is_held, 10, every_s=0.002, what="strace has got hold of it")
    return tracer


def sweep(run: Callable[[int], int]) -> Iterator[int]:
    """Yield each number at which ``run(number)`` was killed, until it comes to its end alive.

    ``run`` returns how the process ended, as subprocess does; each time it has all of its deed to do.
    """
    kills = 0
    for number in _SWEPT:
        ended = run(number)
        if ended == 0:
            break
        assert ended == -signal.SIGKILL, f"ended with {ended}, to be killed at call {number}"
        kills += 1
        yield number
    print(f"{kills} kills")
    assert kills >= 2, "nothing was killed"


if __name__ == "__main__":
    print(ensure())
