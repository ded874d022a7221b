"""Fixtures all tests share: databases, a private Redis, the present moment, a counter of queries.

Costs: ``sqlite_engine`` 2 ms; ``engine`` runs a test twice, on PostgreSQL 20 ms more (and 3 s once a session for the
server); ``redis_url`` 0.2 s once a worker.
"""

import gc
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import hypothesis
import pytest
import redis
import sqlalchemy as sa
from sqlalchemy import event

from podhealth import clock
from podhealth.cli.redis_program import redis_command
from podhealth.store.db import make_engine
from podhealth.store.secrets import hold_key
from tests.support import guard, short
from tests.support.cluster import Cluster
from tests.support.databases import EmptyPostgres, Postgres, compiling_once, sqlite_template
from tests.support.redisserver import wait_until_up

pytest_plugins = ["tests.proofs.plugin", "tests.machines.counting"]

# How long an example takes says something of the machine, not of the rule.
hypothesis.settings.register_profile("tests", deadline=None)
hypothesis.settings.load_profile("tests")

# Fourteen thousand collected tests are a million objects: going through them again and again, for nothing, cost a third
# of the time of this process.
_OBJECTS_A_COLLECTION = 10_000


_SHARED = "PODHEALTH_TEST_SHARED"
_OWNER = "PODHEALTH_TEST_OWNER"


def pytest_configure(config: pytest.Config) -> None:
    """Make the folder that the workers of this session share; a worker finds it in its environment."""
    gc.disable()
    if not hasattr(config, "workerinput"):
        folder = tempfile.mkdtemp(prefix="ph-test-")
        Path(folder).chmod(0o711)  # PostgreSQL, another user, walks through it
        os.environ[_SHARED], os.environ[_OWNER] = folder, str(os.getpid())


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the session's PostgreSQL and remove the shared folder, also after Ctrl-C."""
    if hasattr(config, "workerinput") or os.environ.get(_OWNER) != str(os.getpid()):
        return
    folder = Path(os.environ.pop(_SHARED))
    os.environ.pop(_OWNER)
    note = folder / "pg.guard"
    if note.exists():
        guard.end(int(note.read_text()))
    shutil.rmtree(folder, ignore_errors=True)


_WAITING = ("flows", "cli", "browser", "proofs")
_LONGEST = ("test_soak.py", "test_matrix.py", "test_fuzz.py", "test_bench.py", "test_bad_input.py")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take ``--short``."""
    parser.addoption("--short", action="store_true", help="leave out what tests/support/short.py says")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Spread the files that mostly wait (for processes, browsers, time) among those that mostly compute.

    Workers that run at once then share the processors; one kind after the other would leave them idle first. A file is
    one worker's: the longest ones begin early, else the others wait for one at the end.
    """
    if config.getoption("--short"):
        out = short.left_out(items)
        config.hook.pytest_deselected(items=[item for item in items if item in out])
        items[:] = [item for item in items if item not in out]
    place = {path: number for number, path in enumerate(dict.fromkeys(item.path for item in items))}
    quick = [path for path in place if path.parent.name == "core"]
    waiting = [path for path in place if path.parent.name in _WAITING][::-1]  # the longest ones first
    computing = [path for path in place if path not in {*quick, *waiting}]
    at = {path: (number + 0.5) / len(paths) for paths in (waiting, computing) for number, path in enumerate(paths)}
    at |= dict.fromkeys(quick, 1.0)  # what fills the gaps at the end
    at |= {path: at[path] / 4 for path in place if path.name in _LONGEST}
    items.sort(key=lambda item: (at[item.path], place[item.path]))


def pytest_collection_finish() -> None:
    """Look for garbage again, but no more among what was collected, which stays to the end."""
    gc.freeze()
    gc.enable()
    gc.set_threshold(_OBJECTS_A_COLLECTION, 20, 20)


@pytest.fixture(scope="session")
def _shared_folder() -> Path:
    return Path(os.environ[_SHARED])


@pytest.fixture(scope="session")
def postgres_server(_shared_folder: Path) -> Postgres:
    """The session's PostgreSQL, started when the first test asks for it."""
    server = Postgres(_shared_folder, int(os.environ[_OWNER]))
    server.ensure()
    return server


