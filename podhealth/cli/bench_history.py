"""``podhealth bench history``: what a month of results costs those who look at it, and who writes while a day goes.

One web process on a database of its own, filled by the million (bench_results.py), is asked by HTTP for the history of
pods and for their pages. Then retention removes a day that is past its time, while writers claim and record as probers
do (bench_writers.py); how long they wait is told by the longest of their transactions, all of it.
"""

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from podhealth import clock
from podhealth.cli import bench_cpu
from podhealth.cli.bench_fleet import TENANT, Size, check_ids_of, fill_fleet
from podhealth.cli.bench_past import fill_past
from podhealth.cli.bench_place import Place, hear, helper, open_place, tell, wait_until
from podhealth.cli.bench_results import DAY_US, Amount, amount, expired_day, fill_results
from podhealth.cli.bench_session import Browser, percentile, signed_in
from podhealth.core.errors import SetupError
from podhealth.core.rollup import HOUR_US
from podhealth.core.words import Role
from podhealth.models import Result
from podhealth.models.base import to_us
from podhealth.store import historysums, partitions, retention
from podhealth.store.accounts import create_token
from podhealth.store.db import db_now, read, write
from podhealth.store.historysums import Resolution
from podhealth.store.kept import kept
from podhealth.web.cursors import encode

ASKED_PODS = 20
WRITERS = 2
HOURS = (24, 168, 720)
_PAGES = 3  # one after the other; then one from the middle of the span
_RANGES = ("1h", "24h", "7d", "30d")
_WARM_UP = 3
_UP_WITHIN_S = 60
_GONE_WITHIN_S = 600
_BEFORE_S = 3.0


def run(results: int, days: int, pods: int | None, times: int, database_url: str | None) -> dict[str, object]:
    """Make so many results, ask, clean, and return the figures by their JSON names."""
    wanted = amount(results, days, pods)
    asked = range(1, min(ASKED_PODS, wanted.pods) + 1)
    with open_place(database_url) as place:
        begun = clock.monotonic()
        rows = _fill(place.engine, wanted)
        filled_s = clock.monotonic() - begun
        size = _bytes(place)
        _require_same_sums(place.engine)
        with write(place.engine) as conn:
            token = create_token(conn, TENANT, "bench", Role.VIEWER, "bench", timedelta(days=1))
        person = Browser(place, {"Cookie": signed_in(place, TENANT, Role.ADMIN)})
        program = Browser(place, {"Authorization": f"Bearer {token}"})
        place.start_programs(("web",))
        wait_until(place.web_answers, _UP_WITHIN_S, "the web process answers")
        used_s = [bench_cpu.cpu_s(place.pids("redis"))]
        figures = _history(program, place, asked, times)
        used_s.append(bench_cpu.cpu_s(place.pids("redis")))
        figures |= _pods(person, asked, times)
        used_s.append(bench_cpu.cpu_s(place.pids("redis")))
        figures["historyCpuMs"] = round(1000 * (used_s[1] - used_s[0]) / figures.pop("histories"), 1)
        figures["podCpuMs"] = round(1000 * (used_s[2] - used_s[1]) / (len(asked) * times * len(_RANGES)), 1)
        person.close()
        program.close()
        place.stop("web")
        figures |= _retention(place, wanted)
    return figures | {
        "rows": rows,
        "bytes": size,
        "filledSeconds": round(filled_s, 1),
        "pods": wanted.pods,
        "days": days,
        "intervalSeconds": wanted.interval_s,
        "database": "sqlite" if database_url is None else place.database,
        "machine": bench_cpu.machine(),
    }


def _fill(engine: sa.Engine, wanted: Amount) -> dict[str, int]:
    size = Size(wanted.pods, wanted.days)
    now = fill_fleet(engine, size)
    return fill_past(engine, size, now) | fill_results(engine, wanted, now)


def _require_same_sums(engine: sa.Engine) -> None:
    """Raise SetupError where the rollups made here do not say what the results beside them do."""
    with read(engine, one_state=True) as conn:
        end = to_us(db_now(conn))
        spans = (check_ids_of(1), end - HOURS[-1] * HOUR_US, end)
        raw, rolled = (historysums.sums(conn, *spans, of) for of in (Resolution.RAW, Resolution.HOUR))
    if not raw.total or raw != rolled:
        raise SetupError(f"bench: rollups come to {rolled}, results to {raw}")


def _bytes(place: Place) -> int:
    if place.database == "postgresql":
        with read(place.engine) as conn:
            return int(conn.exec_driver_sql("SELECT pg_database_size(current_database())").scalar_one())
    file = Path(str(place.engine.url.database))
    return sum(each.stat().st_size for each in file.parent.glob(file.name + "*"))


