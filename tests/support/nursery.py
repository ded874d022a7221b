"""Processes that live in a test's world and die where it says: forks of one that has loaded everything.

Loading takes a second and more, and tests want hundreds of them. Nothing runs in the one that is forked: no thread, no
connection, no engine. Two ways to die by SIGKILL: ``PODHEALTH_CRASH_AT`` in the environment names a crash point
(hazards H1); ``kill_at`` is the number of a system call, of those that leave a trace outside, and strace ends the
process as it makes that one (H2). That finds what has no crash point.
"""

import json
import os
import signal
import subprocess
import sys
import traceback
from datetime import timedelta
from functools import cache
from importlib import import_module
from typing import Any

from podhealth import clock, crashpoints
from tests.support import strace
from tests.support.program import die_with_parent

_LONGEST_S = 60


def run(deed: str, *arguments: Any, kill_at: int = 0, **environment: str) -> int:
    """Run ``module:function`` with these arguments in a process of its own; return how it ended, as subprocess does.

    ``environment`` is added to this process's own. What it prints goes to this process's standard error.
    """
    nursery = _nursery()
    assert nursery.stdin is not None
    assert nursery.stdout is not None
    asked = {"deed": deed, "arguments": arguments, "kill_at": kill_at, "environment": {**os.environ, **environment}}
    nursery.stdin.write(json.dumps(asked) + "\n")
    nursery.stdin.flush()
    return int(nursery.stdout.readline())


@cache
def _nursery() -> "subprocess.Popen[str]":
    # It ends when its standard input does, so with this process, however that ends.
    command = [sys.executable, "-m", "tests.support.nursery"]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _serve() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        asked = json.loads(line)
        module, _, name = asked["deed"].partition(":")
        asked["deed"] = getattr(import_module(module), name)
        print(_run_fork(asked), file=answers, flush=True)


def _run_fork(asked: dict[str, Any]) -> int:
    hear, go = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(go)
        if os.read(hear, 1) != b".":  # whoever would have said so is gone
            os._exit(1)
        _act(asked)
    tracer = strace.kill_at(child, asked["kill_at"]) if asked["kill_at"] else None
    os.write(go, b".")
    status = os.waitpid(child, 0)[1]
    if tracer is not None:
        tracer.wait(10)
    os.close(hear)
    os.close(go)
    return os.waitstatus_to_exitcode(status)


def _act(asked: dict[str, Any]) -> None:
    """Be what a process of this environment would be, and end as it would."""
    die_with_parent()
    signal.alarm(_LONGEST_S)
    try:
        os.environ.clear()
        os.environ.update(asked["environment"])
        crashpoints._ARMED = frozenset(filter(None, os.environ.get("PODHEALTH_CRASH_AT", "").split(",")))
        clock.shift(timedelta(seconds=float(os.environ.get("PODHEALTH_CLOCK_SHIFT", 0))))
        asked["deed"](*asked["arguments"])
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


if __name__ == "__main__":
    _serve()
