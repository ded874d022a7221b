"""Processes whose parent died before them: on Linux they come to us, are waited for, and ended with us.

Without this they would go to process 1, which in many a container collects nobody. Elsewhere than on Linux nothing
happens here. Knows no program by name.
"""

import contextlib
import ctypes
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from podhealth import clock

_PR_SET_CHILD_SUBREAPER = 36
_TURN_S = 0.05


def take_in() -> None:
    """Have orphaned descendants of this process become its children from now on."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1)


def collect(but: int | None = None) -> None:
    """Wait for every child that has ended, but not for the one somebody else waits for."""
    if sys.platform != "linux":
        return
    with contextlib.suppress(ChildProcessError):
        while ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            if ended.si_pid == but:
                return
            os.waitpid(ended.si_pid, 0)


def end_all(within_s: float, tell: Callable[[str], None]) -> None:
    """End all children of this process in good order; those that do not hear within that time are killed."""
    deadline = clock.monotonic() + within_s
    asked: set[int] = set()
    pause = threading.Event()
    while children := _children():
        is_late = clock.monotonic() > deadline
        if is_late:
            tell(f"killing what does not end: {', '.join(map(str, sorted(children)))}")
        for pid in children if is_late else children - asked:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL if is_late else signal.SIGTERM)
        asked |= children
        pause.wait(_TURN_S)
        collect()


def _children() -> set[int]:
    if sys.platform != "linux":
        return set()
    collect()
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        # A process may go while we read; its name, in brackets, may hold anything.
        with contextlib.suppress(OSError, IndexError):
            if stat.read_text(errors="replace").rpartition(")")[2].split()[1] == str(os.getpid()):
                found.add(int(stat.parent.name))
    return found
