"""The worlds of healer tests. Cost: a process host, 0.3 s; the SQLite or PostgreSQL of ``engine``."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from tests.healing.world import SLEEPER, ProcessHost, World


@pytest.fixture
def host() -> Iterator[ProcessHost]:
    """A process host that keeps one pod, ``web``."""
    host = ProcessHost(web=SLEEPER)
    yield host
    host.remove()


@pytest.fixture
def world(engine: sa.Engine, host: ProcessHost) -> World:
    """A pod on a real process host, with a policy of three restarts."""
    return World(engine, host)


@pytest.fixture
def a_world(engine: sa.Engine, host: ProcessHost) -> Callable[..., World]:
    """Makes a world with a policy of the test's own; ``has_provider=False`` for a pod nobody can act on."""

    def make(has_provider: bool = True, **policy: Any) -> World:
        return World(engine, host if has_provider else None, **policy)

    return make
