"""Named places at which a fault run may kill this process (hazards §2.0, H1).

A crash point does nothing unless its name stands in ``PODHEALTH_CRASH_AT``; then the process
ends itself by SIGKILL, as a power cut would: no cleanup, no buffers flushed.
"""

import os
import signal

_ARMED = frozenset(filter(None, os.environ.get("PODHEALTH_CRASH_AT", "").split(",")))


def crashpoint(name: str) -> None:
    """Kill this process at once if the fault run asked for ``name`` (such as ``heal.after_call``)."""
    if _ARMED and name in _ARMED:
        os.kill(os.getpid(), signal.SIGKILL)
