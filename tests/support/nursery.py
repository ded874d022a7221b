"""A healer in a process of its own, which may be killed at a crash point: a copy of one that has loaded everything.

Loading takes a second and more, and tests want a hundred of them. Nothing runs in the one that is copied: no thread,
no connection, no engine.
"""

import json
import os
import signal
import subprocess
import sys
import traceback
from datetime import timedelta
from functools import cache
from typing import Any

from podhealth import clock, crashpoints
from tests.healing import crash
from tests.healing.world import World, environment

_TURNS = 40
_LONGEST_S = 60


def run_healer(world: World, crash_at: str = "") -> int:
    """Run the healer until nothing is due, or until it is killed; return how it ended, as subprocess does."""
    nursery = _nursery()
    assert nursery.stdin is not None
    assert nursery.stdout is not None
    nursery.stdin.write(json.dumps({"environment": environment(world, crash_at), "pod": world.pod_id}) + "\n")
    nursery.stdin.flush()
    return int(nursery.stdout.readline())


@cache
def _nursery() -> subprocess.Popen[str]:
    # It ends when its standard input does, so with this process, however that ends.
    command = [sys.executable, "-m", "tests.healing.healer_process"]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _serve() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        asked = json.loads(line)
        child = os.fork()
        if child == 0:
            _be_a_healer(asked)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), file=answers, flush=True)


def _be_a_healer(asked: dict[str, Any]) -> None:
    """What a process of this environment would do, and end as it would."""
    signal.alarm(_LONGEST_S)
    try:
        os.environ.update(asked["environment"])
        crashpoints._ARMED = frozenset(filter(None, os.environ["PODHEALTH_CRASH_AT"].split(",")))
        clock.shift(timedelta(seconds=float(os.environ["PODHEALTH_CLOCK_SHIFT"])))
        crash.main(asked["pod"], _TURNS)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


if __name__ == "__main__":
    _serve()
