"""The dead-man URL: pinged while all is well, held back while something is broken, and never said."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import sqlalchemy as sa

from podhealth import egress
from podhealth.core.errors import SetupError
from podhealth.jobs import deadman
from podhealth.jobs.parts import Parts
from podhealth.models import DeadMan, TickStep
from podhealth.settings import load_settings
from podhealth.store import operation, workers
from podhealth.store.db import db_now, read, write
from tests.jobs.conftest import open_parts

SECRET_PATH = "/canary-of-the-dead-man"


class Far:
    """Whoever waits for pings; ``answers`` is the code of the next ones."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.answers = 200
        far = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:  # noqa: N802 - the library's word
                far.paths.append(self.path)
                self.send_response(far.answers)
                self.end_headers()

            def log_message(self, *_: object) -> None: ...

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}{SECRET_PATH}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def far() -> Iterator[Far]:
    far = Far()
    egress.open_networks(["127.0.0.0/8"])
    yield far
    egress.open_networks([])
    far.server.shutdown()
    far.server.server_close()


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, database_url: str, redis_url: str, far: Far) -> Iterator[Parts]:
    monkeypatch.setenv("PODHEALTH_DEADMAN_URL", far.url)
    yield from open_parts(monkeypatch, database_url, redis_url)


def _tick(here: Parts, age_s: float) -> None:
    with write(here.engine) as conn:
        now = db_now(conn)
        workers.beat(conn, "w", "probe", "local")
        conn.execute(sa.delete(TickStep))
        values = {"due_at": now, "ran_at": now - timedelta(seconds=age_s)}
        conn.execute(sa.insert(TickStep).values(name="judge", **values))


def _stored(here: Parts) -> tuple[bool, str | None]:
    with read(here.engine) as conn:
        row = conn.execute(sa.select(DeadMan.pinged_at, DeadMan.said)).one()
    return row.pinged_at is not None, row.said


def test_while_all_is_well_it_is_pinged_and_while_something_is_broken_it_is_not(here: Parts, far: Far) -> None:
    _tick(here, 40.0)
    deadman.ping(here.engine)
    held = _stored(here)
    _tick(here, 1.0)
    deadman.ping(here.engine)

    assert held == (False, "held back for Tick")
    assert (far.paths, _stored(here)) == ([SECRET_PATH], (True, None))


@pytest.mark.parametrize("how", ["refuses", "is away", "is forbidden"])
def test_why_it_was_not_taken_is_kept_without_the_address_and_when_it_last_was(
    here: Parts, far: Far, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    _tick(here, 1.0)
    deadman.ping(here.engine)
    if how == "refuses":
        far.answers = 503
    elif how == "is away":
        far.server.shutdown()
        far.server.server_close()
    else:
        egress.open_networks([])
    deadman.ping(here.engine)
    was_pinged, said = _stored(here)
    with read(here.engine) as conn:
        shown = operation.running(conn, db_now(conn), None, has_dead_man=True).dead_man

    assert was_pinged
    assert said is not None
    assert said.startswith({"refuses": "it answered 503"}.get(how, "it does not answer: "))
    assert "canary" not in said + caplog.text
    assert shown is not None
    assert shown.said == said


def test_without_an_address_nothing_is_called_or_kept(
    monkeypatch: pytest.MonkeyPatch, sqlite_engine: sa.Engine, redis_url: str
) -> None:
    for here in open_parts(monkeypatch, str(sqlite_engine.url), redis_url):
        deadman.ping(here.engine)
        with read(here.engine) as conn:
            assert conn.execute(sa.select(DeadMan.id)).all() == []


@pytest.mark.parametrize("url", ["ftp://x", "https://user@x/", "nothing", "http://:1@"])
def test_an_address_that_cannot_be_called_is_a_bad_setting(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    for name, value in {"DATABASE_URL": "sqlite:///x", "REDIS_URL": "redis://x", "SECRET_KEY": "x" * 40}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PODHEALTH_DEADMAN_URL", url)
    with pytest.raises(SetupError, match="PODHEALTH_DEADMAN_URL") as refused:
        load_settings()

    assert url not in str(refused.value)
