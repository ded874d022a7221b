"""Processes that are killed in the middle of commits (``python -m tests.proofs.committing LEDGER KILLS``).

Each is a fork of this one: it claims all checks, records that they are well, and after each commit appends a line for
each result to the ledger, by O_APPEND. It is killed by SIGKILL after some milliseconds, each time others.
"""

import os
import random
import signal
import sys
import threading

import sqlalchemy as sa

from podhealth.core.probe import Finding
from podhealth.core.words import Outcome
from podhealth.store.db import db_now_us, make_engine, write
from podhealth.store.record import Found, record
from tests.healing.world import claim_all
from tests.support.program import die_with_parent

_LONGEST_S = 0.06
_FINE = Finding(Outcome.OK, latency_ms=1.0)


def _commit_for_ever(ledger: int, ready: int) -> None:
    engine = make_engine(os.environ["TEST_DATABASE"])
    while True:
        _commit(engine, ledger)
        os.write(ready, b".")


def _commit(engine: sa.Engine, ledger: int) -> None:
    with write(engine) as conn:
        claims, now = claim_all(conn), db_now_us(conn)
    with write(engine) as conn:
        record(conn, [Found(c.check_id, c.token, c.generation, c.due_us, now, now, _FINE) for c in claims])
    os.write(ledger, "".join(f'{{"check_id": {c.check_id}, "claim_token": {c.token}}}\n' for c in claims).encode())


def commit_once(ledger: str) -> None:
    """Claim and record all checks once, from the first connection on."""
    _commit(make_engine(os.environ["TEST_DATABASE"]), _opened(ledger))


def _opened(ledger: str) -> int:
    return os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT)


def main(ledger: int, kills: int) -> None:
    print(f"seed {kills}")
    chance = random.Random(kills)
    for _ in range(kills):
        hear, ready = os.pipe()
        child = os.fork()
        if child == 0:
            _commit_for_ever(ledger, ready)
        os.read(hear, 1)  # one round is over
        threading.Event().wait(chance.random() * _LONGEST_S)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(hear)
        os.close(ready)


if __name__ == "__main__":
    die_with_parent()
    main(_opened(sys.argv[1]), int(sys.argv[2]))
