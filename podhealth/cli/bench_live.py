"""``podhealth bench live``: how soon a change is on thousands of screens, and what pages cost beside it.

One web process, many sockets of one tenant whose screens show its 200 pods (cli/live_clients.py reads them, in a
process of its own). Twice a second a pod changes as in operation: its check is claimed, the outcome is recorded with
its transition and feed in one transaction, and Redis is told. A delivery is counted from the return of COMMIT to the
last byte of the frame at its reader; both are this machine's one monotonic clock.
"""

import http.client
import json
import threading
from bisect import bisect_left
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, NamedTuple

import redis
import sqlalchemy as sa

from podhealth import clock
from podhealth.cli import bench_cpu
from podhealth.cli.bench_place import Place, hear, helper, open_place, tell, wait_until
from podhealth.cli.bench_session import percentile, signed_in
from podhealth.core.probe import Finding
from podhealth.core.words import FailClass, Kind, Outcome, Role, Status
from podhealth.live.publish import publish
from podhealth.models import Check, CheckState, Pod, PodStatus, Tenant
from podhealth.models.base import from_us
from podhealth.store import claim, feed
from podhealth.store.db import db_now_us, read, write
from podhealth.store.record import Found, record
from podhealth.web.pages.pods import ROWS_A_PAGE

PODS = 200
PAGE = "/pods?view=dense"
CHANGE_EVERY_S = 0.5
PAGE_EVERY_S = 0.2
# The first push and the first page compile their templates: once in the life of a process, in no figure here.
_WARM_UP_S = 4.0
_LAST_WITHIN_S = 3.0
_UP_WITHIN_S = 60
_HOURS = timedelta(hours=6)
_TENANT = 1
_FAIL = Finding(Outcome.FAIL, FailClass.DOWN, "refused", None, "refused")
_OK = Finding(Outcome.OK, None, None, 1.0, None)


class Change(NamedTuple):
    """One committed change: the moment COMMIT returned, and the feed number it got."""

    at: float
    seq: int


def run(sockets: int, seconds: float, database_url: str | None) -> dict[str, object]:
    """Measure ``seconds`` with that many sockets and return the figures by their names in JSON."""
    most = str(max(4_000, sockets))
    limits = ("PODHEALTH_MAX_SOCKETS", "PODHEALTH_MAX_SOCKETS_PER_TENANT", "PODHEALTH_MAX_SOCKETS_PER_PERSON")
    with open_place(database_url, **dict.fromkeys(limits, most)) as place:
        _fill(place.engine)
        cookie = signed_in(place, _TENANT, Role.VIEWER)
        place.start_programs(("web",))
        wait_until(place.web_answers, _UP_WITHIN_S, "the web process answers")
        with helper("podhealth.cli.live_clients", _order(place, sockets, cookie)) as browsers:
            if hear(browsers) != "ready":
                raise AssertionError("live_clients says nothing else")  # it would have ended
            pages = _Pages(place, cookie)
            pages.start()
            warm_up = _change_for(place, _WARM_UP_S)
            pages.forget()
            used_s = bench_cpu.cpu_s(place.pids("redis"))
            changes = _change_for(place, seconds, len(warm_up))
            pages.stop()
            used_s = bench_cpu.cpu_s(place.pids("redis")) - used_s
            rss_mb = bench_cpu.rss_mb(place.pids("redis"))
            threading.Event().wait(_LAST_WITHIN_S)
            place.require_alive()
            tell(browsers, "stop")
            heard = json.loads(hear(browsers))
    return {
        **_delivered(changes, heard["came"]),
        "pageP95Ms": percentile(pages.took_ms, 95),
        "rssMb": round(rss_mb, 1),
        "cpuSeconds": round(used_s, 2),
        "pages": len(pages.took_ms),
        "failures": pages.failed + heard["lost"],
        "sockets": sockets,
        "pods": PODS,
        "seconds": seconds,
        "database": "sqlite" if database_url is None else place.database,
        "machine": bench_cpu.machine(),
    }


class _Pages:
    """Somebody who asks for the overview again and again while the sockets are served."""

    def __init__(self, place: Place, cookie: str) -> None:
        self.took_ms: list[float] = []
        self.failed = 0
        self._port, self._cookie = place.port, cookie
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pages", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def forget(self) -> None:
        self.took_ms, self.failed = [], 0

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        while not self._stopped.is_set():
            begun = clock.monotonic()
            try:
                connection.request("GET", PAGE, headers={"Cookie": self._cookie})
                answer = connection.getresponse()
                is_whole = answer.read().count(b"pod-row-") >= ROWS_A_PAGE and answer.status == 200
            except (OSError, http.client.HTTPException):
                connection.close()
                is_whole = False
            took_s = clock.monotonic() - begun
            self.took_ms.append(took_s * 1000)
            self.failed += not is_whole
            self._stopped.wait(max(0.0, PAGE_EVERY_S - took_s))
        connection.close()


