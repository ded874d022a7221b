"""A probe worker that is taken for hung after two seconds (``python -m tests.probing.standing whole|engine``).

``whole``: it works on, and a test stops and continues the process. ``engine``: its engine's thread alone hangs.
"""

import sys
import threading

from podhealth import clock
from podhealth.jobs.parts import parts
from podhealth.probing import loop
from tests.support.program import die_with_parent

if __name__ == "__main__":
    die_with_parent()
    loop.HUNG_AFTER_S = 2.0
    here = parts()
    worker = loop.ProbeLoop(here.engine, here.settings, "local", publish=here.publish, hint=here.hint)
    worker.run(clock.monotonic() + 0.5)
    if sys.argv[1] == "engine":
        worker._engine._turns.call_at(clock.monotonic(), lambda: threading.Event().wait())
        worker._engine._turns.wake()
    print("working", flush=True)
    worker.run(clock.monotonic() + 60)
