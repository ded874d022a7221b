"""Relays and delivers until nothing is due, in a process that a test may kill (``python -m tests.alerting.crash``).

With ``PODHEALTH_CRASH_AT`` it dies at that crash point, as a power cut would have it.
"""

import os

from podhealth import egress
from podhealth.alerting import relay
from podhealth.alerting.deliver import Deliverer
from podhealth.store.db import make_engine
from podhealth.store.secrets import hold_key
from tests.alerting.world import settings


def main() -> None:
    engine = make_engine(os.environ["TEST_DATABASE"])
    hold_key("a key of the tests, of 32 characters")
    egress.open_networks(["127.0.0.0/8"])
    relay.run(engine)
    hand = Deliverer(engine, settings(engine))
    while (message := hand.take()) is not None:
        hand.tell(message)
    print("done", flush=True)


if __name__ == "__main__":
    main()
