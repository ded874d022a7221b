"""PodHealth with the Redis user of deploy/redis-users.acl: all works, and nothing that an administrator does."""

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
import sqlalchemy as sa

from podhealth.cli.redis_program import redis_command
from podhealth.jobs.parts import Parts
from podhealth.jobs.schedule import PeriodicScheduler, reconcile
from podhealth.live.publish import publish
from podhealth.models import TickStep
from podhealth.queues import enqueue
from podhealth.store.db import read
from podhealth.web.tries import FailedTries, counters_at
from tests.jobs.conftest import open_parts
from tests.support.redisserver import wait_until_up

pytestmark = pytest.mark.slow

ACL = Path(__file__).parents[2] / "deploy" / "redis-users.acl"
REFUSED = [
    *("CONFIG GET *", "CONFIG SET dir /tmp", "EVAL return(1) 0", "KEYS *", "MODULE LIST", "MODULE LOAD /tmp/x.so"),
    *("FLUSHALL", "FLUSHDB", "SHUTDOWN", "DEBUG SLEEP 0", "ACL LIST", "ACL SETUSER x on", "SCRIPT FLUSH", "SAVE"),
    *("BGREWRITEAOF", "REPLICAOF 127.0.0.1 1", "MONITOR", "SLOWLOG GET", "CLIENT KILL ID 1", "SORT x", "SWAPDB 0 1"),
    *("MIGRATE h 1 k 0 1", "RESTORE k 0 v", "CLUSTER INFO", "LATENCY DOCTOR"),
]


@pytest.fixture
def server() -> Iterator[tuple[str, redis.Redis]]:
    """Its address as our user's, and an administrator's client of it."""
    folder = Path(tempfile.mkdtemp(prefix="ph-acl-"))
    lines = (
        ACL.read_text()
        .replace("CHANGE-ME", "of-the-tests")
        .replace("user default off", "user root on >root ~* &* +@all")
    )
    (folder / "users.acl").write_text(f"{lines}\nuser default off\n")
    socket = folder / "r.sock"
    process = subprocess.Popen([*redis_command(socket, folder), "--aclfile", str(folder / "users.acl")])
    root = redis.Redis(unix_socket_path=str(socket), username="root", password="root")
    try:
        wait_until_up(root)
        yield f"unix://podhealth:of-the-tests@{socket}", root
    finally:
        root.close()
        process.terminate()
        process.wait(10)
        shutil.rmtree(folder)


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, sqlite_engine: sa.Engine, server: tuple[str, redis.Redis]) -> Iterator[Parts]:
    yield from open_parts(monkeypatch, str(sqlite_engine.url), server[0])


@pytest.mark.attack("A86")
def test_its_redis_user_can_do_its_work_and_nothing_of_an_administrators(
    here: Parts, server: tuple[str, redis.Redis]
) -> None:
    url, root = server
    tries = FailedTries(counters_at(url))
    tries.note("ann@acme.example", "10.0.0.1")
    publish(here.redis, {1: 1})
    scheduler = PeriodicScheduler(here.redis)
    reconcile(scheduler)
    scheduler.acquire_lock()
    scheduler.cycle()
    scheduler.remove_lock()
    assert enqueue(here.redis, "tick.run")
    command = [str(Path(sys.executable).with_name("rq")), "worker", "--burst", "--url", url, "--worker-class"]
    command += ["podhealth.cli.worker.PodHealthWorker", "--job-class", "podhealth.queues.Job", "tick"]
    ran = subprocess.run(command, capture_output=True, timeout=60, check=False)
    denied = [(one["object"], one["reason"]) for one in root.acl_log()]
    with read(here.engine) as conn:
        ticked = conn.scalar(sa.select(sa.func.count()).select_from(TickStep))
    client = redis.Redis.from_url(url)
    said = {}
    for line in REFUSED:
        with pytest.raises(redis.exceptions.ResponseError) as refused:
            client.execute_command(*line.split())
        said[line] = str(refused.value)
    client.close()

    assert ran.returncode == 0, ran.stderr.decode()[-2000:]
    assert denied == []
    assert ticked
    assert tries.left("ann@acme.example", "10.0.0.1") == 4
    assert [line for line, text in said.items() if not re.search("no permissions", text)] == []
    with pytest.raises(redis.exceptions.AuthenticationError):
        redis.Redis(unix_socket_path=url.rpartition("@")[2]).ping()