def _change_for(place: Place, seconds: float, done: int = 0) -> list[Change]:
    """Change one pod after the other at a steady pace, after ``done`` before; return what was committed when."""
    client = redis.Redis(unix_socket_path=str(place.redis_socket))
    changes: list[Change] = []
    begun, pause = clock.monotonic(), threading.Event()
    while (at := len(changes) * CHANGE_EVERY_S) < seconds:
        pause.wait(max(0.0, begun + at - clock.monotonic()))
        turn, pod = divmod(done + len(changes), PODS)
        published, at = _change(place.engine, pod + 1, _OK if turn % 2 else _FAIL)
        publish(client, published)
        changes.append(Change(at, published[_TENANT]))
    pause.wait(max(0.0, begun + seconds - clock.monotonic()))
    client.close()
    return changes


def _change(engine: sa.Engine, check_id: int, finding: Finding) -> tuple[dict[int, int], float]:
    with write(engine) as conn:
        conn.execute(sa.update(CheckState).where(CheckState.check_id == check_id).values(next_at=from_us(0)))
        (claimed,) = claim.claim_due(conn, "local", "bench", 1)
    with write(engine) as conn:
        now = db_now_us(conn)
        found = Found(check_id, claimed.token, claimed.generation, claimed.due_us, now, now, finding, "bench")
        done = record(conn, [found])
        # Not due again by itself: nobody else probes here.
        conn.execute(sa.update(CheckState).where(CheckState.check_id == check_id).values(next_at=None))
    return done.published, clock.monotonic()


def _delivered(changes: Sequence[Change], came: Sequence[Sequence[Sequence[Any]]]) -> dict[str, object]:
    took_ms: list[float] = []
    last_ms = [0.0] * len(changes)
    missing = 0
    for frames in came:
        # A frame carries the number up to which its page is right now, so numbers only grow.
        numbers = [seq for _, seq in frames]
        for index, change in enumerate(changes):
            first = bisect_left(numbers, change.seq)
            if first == len(numbers):
                missing += 1
                continue
            took = (frames[first][0] - change.at) * 1000
            took_ms.append(took)
            last_ms[index] = max(last_ms[index], took)
    return {
        "deliveredP50Ms": percentile(took_ms, 50),
        "deliveredP99Ms": percentile(took_ms, 99),
        "onAllSocketsP50Ms": percentile(last_ms, 50),
        "onAllSocketsP99Ms": percentile(last_ms, 99),
        "changes": len(changes),
        "undelivered": missing,
    }


def _order(place: Place, sockets: int, cookie: str) -> dict[str, object]:
    with read(place.engine) as conn:
        seq = feed.newest(conn, [_TENANT])[_TENANT]
    parts = {"row": list(range(1, PODS + 1)), "counts": [0], "nav": [0], "nav_incidents": [0]}
    shown = {"seq": seq, "parts": parts}
    where = {"host": "127.0.0.1", "port": place.port, "origin": place.origin}
    return where | {"sockets": sockets, "cookie": cookie, "watch": shown}


def _fill(engine: sa.Engine) -> None:
    """Store one tenant with 200 healthy pods, each with one check that is in nobody's turn."""
    with write(engine) as conn:
        now = from_us(db_now_us(conn))
        conn.execute(sa.insert(Tenant).values(id=_TENANT, name="bench", created_at=now))
        own = [{"tenant_id": _TENANT, "pod_id": n, "since": now, "status": Status.HEALTHY} for n in range(1, PODS + 1)]
        made = {"tenant_id": _TENANT, "created_at": now, "updated_at": now}
        pods = [made | {"id": n, "name": f"pod-{n}", "address": f"10.0.0.{n}"} for n in range(1, PODS + 1)]
        checks = [
            made | {"id": n, "pod_id": n, "name": "http", "kind": Kind.HTTP, "target": "/", "failure_threshold": 1}
            for n in range(1, PODS + 1)
        ]
        conn.execute(sa.insert(Pod), pods)
        conn.execute(sa.insert(PodStatus), [row | {"phase_since": now, "updated_at": now} for row in own])
        conn.execute(sa.insert(Check), checks)
        known = {"vantage": "local", "was_known": True, "successes": 1, "recent_count": 20, "fresh_until": now + _HOURS}
        conn.execute(sa.insert(CheckState), [row | known | {"check_id": row["pod_id"]} for row in own])
