"""The database locked, full, restarted, killed, cut off, slow, read-only (hazards 2c).

What was acknowledged stays, once, and all goes on by itself.

One set of real processes lives through all faults of its database, one after another (living.py).
"""

import json
import resource
import shutil
import signal
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from podhealth import clock
from podhealth.store.db import BUSY_MS, write
from tests.proofs.crossing import cross
from tests.proofs.living import Living, wait_out
from tests.support.depth import is_deep
from tests.support.faultproxy import FaultProxy, fault_proxy
from tests.support.ownpostgres import OwnPostgres
from tests.support.wait import wait_for
from tests.support.wire import own_network

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

Back = Callable[[float], None]
BACK_WITHIN_S = 15.0
CUTS = 200 if is_deep() else 30
DEADLOCKS = 10 if is_deep() else 3
_FULL_AT = 256 * 1024


class OnSqlite:
    """The set on a SQLite file."""

    def __init__(self, stack: ExitStack, folder: Path, template: Path, redis_url: str) -> None:
        self.path = folder / "podhealth.db"
        shutil.copyfile(template, self.path)
        url = f"sqlite:///{self.path}"
        self.living = Living(stack, folder, url, url, redis_url)

    def lock(self) -> None:
        """Begin to write as another process would, and do not end."""
        self._other = sqlite3.connect(self.path, timeout=60, isolation_level=None)
        self._other.execute("BEGIN IMMEDIATE")

    def unlock(self) -> None:
        self._other.execute("ROLLBACK")
        self._other.close()

    def limit_files(self, size: int) -> None:
        """Let no file of the set grow beyond that, as a full disk would."""
        for program in self.living.cluster.programs:
            own = psutil.Process(program.process.pid)
            for process in (own, *own.children(recursive=True)):
                process.rlimit(psutil.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


class OnPostgres:
    """The set on a PostgreSQL of its own, behind a proxy."""

    def __init__(self, stack: ExitStack, folder: Path, redis_url: str) -> None:
        self.server = OwnPostgres()
        stack.callback(self.server.remove)
        way = self.server.folder / "way"
        way.mkdir()
        self.proxy: FaultProxy = stack.enter_context(fault_proxy(way / ".s.PGSQL.5432", self.server.socket))
        self.living = Living(stack, folder, self.server.url(way), self.server.url(), redis_url)


@pytest.fixture(scope="module")
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture(scope="module")
def lite(
    stack: ExitStack, tmp_path_factory: pytest.TempPathFactory, _sqlite_template: Path, _redis_socket: Path
) -> OnSqlite:
    return OnSqlite(stack, tmp_path_factory.mktemp("lite"), _sqlite_template, f"unix://{_redis_socket}")


@pytest.fixture(scope="module")
def postgres(stack: ExitStack, tmp_path_factory: pytest.TempPathFactory, _redis_socket: Path) -> OnPostgres:
    return OnPostgres(stack, tmp_path_factory.mktemp("postgres"), f"unix://{_redis_socket}")


@pytest.mark.fault("F31")
def test_of_four_writers_at_once_none_begins_as_a_reader_and_none_is_refused(lite: OnSqlite) -> None:
    # Each of the programs would have ended itself (injecting.py); this process is the fourth.
    for _ in range(600 if is_deep() else 5):
        with write(lite.living.engine) as conn:
            conn.exec_driver_sql("UPDATE pods SET name = name WHERE id = 1")
        wait_out(1.0)
    said = [program.name for program in lite.living.cluster.programs if program.said("database is locked")]

    assert lite.living.cluster.ended() == []
    assert said == []


@pytest.mark.fault("F30")
@pytest.mark.parametrize("lasts_s", [1.0, BUSY_MS / 1000 + 5.0, *([60.0] if is_deep() else [])])
def test_a_write_lock_that_another_holds_is_waited_for(lite: OnSqlite, back_after: Back, lasts_s: float) -> None:
    back_after(back_s := lite.living.suffer(lite.lock, lite.unlock, lasts_s))

    assert back_s < BACK_WITHIN_S


@pytest.mark.fault("F32")
def test_when_the_disk_is_free_again_all_goes_on(lite: OnSqlite, back_after: Back) -> None:
    back_s = lite.living.suffer(
        lambda: lite.limit_files(_FULL_AT), lambda: lite.limit_files(resource.RLIM_INFINITY), 15.0
    )
    back_after(back_s)
    with sqlite3.connect(lite.path) as conn:
        assert conn.execute("PRAGMA integrity_check").fetchall() == [("ok",)]

    assert back_s < BACK_WITHIN_S


@pytest.mark.fault("F40")
def test_a_file_that_takes_no_writes_shows_pages_and_refuses_changes_for_as_long(
    lite: OnSqlite, back_after: Back
) -> None:
    began = clock.monotonic()
    back_after(back_s := lite.living.suffer(lite.living.read_only.touch, lite.living.read_only.unlink, 6.0))

    assert lite.living.visitors.codes_since(began) == {200, 204, 503}
    assert back_s < BACK_WITHIN_S


@pytest.mark.fault("F30", "F32", "F40")
def test_in_the_end_sqlite_has_each_result_once(lite: OnSqlite) -> None:
    lite.living.end()


@pytest.mark.fault("F35")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT, signal.SIGKILL], ids=["fast", "immediate", "killed"])
def test_a_postgresql_that_was_restarted_is_used_again(
    postgres: OnPostgres, back_after: Back, number: signal.Signals
) -> None:
    back_s = postgres.living.suffer(lambda: postgres.server.end(number), postgres.server.start, 3.0)
    back_after(back_s)

    assert back_s < BACK_WITHIN_S


