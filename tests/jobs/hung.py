"""A process in which a job does not end, or a thread fell over (``python -m tests.jobs.hung job|thread``)."""

import sys
import threading

from podhealth import clock
from podhealth.jobs import watch
from podhealth.jobs.parts import parts

if __name__ == "__main__":
    watch.HUNG_AFTER_S = 0.1
    watch.TURN_S = 0.05
    guard = watch.Watch(parts(), None)
    if sys.argv[1] == "job":
        guard.busy_since = clock.monotonic()
    else:
        guard.trouble = lambda: "the prober of local fell over"
    guard.start()
    threading.Event().wait()
