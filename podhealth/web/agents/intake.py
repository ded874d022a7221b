"""What both ways in have in common: whose token it is, how much it may say, and that it is stored.

One way is the route (web/api/heartbeats.py), whose thread waits; the other the server's own loop (cli/web_worker.py).
"""

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from podhealth.core.errors import PodHealthError
from podhealth.core.heartbeat import Report, parse_report
from podhealth.store.accounts import hash_of
from podhealth.store.heartbeats import Said, Verdict
from podhealth.web.agents.allowance import Allowance
from podhealth.web.agents.recorder import Recorder, Stored

MAX_BODY = 8 * 1024


class TooOftenError(PodHealthError):
    """This token is used more often than any agent of ours would. ``wait_s``: when it may be used again."""

    def __init__(self, wait_s: float) -> None:
        super().__init__("this token is used too often")
        self.wait_s = wait_s


class Intake:
    """One for each application."""

    def __init__(self, engine: sa.Engine, a_minute: int) -> None:
        self._recorder = Recorder(engine)
        self._allowance = Allowance(a_minute)

    def take(self, token_hash: str, fields: dict[str, Any]) -> Verdict:
        """Store what an agent says, and return what became of it.

        Raises InputError that names a bad field, TooOftenError, and what the database raises.
        """
        return self._recorder.record(self._said(token_hash, parse_report(fields)))

    def submit(self, token_hash: str, fields: dict[str, Any], tell: Callable[[Stored], None]) -> None:
        """Have what an agent says stored, and ``tell`` on another thread what became of it; raises as ``take``."""
        self._recorder.submit(self._said(token_hash, parse_report(fields)), tell)

    def _said(self, token_hash: str, report: Report) -> Said:
        if wait_s := self._allowance.wait_s(token_hash):
            raise TooOftenError(wait_s)
        return Said(token_hash, report)


def token_hash_of(authorization: str) -> str | None:
    """Return the hash of the token in an Authorization header, null where there is none."""
    kind, _, token = authorization.partition(" ")
    token = token.strip()
    return hash_of(token) if kind.lower() == "bearer" and token else None
