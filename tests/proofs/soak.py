"""Long load with faults: does anything grow, is any work lost or done twice? ``make soak``: 30 minutes, PostgreSQL.

The real processes probe targets of their own while a hundredth of the pods come and go, browsers hear of it, a worker
is killed again and again and started anew as a supervisor would, and Redis ends and comes back empty. What was recorded
is read from another process than those that are killed (cli/bench_ledger). The figures are printed and drawn.
"""

import argparse
import json
import signal
import sys
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import sqlalchemy as sa

from podhealth import clock
from podhealth.cli import bench_cpu
from podhealth.cli.bench_ledger import Ledger
from podhealth.cli.bench_place import Place, hear, helper, open_place, tell, wait_until
from podhealth.cli.bench_probe import percentile_ms
from podhealth.cli.bench_session import signed_in
from podhealth.cli.bench_stock import Load, Ports, fill, plan_load
from podhealth.core.words import Role, Status
from podhealth.models import CheckState, PodStatus, Result
from podhealth.store.db import read, write
from tests.proofs.soak_plot import draw
from tests.proofs.soak_watch import Sample, Sampler, growth
from tests.support.invariants import Acked, Ledgers, check_invariants
from tests.support.operated import operated_postgres
from tests.support.visited import Visited

_STEADY = ("web", "scheduler", "probe")  # live through all of it
_KILLED = ("probe-2", "worker")  # one after the other
_LOOK_S = 0.1
_TENANT = 1
_MOST_SAID = 40
_AWAY_S = 15  # so long the pods that come and go are away, and so long they are back
MOST_GROWTH = 5.0  # percent, of memory, files or threads, after the warm-up
LONGEST_GAP_S = 30.0  # without a result beyond the interval: lease 15 s, tick, and one interval more


class Plan(NamedTuple):
    """How long and how hard: how often a worker is killed, Redis ends, and a sample is taken.

    ``spare``: so many files and threads more are no growth; in two minutes a pool may still get its second connection.
    """

    minutes: float = 30
    rate: int = 1_000
    pods: int = 4_000
    sockets: int = 500
    kill_every_s: float = 60
    redis_every_s: float = 300
    sample_s: float = 5
    spare: int = 0

    @property
    def warm_up_s(self) -> float:
        """What is not compared: caches fill, the first partitions and rollups come."""
        return min(300.0, self.minutes * 60 / 4)


def run(plan: Plan, database_url: str | None) -> tuple[dict[str, object], list[Sample]]:
    """Live through the plan; return the figures, and the samples they came from."""
    load = plan_load(plan.pods, plan.rate, 0, None, refusing=1, is_healing=True)
    most = str(plan.sockets + 100)
    ways = ("PODHEALTH_MAX_SOCKETS", "PODHEALTH_MAX_SOCKETS_PER_TENANT", "PODHEALTH_MAX_SOCKETS_PER_PERSON")
    limits = dict.fromkeys(ways, most)
    with ExitStack() as stack:
        place = stack.enter_context(open_place(database_url, **limits))
        flapping = stack.enter_context(_coming_and_going())
        targets = stack.enter_context(helper("podhealth.cli.bench_targets"))
        fill(place.engine, load, Ports([json.loads(hear(targets))["answering"]], [0], [flapping]))
        _forget(place.engine)
        cookie = signed_in(place, _TENANT, Role.VIEWER)
        place.start_programs(("web", "scheduler", "probe", "worker"), probe_workers=2)
        wait_until(place.web_answers, 60, "the web process answers")
        browsers = stack.enter_context(helper("podhealth.cli.live_clients", _order(place, plan, cookie)))
        if hear(browsers) != "ready":
            raise AssertionError("live_clients says nothing else")
        ledger = Ledger(place.environment["DATABASE_URL"], load)
        stack.callback(ledger.close)
        soak = _Soak(place, plan, ledger)
        soak.live()
        tell(browsers, "stop")
        heard = json.loads(hear(browsers))
        figures = soak.figures() | {
            "socketsLost": heard["lost"],
            "framesHeard": sum(len(came) for came in heard["came"]),
            "lost": _lost(place, ledger),
        }
        print(json.dumps(figures), file=sys.stderr, flush=True)  # the rules take minutes over millions of rows
        figures |= {
            "violations": check_invariants(place.engine, _acked(ledger), at_work=True),
        }
    return figures | plan._asdict() | _load_of(load) | {"machine": bench_cpu.machine()}, soak.sampler.samples


