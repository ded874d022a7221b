"""One who claims and records as a prober does, for ``podhealth bench history``: in a process of its own, without pause.

Run as ``python -m podhealth.cli.bench_writers``; a JSON object on standard input says which database and which checks.
A line there is answered by what was done since the last one, ``stop`` by that and the end.
"""

import json
import sys
import threading
from typing import Any

import sqlalchemy as sa

from podhealth import clock
from podhealth.core.probe import Finding
from podhealth.core.words import Outcome
from podhealth.store.claim import claim_due
from podhealth.store.db import db_now_us, make_engine, read, write
from podhealth.store.record import Found, record
from podhealth.store.targets import Configured, load_targets

_AT_ONCE = 250
_PAUSE_S = 0.1
_FOUND = Finding(Outcome.OK, latency_ms=12.0, size=512, body_hash="0123456789abcdef")


class Writer:
    """Claims the due checks of a vantage of its own and records that all is well, again and again."""

    def __init__(self, engine: sa.Engine, vantage: str, check_ids: list[int]) -> None:
        self._engine, self._vantage, self._check_ids = engine, vantage, check_ids
        self._name = f"bench-{vantage}"
        self._longest_s = 0.0
        self._turns = self._results = 0
        self._lock = threading.Lock()
        with read(engine) as conn:
            self._configured: dict[int, Configured] = load_targets(conn, check_ids, ())

    def run(self, over: threading.Event) -> None:
        """Write until it is over."""
        while not over.wait(_PAUSE_S):
            self._make_due()
            begun = clock.monotonic()
            with write(self._engine) as conn:
                claims = claim_due(conn, self._vantage, self._name, _AT_ONCE)
            claimed = clock.monotonic()
            found = [
                Found(c.check_id, c.token, c.generation, c.due_us, c.claimed_us, c.claimed_us + 12_000, _FOUND,
                      self._name, self._configured.get(c.check_id))
                for c in claims
            ]  # fmt: skip
            with write(self._engine) as conn:
                done = record(conn, found)
            recorded = clock.monotonic()
            with self._lock:
                self._longest_s = max(self._longest_s, claimed - begun, recorded - claimed)
                self._turns += 1
                self._results += done.applied

    def _make_due(self) -> None:
        ids: sa.BindParameter[int] = sa.bindparam("ids", self._check_ids, expanding=True)
        due = sa.text("UPDATE check_states SET next_at = :now, vantage = :vantage WHERE check_id IN :ids")
        with write(self._engine) as conn:
            conn.execute(due.bindparams(ids), {"now": db_now_us(conn), "vantage": self._vantage})

    def told(self) -> dict[str, Any]:
        """Return the longest transaction since this was asked last, and how many turns and results there were."""
        with self._lock:
            said = {"longestMs": 1000 * self._longest_s, "turns": self._turns, "results": self._results}
            self._longest_s, self._turns, self._results = 0.0, 0, 0
        return said


def main() -> None:
    """Do as the first line says, until told to stop."""
    order = json.loads(sys.stdin.readline())
    engine, over = make_engine(order["database"]), threading.Event()
    writer = Writer(engine, order["vantage"], order["checks"])
    thread = threading.Thread(target=writer.run, args=(over,))
    thread.start()
    for line in sys.stdin:
        if line.strip() == "stop":
            break
        sys.stdout.write(json.dumps(writer.told()) + "\n")
        sys.stdout.flush()
    over.set()
    thread.join()
    engine.dispose()


if __name__ == "__main__":
    main()
