"""Runs one ``podhealth`` command as a test's child: it dies with the test's process, however that ends.

``python -m tests.support.program TICKET_S COMMAND…``: tickets of probing last TICKET_S seconds in place of 30, so that
a test of seconds sees many of them. All else is what ``podhealth COMMAND…`` does, with the faults of injecting.py.
"""

import ctypes
import os
import signal
import sys

from podhealth.cli import main
from podhealth.jobs import probe
from tests.support.injecting import inject

_PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Have the kernel kill this process when the one that started it is gone (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() == 1:
            os._exit(1)


if __name__ == "__main__":
    die_with_parent()
    inject()
    probe.TICKET_S = float(sys.argv[1])
    main(sys.argv[2:])