class _Soak:
    """The hours themselves: who is killed when, and what is seen meanwhile."""

    def __init__(self, place: Place, plan: Plan, ledger: Ledger) -> None:
        self.place, self.plan, self.ledger = place, plan, ledger
        self.kills: Counter[str] = Counter()
        self.began_us = ledger.look()
        self.sampler = Sampler(place, ledger, plan.sample_s)

    def live(self) -> None:
        """Let it all run, kill and start anew until the time is over, then until nothing is late any more."""
        began, pause = clock.monotonic(), threading.Event()
        kill_at, redis_at = self.plan.kill_every_s, self.plan.redis_every_s
        ends = self.plan.minutes * 60
        while (now := clock.monotonic() - began) < ends:
            self.ledger.look()
            self.sampler.look(now)
            if now >= kill_at:
                kill_at += self.plan.kill_every_s
                self._kill(_KILLED[self.kills.total() % len(_KILLED)])
            if now >= redis_at:
                redis_at += self.plan.redis_every_s
                self._restart_redis()
            pause.wait(_LOOK_S)
        self.ended_us = self.ledger.look()
        calm = clock.monotonic() + LONGEST_GAP_S
        while clock.monotonic() < calm:
            self.ledger.look()
            pause.wait(_LOOK_S)
        self.place.require_alive()

    def _kill(self, name: str) -> None:
        process = self.place.running.pop(name)
        process.kill()
        process.wait()
        self.kills[name] += 1
        self.place.start(name, process.args)  # type: ignore[arg-type] - the list it was started by

    def _restart_redis(self) -> None:
        process = self.place.running.pop("redis")
        process.send_signal(signal.SIGKILL)
        process.wait()
        self.kills["redis"] += 1
        self.place.start_redis()

    def figures(self) -> dict[str, object]:
        """What came of it."""
        rows = [row for row in self.ledger.rows if self.began_us < row.seen_us <= self.ended_us]
        lags = sorted(row.seen_us - row.due_us for row in rows)
        slots = Counter((row.check_id, row.due_us) for row in self.ledger.rows)
        return {
            "recorded": len(rows),
            "recordedPerSecond": round(len(rows) / ((self.ended_us - self.began_us) / 1e6), 1),
            "lagP50Ms": percentile_ms(lags, 50),
            "lagP99Ms": percentile_ms(lags, 99),
            "doubled": sum(many - 1 for many in slots.values()),
            "longestGapSeconds": self._longest_gap_s(),
            "kills": dict(self.kills),
            "growth": growth(self.sampler.samples, _STEADY, self.plan.warm_up_s, self.plan.spare),
        }

    def _longest_gap_s(self) -> float:
        """The longest time any check was without a result, less its interval."""
        seen: dict[int, list[int]] = defaultdict(list)
        for row in self.ledger.rows:
            seen[row.check_id].append(row.due_us)
        longest = 0
        for check_id, moments in seen.items():
            marks = sorted(m for m in moments if m <= self.ended_us)
            gaps = [b - a for a, b in zip(marks, marks[1:], strict=False)]
            interval_us = self.ledger.load.interval_of(check_id) * 1_000_000
            longest = max(longest, max(gaps, default=0) - interval_us)
        return round(longest / 1e6, 1)


def _forget(engine: sa.Engine) -> None:
    """Let no check have been probed yet: what it is must come of its results alone (invariants I5 and I6)."""
    nothing = {"status": Status.UNKNOWN, "was_known": False, "successes": 0, "failures": 0, "recent_count": 0}
    nothing |= {"recent_bits": 0, "last_outcome": None, "last_class": None, "last_code": None, "fresh_until": None}
    with write(engine) as conn:
        conn.execute(sa.update(CheckState).values(**nothing))
        conn.execute(sa.update(PodStatus).values(status=Status.UNKNOWN, reason=None, cause_check_id=None))


def _lost(place: Place, ledger: Ledger) -> int:
    """How many results were seen to be committed and are not there."""
    with read(place.engine) as conn:
        there = conn.execute(sa.select(Result.check_id, Result.claim_token))
        return len(ledger.keys - {(row.check_id, row.claim_token) for row in there})


def _acked(ledger: Ledger) -> Ledgers:
    return Ledgers(acked=tuple(Acked(*key) for key in sorted(ledger.keys)))


@contextmanager
def _coming_and_going() -> Iterator[int]:
    """A port of all of loopback at which somebody answers half of the time."""
    visited, over = Visited(), threading.Event()

    def turn() -> None:
        while not over.is_set():
            visited.go()
            over.wait(_AWAY_S)
            visited.come()
            over.wait(_AWAY_S)
        visited.go()
        visited.close()

    thread = threading.Thread(target=turn, daemon=True)
    thread.start()
    yield visited.port
    over.set()
    thread.join()


def _order(place: Place, plan: Plan, cookie: str) -> dict[str, object]:
    parts = {"row": list(range(1, 51)), "counts": [0], "nav": [0], "nav_incidents": [0]}
    where = {"host": "127.0.0.1", "port": place.port, "origin": place.origin}
    return where | {"sockets": plan.sockets, "cookie": cookie, "watch": {"seq": 0, "parts": parts}}


def _load_of(load: Load) -> dict[str, object]:
    return {"checks": load.checks, "intervalSeconds": load.interval_s}


def faults_of(figures: dict[str, object]) -> list[str]:
    """Return what must not be: work lost or done twice, a rule broken, a process that grew."""
    wrong = [f"{name}: {figures[name]}" for name in ("lost", "doubled", "socketsLost") if figures[name]]
    wrong += [str(violation) for violation in figures["violations"]]  # type: ignore[attr-defined]
    for name, of in figures["growth"].items():  # type: ignore[attr-defined]
        wrong += [f"{name} grew in {what} by {by} %" for what, by in of.items() if by > MOST_GROWTH]
    if figures["longestGapSeconds"] > LONGEST_GAP_S:  # type: ignore[operator]
        wrong.append(f"a check was not probed for {figures['longestGapSeconds']} s more than its interval")
    return wrong


def main() -> None:
    """Run it as the command line says, print the figures, draw them, and exit with 1 where something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, value in Plan()._asdict().items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value)
    parser.add_argument("--svg", type=Path, help="draw lag, memory and throughput into this file")
    asked = vars(parser.parse_args())
    svg = asked.pop("svg")
    with operated_postgres("podhealth_soak") as url:
        figures, samples = run(Plan(**asked), url)
    if svg is not None:
        svg.write_text(draw(samples))
    wrong = faults_of(figures)
    print(json.dumps(figures | {"violations": len(figures["violations"])}, indent=1))  # type: ignore[arg-type]
    more = [f"and {len(wrong) - _MOST_SAID} more"] if len(wrong) > _MOST_SAID else []
    print("\n".join(wrong[:_MOST_SAID] + more))
    print(f"{0 if wrong else 1} passed, {1 if wrong else 0} failed")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