@pytest.fixture(scope="session")
def _postgres_database(postgres_server: Postgres) -> Iterator[EmptyPostgres]:
    database = EmptyPostgres(postgres_server, f"podhealth_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}")
    yield database
    database.drop()


@pytest.fixture(scope="session")
def _sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sqlite_template(tmp_path_factory.mktemp("sqlite"))


@pytest.fixture
def sqlite_engine(_sqlite_template: Path, tmp_path: Path) -> Iterator[sa.Engine]:
    """An empty migrated SQLite database in a file of its own."""
    path = tmp_path / "podhealth.db"
    shutil.copyfile(_sqlite_template, path)
    engine = compiling_once(make_engine(f"sqlite:///{path}"))
    yield engine
    engine.dispose()


@pytest.fixture
def postgres_engine(_postgres_database: EmptyPostgres) -> Iterator[sa.Engine]:
    """An empty migrated PostgreSQL database."""
    yield _postgres_database.engine
    _postgres_database.empty()


@pytest.fixture(params=[short.DATABASES[0], pytest.param(short.DATABASES[1], marks=pytest.mark.postgres)])
def engine(request: pytest.FixtureRequest) -> sa.Engine:
    """An empty migrated database: the test runs once on SQLite and once on PostgreSQL."""
    return request.getfixturevalue(f"{request.param}_engine")


@pytest.fixture
def database_url(engine: sa.Engine) -> str:
    """The address of ``engine``'s database, for processes that the test starts."""
    return engine.url.render_as_string(hide_password=False)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a database with nothing in it."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.db'}"
        return
    server: Postgres = request.getfixturevalue("postgres_server")
    name = f"empty_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
    yield server.create(name, "template1")
    server.drop(name)


@pytest.fixture
def now() -> datetime:
    """One present moment for the whole test; near the databases' own time, which also counts."""
    return clock.utcnow()


@pytest.fixture(autouse=True, scope="session")
def _key() -> None:
    hold_key("a key of the tests, of 32 characters")


@pytest.fixture(autouse=True)
def _unshifted_clock() -> Iterator[None]:
    yield
    clock.shift(timedelta(0))


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """What a test enters here is left at its end."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def cluster(stack: ExitStack, database_url: str, redis_url: str, tmp_path: Path) -> Cluster:
    """PodHealth's programs, none started yet, on this test's database and its own Redis."""
    return stack.enter_context(Cluster(database_url, redis_url, tmp_path))


@pytest.fixture(scope="session")
def _redis_socket() -> Iterator[Path]:
    # A short path of its own: the kernel takes 107 bytes for a unix socket.
    folder = Path(tempfile.mkdtemp(prefix="ph-redis-"))
    socket = folder / "redis.sock"
    process = guard.start(os.getpid(), folder, signal.SIGTERM, redis_command(socket, folder))
    try:
        client = redis.Redis(unix_socket_path=str(socket))
        wait_until_up(client)
        client.close()
        yield socket
    finally:
        guard.end(process.pid)
        process.wait()


@pytest.fixture
def redis_server(_redis_socket: Path) -> Iterator[redis.Redis]:
    """A client of this worker's own empty redis-server."""
    client = redis.Redis(unix_socket_path=str(_redis_socket))
    client.flushall()
    yield client
    client.close()


@pytest.fixture
def redis_url(_redis_socket: Path, redis_server: redis.Redis) -> str:
    """The address of this worker's own empty redis-server."""
    return f"unix://{_redis_socket}"


CountQueries = Callable[..., AbstractContextManager[list[str]]]


@pytest.fixture
def count_queries() -> CountQueries:
    """``with count_queries(engine, at_most=4) as statements:`` fails where more statements are sent than that."""

    @contextmanager
    def counting(engine: sa.Engine, at_most: int | None = None) -> Iterator[list[str]]:
        statements: list[str] = []

        def note(_conn: object, _cursor: object, statement: str, *_rest: object) -> None:
            if not statement.startswith(("BEGIN", "PRAGMA")):
                statements.append(statement)

        event.listen(engine, "before_cursor_execute", note)
        try:
            yield statements
        finally:
            event.remove(engine, "before_cursor_execute", note)
        if at_most is not None:
            assert len(statements) <= at_most, "\n".join([f"{len(statements)} statements:", *statements])

    return counting
