"""``podhealth bench heartbeats``: how many messages of agents a CPU-second of the web process takes and stores.

One web process as in operation, and agents in a process that no figure counts. Each message is a fresh connection with
a boot id, a growing number and figures of its machine, as /agent.py sends it. Counted are messages that were answered
204; at the end the database must hold the newest number that was answered to each agent, or the run has failed.
"""

import json
import secrets
import subprocess
import threading
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from podhealth.cli import bench_cpu
from podhealth.cli.bench_place import Place, hear, helper, open_place, tell, wait_until
from podhealth.cli.bench_session import percentile
from podhealth.core.errors import SetupError
from podhealth.models import Heartbeat, Pod, PodStatus, Tenant
from podhealth.models.base import from_us
from podhealth.store.accounts import hash_of
from podhealth.store.db import db_now_us, read, write

_WARM_UP_S = 2.0
_UP_WITHIN_S = 60
_TENANT = 1


def run(agents: int, at_once: int, seconds: float, database_url: str | None) -> dict[str, object]:
    """Measure ``seconds`` and return the figures by their names in JSON; raises SetupError where a message was lost."""
    with open_place(database_url, PODHEALTH_HEARTBEATS_A_MINUTE="100000") as place:
        tokens = _fill(place.engine, agents)
        place.start_programs(("web",))
        wait_until(place.web_answers, _UP_WITHIN_S, "the web process answers")
        with helper("podhealth.cli.heartbeat_clients", _order(place, list(tokens), at_once)) as clients:
            _count(clients, _WARM_UP_S)
            used_s = bench_cpu.cpu_s(place.pids("redis"))
            before, counted = _count(clients, 0), _count(clients, seconds)
            used_s = bench_cpu.cpu_s(place.pids("redis")) - used_s
            tell(clients, "stop")
            last = json.loads(hear(clients))
        place.require_alive()
        recorded = counted["answered"] - before["answered"]
        if not recorded:
            raise SetupError("bench: not one heartbeat was answered")
        lost = _lost(place.engine, {tokens[token]: number for token, number in last["acknowledged"].items()})
        if lost:
            raise SetupError(f"bench: {lost} heartbeats were answered and not stored")
        return {
            "recordedPerCpuSecond": round(recorded / max(used_s, 0.01)),
            "recordedPerSecond": round(recorded / seconds, 1),
            "recorded": recorded,
            "refused": last["refused"],
            "lost": lost,
            "p50Ms": percentile(counted["tookMs"], 50),
            "p99Ms": percentile(counted["tookMs"], 99),
            "cpuSeconds": round(used_s, 2),
            "rssMb": round(bench_cpu.rss_mb(place.pids("redis")), 1),
            "agents": agents,
            "atOnce": min(at_once, agents),
            "seconds": seconds,
            "database": "sqlite" if database_url is None else place.database,
            "machine": bench_cpu.machine(),
        }


def _order(place: Place, tokens: list[str], at_once: int) -> dict[str, object]:
    return {"host": "127.0.0.1", "port": place.port, "tokens": tokens, "atOnce": at_once}


def _count(clients: "subprocess.Popen[str]", after_s: float) -> dict[str, Any]:
    threading.Event().wait(after_s)
    tell(clients, "count")
    counted: dict[str, Any] = json.loads(hear(clients))
    return counted


def _lost(engine: sa.Engine, acknowledged: Mapping[int, int]) -> int:
    with read(engine) as conn:
        stored = {row.pod_id: row.sequence for row in conn.execute(sa.select(Heartbeat.pod_id, Heartbeat.sequence))}
    return sum(number > (stored[pod_id] or 0) for pod_id, number in acknowledged.items())


def _fill(engine: sa.Engine, agents: int) -> dict[str, int]:
    """Store a tenant with that many pods whose agents have spoken before; return their tokens with their pods."""
    tokens = {f"pa_{secrets.token_urlsafe(32)}": n for n in range(1, agents + 1)}
    with write(engine) as conn:
        now = from_us(db_now_us(conn))
        conn.execute(sa.insert(Tenant).values(id=_TENANT, name="bench", created_at=now))
        made = {"tenant_id": _TENANT, "created_at": now, "updated_at": now}
        pods = [
            made
            | {"id": n, "name": f"pod-{n}", "address": f"10.{n >> 8}.{n & 255}.1", "agent_token_hash": hash_of(token)}
            for token, n in tokens.items()
        ]
        conn.execute(sa.insert(Pod), pods)
        own = [{"tenant_id": _TENANT, "pod_id": n} for n in tokens.values()]
        conn.execute(sa.insert(PodStatus), [row | {"since": now, "phase_since": now, "updated_at": now} for row in own])
        conn.execute(sa.insert(Heartbeat), [row | {"received_at": now, "boot_id": "bench"} for row in own])
    return tokens
