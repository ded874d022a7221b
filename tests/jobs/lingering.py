"""A worker that is told to end while a message is with a receiver that never answers (``python -m …``)."""

import threading

from podhealth.cli.worker import PodHealthWorker
from podhealth.jobs import ending
from podhealth.jobs.parts import parts

if __name__ == "__main__":
    ending.END_WITHIN_S = 0.2
    here = parts()

    def deliver() -> None:
        """Deliver for ever."""
        with here.under_way.at("message 7"):
            threading.Event().wait()

    thread = threading.Thread(target=deliver, daemon=True)
    thread.start()
    here.at_end.append(thread.join)
    here.leaving.set()
    PodHealthWorker(["alert"], connection=here.redis).work()
