"""``podhealth bench pages``: how long pages of a large tenant take, and how many bytes they are.

One web process on a database of its own, with a month of past of thousands of pods (bench_fleet.py, bench_past.py,
bench_measured.py), and one person who asks for one page after the other. A page's time is from sending the request to
the last byte of the answer, compressed as browsers ask for it.
"""

import json
import re
from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple

import sqlalchemy as sa

from podhealth import clock
from podhealth.cli import bench_cpu
from podhealth.cli.bench_fleet import TENANT, Size, fill_fleet
from podhealth.cli.bench_measured import fill_measured
from podhealth.cli.bench_past import FLAPPER, fill_past
from podhealth.cli.bench_place import Place, count_rows, open_place, wait_until
from podhealth.cli.bench_session import Answer, Browser, percentile, signed_in
from podhealth.core.words import Role
from podhealth.store.accounts import create_token
from podhealth.store.db import write

ASKED_PODS = 20
_WARM_UP = 2
_UP_WITHIN_S = 60
_FILES = re.compile(r'(?:href|src)="(/(?:static|assets)/[^"]+\.(?:css|js)[^"]*)"')

OVERVIEW = {
    "plain": "/pods",
    "page 2": "/pods?page=2",
    "cards": "/pods?view=cards",
    "unhealthy": "/pods?status=unhealthy",
    "tag and name": "/pods?tag=prod&q=app-7",
    "by name": "/pods?sort=name",
    "by since": "/pods?sort=since",
    "by node": "/pods?sort=node",
    "by uptime": "/pods?sort=uptime",
    "groups by node": "/pods?group=node",
    "groups by tag": "/pods?group=tag",
}
OTHERS = {
    "incidents": "/incidents",
    "heals": "/heals",
    "policies": "/policies",
    "policy": "/policies/1",
    "maintenance": "/maintenance",
}
_RANGES = ("24h", "1h", "7d", "30d")


def run(pods: int, days: int, times: int, database_url: str | None) -> dict[str, object]:
    """Make the past of that many pods, ask for each page so often, and return the figures by their JSON names."""
    size = Size(pods, days)
    asked = range(1, min(ASKED_PODS, pods) + 1)
    with open_place(database_url) as place:
        begun = clock.monotonic()
        rows = _fill(place.engine, size, asked)
        filled_s = clock.monotonic() - begun
        with write(place.engine) as conn:
            token = create_token(conn, TENANT, "bench", Role.ADMIN, "bench", timedelta(days=1))
        browser = Browser(place, {"Cookie": signed_in(place, TENANT, Role.ADMIN)})
        program = Browser(place, {"Authorization": f"Bearer {token}"})
        place.start_programs(("web",))
        wait_until(place.web_answers, _UP_WITHIN_S, "the web process answers")
        used_s = bench_cpu.cpu_s(place.pids("redis"))
        web = _Web(browser, place, times)
        figures = {**_overview(web), **_pods(web, asked), **_others(web), **_replay(_Web(program, place, times))}
        used_s = bench_cpu.cpu_s(place.pids("redis")) - used_s
        rss_mb = bench_cpu.rss_mb(place.pids("redis"))
        browser.close()
        program.close()
        place.require_alive()
    return figures | {
        "rssMb": round(rss_mb, 1),
        "cpuSeconds": round(used_s, 2),
        "filledSeconds": round(filled_s, 1),
        "rows": rows,
        "pods": pods,
        "days": days,
        "database": "sqlite" if database_url is None else place.database,
        "machine": bench_cpu.machine(),
    }


def _fill(engine: sa.Engine, size: Size, asked: Sequence[int]) -> dict[str, int]:
    now = fill_fleet(engine, size)
    rows = fill_past(engine, size, now) | fill_measured(engine, size, asked, now)
    count_rows(engine)
    return rows


class _Asked(NamedTuple):
    """Answers to the same question, and the CPU time of the web process for them all."""

    answers: list[Answer]
    used_s: float

    @property
    def took_ms(self) -> list[float]:
        return [answer.took_ms for answer in self.answers]

    @property
    def told(self) -> dict[str, float | None]:
        kb = max(answer.sent_bytes for answer in self.answers) / 1000
        cpu_ms = 1000 * self.used_s / len(self.answers)
        p50, p95 = percentile(self.took_ms, 50), percentile(self.took_ms, 95)
        return {"p50Ms": p50, "p95Ms": p95, "cpuMs": round(cpu_ms, 1), "kb": round(kb, 1)}


class _Web(NamedTuple):
    """Who asks whom how often."""

    browser: Browser
    place: Place
    times: int

    def ask(self, *paths: str, body: object = None, times: int | None = None) -> _Asked:
        """Ask for these pages again and again.

        The first answers compile templates and statements, once in the life of a process, and are in no figure.
        """
        for path in (paths[:1] * _WARM_UP)[: _WARM_UP if body is None else 1]:
            self.browser.ask(path, body)
        used_s = bench_cpu.cpu_s(self.place.pids("redis"))
        answers = [self.browser.ask(path, body) for _ in range(times or self.times) for path in paths]
        return _Asked(answers, bench_cpu.cpu_s(self.place.pids("redis")) - used_s)


def _overview(web: _Web) -> dict[str, object]:
    found = {name: web.ask(path) for name, path in OVERVIEW.items()}
    every = [answer for asked in found.values() for answer in asked.answers]
    files = {path.replace("&amp;", "&") for answer in every for path in _FILES.findall(answer.body.decode())}
    largest = max(answer.sent_bytes for answer in every) / 1000
    files_kb = sum(web.browser.ask(path).sent_bytes for path in files) / 1000
    return {
        "overviewP95Ms": percentile([answer.took_ms for answer in every], 95),
        "overviewKb": round(largest, 1),
        "overviewAllKb": round(largest + files_kb, 1),
        "overview": {name: asked.told for name, asked in found.items()},
    }


def _pods(web: _Web, pod_ids: Sequence[int]) -> dict[str, object]:
    others = [pod_id for pod_id in pod_ids if pod_id != FLAPPER][: 2 * web.times]
    found = {range_: web.ask(*(f"/pods/{each}?range={range_}" for each in others), times=1) for range_ in _RANGES}
    found |= {f"flapping, {range_}": web.ask(f"/pods/{FLAPPER}?range={range_}") for range_ in _RANGES}
    every = [took_ms for asked in found.values() for took_ms in asked.took_ms]
    return {"podP95Ms": percentile(every, 95), "pod": {name: asked.told for name, asked in found.items()}}


def _others(web: _Web) -> dict[str, object]:
    return {"others": {name: web.ask(path).told for name, path in OTHERS.items()}}


def _replay(web: _Web) -> dict[str, object]:
    asked = web.ask("/api/policies/replay", body={"id": 1}, times=-(-web.times // 2))
    found = json.loads(asked.answers[-1].body)
    told = {name: found[name] for name in ("from", "governedPods", "transitions", "troubles")}
    return {"replayP95Ms": percentile(asked.took_ms, 95), "replay": asked.told | told}