@pytest.mark.fault("F35")
def test_a_postgresql_of_which_a_process_was_killed_is_used_again(postgres: OnPostgres, back_after: Back) -> None:
    def until_it_answers() -> None:
        wait_for(postgres.server.answers, 20, what="PostgreSQL is up again")

    back_after(back_s := postgres.living.suffer(postgres.server.kill_a_backend, until_it_answers, 0.5))

    assert back_s < BACK_WITHIN_S


@pytest.mark.fault("F36")
def test_cut_between_commit_and_its_answer_nothing_is_lost_or_doubled(postgres: OnPostgres, back_after: Back) -> None:
    def until_all_are_cut() -> None:
        wait_for(lambda: postgres.proxy.cuts >= CUTS, 250, what=f"{CUTS} cuts")

    back_after(
        postgres.living.suffer(lambda: postgres.proxy.lose_answers(b"COMMIT", CUTS, 0.3), until_all_are_cut, 0.0)
    )


_REFUSE = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF random() < 0.2 THEN RAISE EXCEPTION 'as in a deadlock' USING ERRCODE = '40P01'; END IF;
  IF random() < 0.2 THEN RAISE EXCEPTION 'as in a crowd' USING ERRCODE = '40001'; END IF;
  RETURN NEW; END $$;
CREATE TRIGGER refuse BEFORE UPDATE ON check_states FOR EACH STATEMENT EXECUTE FUNCTION refuse();
CREATE TRIGGER refuse BEFORE UPDATE ON workers FOR EACH STATEMENT EXECUTE FUNCTION refuse();
CREATE TRIGGER refuse BEFORE UPDATE ON heartbeats FOR EACH STATEMENT EXECUTE FUNCTION refuse();
"""


@pytest.mark.fault("F38")
def test_what_a_deadlock_or_a_crowd_ended_is_done_again(postgres: OnPostgres, back_after: Back) -> None:
    def refuse() -> None:
        postgres.server.say(_REFUSE)

    def refuse_no_more() -> None:
        postgres.server.say("DROP FUNCTION refuse CASCADE")

    back_after(back_s := postgres.living.suffer(refuse, refuse_no_more, 10.0))

    assert any(program.said("as in a ") for program in postgres.living.cluster.programs)
    assert back_s < BACK_WITHIN_S


@pytest.mark.fault("F38")
def test_of_two_that_wait_for_each_other_ours_is_ended_and_does_it_again(
    postgres: OnPostgres, back_after: Back
) -> None:
    def suffer() -> None:
        done = 0
        while done < DEADLOCKS:  # the test's own time limit ends it
            done += cross(postgres.living.engine)

    back_after(back_s := postgres.living.suffer(suffer, lambda: None, 0.0))

    assert any(program.said("deadlock detected") for program in postgres.living.cluster.programs)
    assert back_s < BACK_WITHIN_S


@pytest.mark.fault("F39")
def test_while_each_statement_takes_long_nothing_is_healed_out_of_old_evidence(
    postgres: OnPostgres, back_after: Back
) -> None:
    delay_s, lasts_s = (2.0, 60.0) if is_deep() else (0.7, 15.0)
    back_after(
        postgres.living.suffer(lambda: postgres.proxy.be("slow", delay_s), lambda: postgres.proxy.be("pass"), lasts_s)
    )


@pytest.mark.fault("F40")
def test_a_database_that_takes_no_writes_keeps_nobody_from_going_on_later(
    postgres: OnPostgres, back_after: Back
) -> None:
    back_s = postgres.living.suffer(
        lambda: postgres.server.allow_writes(False), lambda: postgres.server.allow_writes(True), 4.0
    )
    back_after(back_s)

    assert back_s < BACK_WITHIN_S


@pytest.mark.fault("F35")
def test_a_wire_that_is_pulled_is_noticed_in_seconds_and_the_pool_is_well_when_it_is_plugged(
    postgres: OnPostgres, back_after: Back
) -> None:
    command = own_network("tests.proofs.darkness", str(postgres.server.socket), "podhealth")
    found = json.loads(subprocess.check_output(command, timeout=120))
    back_after(found["back"])

    assert found["option"] == 3_000  # what the address says counts, in place of our quarter of a minute
    assert found["asks"] < 10
    assert found["waits"] < 10


@pytest.mark.fault("F35", "F36", "F39", "F40")
def test_in_the_end_postgresql_has_each_result_once(postgres: OnPostgres) -> None:
    wait_out(1.0)
    postgres.living.end()
