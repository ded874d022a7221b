"""A policy replayed over the last 30 days of the pods it would govern: read, then run, one at a time in a process.

What it would have done is the simulator's answer; how it is shown is for pages and API.
"""

import threading
from typing import NamedTuple

from podhealth.core.errors import Conflict
from podhealth.core.ladder import PolicyRules
from podhealth.simulator.replay import Replayed, replay
from podhealth.store.db import db_now, read
from podhealth.store.replay import Pasts, pasts_of
from podhealth.web.installed import engine_of
from podhealth.web.session import current_scope

# It takes a processor for up to some seconds: two at once would only be slower, and pages would wait.
_TURN = threading.Lock()
_WAIT_S = 10


class Answer(NamedTuple):
    """What was read, and what the policy would have made of it."""

    pasts: Pasts
    done: Replayed


def replayed(rules: PolicyRules, policy_id: int | None) -> Answer:
    """Return what the rules would have done as that policy of the tenant (null: as a new one).

    Raises Conflict while others' replays take too long to wait for.
    """
    if not _TURN.acquire(timeout=_WAIT_S):
        raise Conflict("another replay is under way; try again in a moment")
    try:
        with read(engine_of()) as conn:
            pasts = pasts_of(conn, current_scope(), rules, policy_id, db_now(conn))
        return Answer(pasts, replay(rules, pasts.pods, pasts.checks, pasts.begin, pasts.end))
    finally:
        _TURN.release()
