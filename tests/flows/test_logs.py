"""What real processes log of a run full of secrets: lines of JSON with the id of what caused them, and no secret.

Every value below holds the word canary; the logs of all processes, at their most talkative, hold it nowhere.
"""

import http.client
import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import sqlalchemy as sa

from podhealth.core.words import ProviderKind, Role
from podhealth.models import DeadMan, Pod
from podhealth.store import accounts, inventory
from podhealth.store.db import read, write
from podhealth.store.secrets import held_key, hold_key, seal
from podhealth.store.tenancy import system_scope
from tests.support import build
from tests.support.cluster import Cluster
from tests.support.ports import free_port
from tests.support.wait import wait_for
from tests.support.webserver import SECRET

pytestmark = [pytest.mark.slow, pytest.mark.postgres, pytest.mark.timeout(120)]

SECRETS = {
    "PODHEALTH_SMTP_HOST": "127.0.0.1",
    "PODHEALTH_SMTP_PORT": "1",
    "PODHEALTH_SMTP_FROM": "ph@example.com",
    "PODHEALTH_SMTP_USER": "ph",
    "PODHEALTH_SMTP_PASSWORD": "canary-smtp-password",
    "PODHEALTH_DEADMAN_URL": "http://127.0.0.1:1/canary-deadman",
    "PODHEALTH_METRICS_TOKEN": "canary-metrics-token-of-20",
    "PODHEALTH_LOG_LEVEL": "DEBUG",
}


@pytest.fixture
def cluster(postgres_engine: sa.Engine, redis_url: str, tmp_path: Path) -> Iterator[Cluster]:
    before = held_key()
    hold_key(SECRET)
    url = postgres_engine.url.set(password="canary-database-password")
    with ExitStack() as stack:
        yield stack.enter_context(Cluster(url.render_as_string(hide_password=False), redis_url, tmp_path))
    hold_key(before)


def _ask(port: int, method: str, path: str, body: str = "", **headers: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(method, path, body or None, {name.replace("_", "-"): v for name, v in headers.items()})
    status = connection.getresponse().status
    connection.close()
    return status


@pytest.mark.attack("A75")
def test_no_process_logs_a_secret_and_each_line_says_what_caused_it(
    cluster: Cluster, postgres_engine: sa.Engine
) -> None:
    with write(postgres_engine) as conn:
        tenant_id = build.a_tenant(conn)
        build.a_policy(conn, tenant_id, is_default=True, trigger_after_failures=1)
        pod_id = build.a_pod(conn, tenant_id, "web", address="127.0.0.1")
        config = {"url": "http://127.0.0.1:1/canary-hook", "secret": "canary-provider-secret"}
        values = {"provider": ProviderKind.WEBHOOK, "provider_config": seal(config, pod_id)}
        conn.execute(sa.update(Pod).where(Pod.id == pod_id).values(**values))
        build.a_check(conn, pod_id, "tcp", target=str(free_port()), failure_threshold=1, interval_seconds=5)
        token = accounts.create_token(conn, tenant_id, "ci", Role.ADMIN, "ann", None)
        agent = inventory.set_agent_token(conn, system_scope(tenant_id), pod_id)
    port = free_port()
    cluster.start("scheduler", **SECRETS)
    cluster.start("worker", "probe.local", **SECRETS)
    cluster.start("worker", "heal", "alert", "tick", **SECRETS)
    cluster.start("web", PODHEALTH_WEB_PORT=str(port), **SECRETS)
    wait_for(lambda: _answers(port), 60, what="the web process answers")
    said = [
        _ask(port, "GET", "/api/pods", Authorization=f"Bearer {token}"),
        _ask(port, "GET", "/api/pods", Authorization="Bearer ph_canary-token"),
        _ask(port, "POST", "/api/heartbeats", "{}", Authorization=f"Bearer {agent}"),
        _ask(port, "POST", "/api/heartbeats", "{", Authorization="Bearer pa_canary-agent"),
        _ask(port, "GET", "/invite/canary-link"),
        _ask(port, "GET", "/approve/canary-link"),
        _ask(port, "POST", "/sign-in", "email=a%40b.c&password=canary-password", Cookie="canary-cookie=1"),
        _ask(port, "GET", "/metrics", Authorization=f"Bearer {SECRETS['PODHEALTH_METRICS_TOKEN']}"),
    ]
    wait_for(lambda: _is_dead_man_tried(postgres_engine), 60, what="the dead-man URL was tried")
    cluster.stop()
    logs = {program.name: program.log.read_text() for program in cluster.programs}
    lines = [json.loads(line) for log in logs.values() for line in log.splitlines() if line.startswith("{")]
    hidden = ("canary", token, agent, SECRET)

    assert said[0] == said[7] == 200, said
    assert {word for word in hidden for log in logs.values() if word in log} == set()
    assert {"web", "worker", "scheduler"} >= {line["program"] for line in lines} >= {"worker", "scheduler"}
    assert all({"event", "level", "timestamp", "program"} <= line.keys() for line in lines)
    assert all("job_id" in line for line in lines if line["event"] == "dead-man URL not pinged")


def _answers(port: int) -> bool:
    try:
        return _ask(port, "GET", "/healthz") == 200
    except OSError:
        return False


def _is_dead_man_tried(engine: sa.Engine) -> bool:
    with read(engine) as conn:
        return conn.scalar(sa.select(DeadMan.said)) is not None
