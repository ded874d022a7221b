"""The far end of the heal machine: the process host's own answers, with its processes left out."""

from pathlib import Path
from typing import Any

import sqlalchemy as sa

from podhealth.core.errors import ProviderError
from podhealth.models.base import to_us
from podhealth.store.db import db_now, read

# What forbids any action just now, and what forbids one that no person asked for.
_HELD = sa.text(
    "SELECT (SELECT count(*) FROM kill_switches WHERE ended_at IS NULL AND until > :now)"
    " + (SELECT count(*) FROM snoozes WHERE ended_at IS NULL AND until > :now)"
    " + (SELECT count(*) FROM breakers WHERE state = 'open' AND (override_until IS NULL OR override_until <= :now))"
    " + (SELECT count(*) FROM cloud_pod_health_status WHERE phase IN ('maintenance', 'stopped', 'unreachable'))"
    " + (SELECT count(*) FROM cloud_pod_auto_heal_policies WHERE (NOT enabled OR mode <> 'auto') AND NOT EXISTS"
    " (SELECT 1 FROM cloud_pod_auto_heal_events WHERE requested_by IS NOT NULL AND state IN ('planned', 'running')))"
)


class Killed(BaseException):
    """The process died here: nothing after this point has happened."""


class FarEnd:
    """A process host without processes: keys, a ledger, and ways to fail."""

    folder = Path("/far")

    def __init__(self, engine: sa.Engine) -> None:
        self.engine, self.mode = engine, "ok"
        self.done: dict[str, int] = {}
        self.acted_while_held: list[str] = []

    def ask(self, _folder: Path, question: dict[str, Any], timeout_s: float = 3) -> dict[str, Any]:
        do, key = question["do"], question.get("key", "")
        if self.mode == "away":
            raise ProviderError("not reached")
        if do == "state":
            return {"running": True, "pid": 1, "starts": 1}
        if do == "task":
            known = key in self.done
            return {"known": known, "over": known, "ok": self.mode != "task fails", "message": ""}
        return self._act(key)

    def _act(self, key: str) -> dict[str, Any]:
        if self.mode == "refuses":
            raise ProviderError("403", permanent=True)
        if self.mode == "lost before":
            raise ProviderError("timed out")
        with read(self.engine) as conn:
            now = db_now(conn)
            if key not in self.done and conn.execute(_HELD, {"now": to_us(now)}).scalar_one():
                self.acted_while_held.append(key)
        self.done.setdefault(key, to_us(now))
        if self.mode == "lost after":
            raise ProviderError("timed out")
        if self.mode == "killed":
            raise Killed
        return {"known": True}