def _history(program: Browser, place: Place, pod_ids: Sequence[int], times: int) -> dict[str, Any]:
    took: dict[str, list[float]] = {}
    with read(place.engine) as conn:
        now_us = to_us(db_now(conn))
    for _ in range(_WARM_UP):
        program.ask(f"/api/cloud-pods/{pod_ids[0]}/health/history?hours=1")
    for hours in HOURS:
        middle = encode(now_us, now_us - hours * DAY_US // 48, 0, 0)
        for pod_id in list(pod_ids) * times:
            path = f"/api/cloud-pods/{pod_id}/health/history?hours={hours}"
            for name, took_ms in _asked(program, path, middle):
                took.setdefault(f"{hours} h, {name}", []).append(took_ms)
    every = [took_ms for some in took.values() for took_ms in some]
    told = {name: {"p50Ms": percentile(some, 50), "p95Ms": percentile(some, 95)} for name, some in took.items()}
    return {"historyP95Ms": percentile(every, 95), "history": told, "histories": len(every)}


def _asked(program: Browser, path: str, middle: str) -> Iterator[tuple[str, float]]:
    cursor = ""
    for number in range(_PAGES):
        answer = program.ask(f"{path}&cursor={cursor}")
        yield ("later page" if number else "first page"), answer.took_ms
        cursor = json.loads(answer.body)["nextCursor"]
        if cursor is None:
            break
    yield "page from the middle", program.ask(f"{path}&cursor={middle}").took_ms


def _pods(person: Browser, pod_ids: Sequence[int], times: int) -> dict[str, object]:
    person.ask(f"/pods/{pod_ids[0]}")
    took = {
        range_: [person.ask(f"/pods/{pod_id}?range={range_}").took_ms for pod_id in list(pod_ids) * times]
        for range_ in _RANGES
    }
    every = [took_ms for some in took.values() for took_ms in some]
    told = {name: {"p50Ms": percentile(some, 50), "p95Ms": percentile(some, 95)} for name, some in took.items()}
    return {"podP95Ms": percentile(every, 95), "pod": told}


def _retention(place: Place, wanted: Amount) -> dict[str, object]:
    """Have the day that is past its time removed while writers are at work, after some seconds of those alone."""
    rest = threading.Event()
    with ExitStack() as stack:
        writers = [
            stack.enter_context(helper("podhealth.cli.bench_writers", _order(place, number, wanted)))
            for number in range(WRITERS)
        ]
        rest.wait(1.0)
        _told(writers)  # the first turns open connections
        rest.wait(_BEFORE_S)
        before = _told(writers)
        begun = clock.monotonic()
        while _is_there(place.engine):
            retention.clean(place.engine)
            if clock.monotonic() - begun > _GONE_WITHIN_S:
                raise SetupError(f"bench: the old day is not gone after {_GONE_WITHIN_S} s")
        took_s = clock.monotonic() - begun
        beside = _told(writers)
        for writer in writers:
            tell(writer, "stop")
    return {
        "retentionSeconds": round(took_s, 2),
        "writerWaitMaxMs": round(beside["longestMs"], 1),
        "writerAloneMaxMs": round(before["longestMs"], 1),
        "writtenBeside": beside["results"],
    }


def _order(place: Place, number: int, wanted: Amount) -> dict[str, object]:
    url = place.engine.url.render_as_string(hide_password=False)
    checks = [check_id for pod_id in range(1, wanted.pods + 1) for check_id in check_ids_of(pod_id)]
    return {"database": url, "vantage": f"writer-{number}", "checks": checks[number::WRITERS][:250]}


def _told(writers: Sequence[Any]) -> dict[str, float]:
    said = []
    for writer in writers:
        tell(writer, "count")
        said.append(json.loads(hear(writer)))
    return {"longestMs": max(each["longestMs"] for each in said), "results": sum(each["results"] for each in said)}


def _is_there(engine: sa.Engine) -> bool:
    with read(engine) as conn:
        now = db_now(conn)
        if engine.dialect.name == "postgresql":
            query = "SELECT count(*) FROM pg_class WHERE relname = %s"
            name = partitions.partition_name(expired_day(now))
            return bool(conn.exec_driver_sql(query, (name,)).scalar_one())
        rowid = sa.literal_column("rowid", sa.Integer)
        oldest = conn.execute(sa.select(Result.scheduled_at).order_by(rowid).limit(1)).scalar()
        return oldest is not None and oldest < now - kept().results
