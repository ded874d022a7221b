"""This process's parts on a test's own database and Redis, as a worker has them."""

from collections.abc import Iterator

import pytest

from podhealth import clock
from podhealth.jobs import parts as jobs_parts
from podhealth.jobs import tick
from podhealth.jobs.parts import Parts
from tests.support.webserver import SECRET


def open_parts(monkeypatch: pytest.MonkeyPatch, database_url: str, redis_url: str) -> Iterator[Parts]:
    for name, value in {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "SECRET_KEY": SECRET}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PODHEALTH_DEMO_LOOPBACK", "true")
    jobs_parts.parts.cache_clear()
    tick.Last.came_at, tick.Last.slow_at = clock.monotonic(), float("-inf")
    here = jobs_parts.parts()
    yield here
    here.leaving.set()
    here.engine.dispose()
    for client in (here.redis, here.hurried):
        client.close()
    jobs_parts.parts.cache_clear()


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, database_url: str, redis_url: str) -> Iterator[Parts]:
    """The parts, once on SQLite and once on PostgreSQL."""
    yield from open_parts(monkeypatch, database_url, redis_url)


@pytest.fixture
def sqlite_here(monkeypatch: pytest.MonkeyPatch, sqlite_engine, redis_url: str) -> Iterator[Parts]:
    """The parts on SQLite, for what no database matters to."""
    yield from open_parts(monkeypatch, str(sqlite_engine.url), redis_url)
