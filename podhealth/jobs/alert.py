"""The hands that deliver: threads of this process, so that a slow receiver holds up neither heals nor other channels.

They look by themselves whenever they are woken, by a job or by the tick, and need no Redis for it.
"""

import threading
from collections import Counter
from functools import cache
from typing import Any

import sqlalchemy as sa
import structlog

from podhealth import logs
from podhealth.alerting.deliver import Deliverer
from podhealth.jobs.parts import Parts, parts

log = structlog.get_logger(__name__)

HANDS = 12
# Channels whose last try failed may have so many: the rest stays free for those that answer.
HANDS_FOR_SUSPECTS = 6
# One tenant's receivers may answer as slowly as they like: the other hands are not for them.
HANDS_OF_A_TENANT = 4


class Hands:
    """The threads of one process that deliver; started as they are needed, they end when nothing is due."""

    def __init__(self, here: Parts) -> None:
        self._here = here
        self._deliverer = Deliverer(here.engine, here.settings)
        self._lock = threading.Lock()
        self._busy: dict[threading.Thread, bool] = {}
        self._taking = threading.Lock()
        self._in_hand: Counter[int] = Counter()  # messages by tenant; changed by who holds the lock above

    def wake(self) -> None:
        """Have everything that is due delivered, by as many hands as that takes; returns at once."""
        if self._deliverer.is_any_due():
            self._add()

    def join(self) -> None:
        """Wait until those at work are done; a message that this process dies over, another sends again later."""
        with self._lock:
            threads = list(self._busy)
        for thread in threads:
            thread.join()

    def _add(self) -> None:
        with self._lock:
            if len(self._busy) >= HANDS or self._here.leaving.is_set():
                return
            may_take_suspects = sum(self._busy.values()) < HANDS_FOR_SUSPECTS
            thread = threading.Thread(target=self._run, args=(may_take_suspects,), name="deliver", daemon=True)
            self._busy[thread] = may_take_suspects
        thread.start()

    def _run(self, suspects_too: bool) -> None:
        try:
            while not self._here.leaving.is_set():
                message = self._take(suspects_too)
                if message is None:
                    return
                self._add()  # there may be more: the next hand looks while this one waits for its receiver
                try:
                    with logs.bound(message_id=message.id), self._here.under_way.at(f"message {message.id}"):
                        self._here.publish(self._deliverer.tell(message))
                finally:
                    self._let_go(message.tenant_id)
        except sa.exc.DBAPIError as error:
            log.warning("delivery put off", error=str(error.orig))
        finally:
            with self._lock:
                del self._busy[threading.current_thread()]

    def _take(self, suspects_too: bool) -> sa.Row[Any] | None:
        # One at a time: two that look at one moment would both find the tenant's last free hand.
        with self._taking:
            full = [tenant_id for tenant_id, count in self._in_hand.items() if count >= HANDS_OF_A_TENANT]
            message = self._deliverer.take(suspects_too, full)
            if message is not None:
                self._in_hand[message.tenant_id] += 1
            return message

    def _let_go(self, tenant_id: int) -> None:
        with self._taking:
            self._in_hand[tenant_id] -= 1
            if not self._in_hand[tenant_id]:
                del self._in_hand[tenant_id]


@cache
def hands() -> Hands:
    """Return the hands of this process."""
    here = parts()
    made = Hands(here)
    here.at_end.append(made.join)
    return made


def deliver() -> None:
    """Deliver what is due (job ``alert.deliver``)."""
    hands().wake()


def look(_engine: sa.Engine) -> None:
    """Deliver what is due, whether or not Redis has said so (tick)."""
    hands().wake()
