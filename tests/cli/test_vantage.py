"""How an operator chooses a vantage's reference targets, and sees how they answer."""

import pytest
import sqlalchemy as sa

from podhealth.models import AuditEntry, Vantage
from podhealth.store import vantages
from podhealth.store.db import db_now_us, read, write
from podhealth.store.vantages import Asked
from tests.cli.conftest import Run, refused
from tests.support import build

COMMAND = "vantage"


def chosen(engine: sa.Engine) -> list[str]:
    with read(engine) as conn:
        return list(conn.execute(sa.select(Vantage.references).where(Vantage.name == "local")).scalar_one())


def test_the_targets_are_stored_in_their_plain_spelling_and_audited(run: Run, sqlite_engine: sa.Engine) -> None:
    said = run("set", "local", "--reference", "10.0.0.1", "--reference", "Gate.Example:22")

    assert said == ["local: asked are 10.0.0.1, Gate.Example:22"]
    assert chosen(sqlite_engine) == ["10.0.0.1", "gate.example:22"]
    with read(sqlite_engine) as conn:
        entry = conn.execute(sa.select(AuditEntry.__table__)).one()
    assert (entry.what, entry.object_id, entry.actor_name) == ("references chosen", "local", "command line")


def test_the_defaults_are_asked_again(run: Run, sqlite_engine: sa.Engine) -> None:
    run("set", "local", "--reference", "10.0.0.1", "--reference", "10.0.0.2")
    run("set", "local", "--default")

    assert chosen(sqlite_engine) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["local", "--reference", "10.0.0.1"], "--reference: must be given 2 to 10 times"),
        (["local"], "--reference: name two to ten, or say --default"),
        (["local", "--default", "--reference", "10.0.0.1"], "--reference: name two to ten, or say --default"),
        (["Far Away", "--default"], "NAME: must be small letters, digits, - and _, at most 40, such as local"),
        (
            ["local", "--reference", "10.0.0.1", "--reference", "127.0.0.1:22"],
            "--reference: 127.0.0.1:22 is loopback",
        ),
    ],
)
def test_bad_input_names_the_option_and_stores_nothing(
    run: Run, capsys: pytest.CaptureFixture[str], sqlite_engine: sa.Engine, words: list[str], said: str
) -> None:
    assert refused(run, capsys, "set", *words) == said
    with read(sqlite_engine) as conn:
        assert conn.execute(sa.select(Vantage.__table__)).all() == []


def test_the_list_says_how_they_answer(run: Run, sqlite_engine: sa.Engine) -> None:
    with write(sqlite_engine) as conn:
        build.a_check(conn, build.a_pod(conn, build.a_tenant(conn)), vantage="far")
        begun = vantages.take_turn(conn, "local", ["10.0.0.1", "10.0.0.2", "10.0.0.3"])
        answers = [Asked("10.0.0.1", begun, None), Asked("10.0.0.2", begun, "no answer within 2 s")]
        vantages.keep_answers(conn, "local", answers)
        assert begun <= db_now_us(conn)

    said = run("list")

    assert said[:2] == ["far: no reference targets; judged by its pods alone", "local: sees"]
    assert said[2].startswith("  10.0.0.1: answered at ")
    assert said[3].endswith(" UTC, 1 in a row: no answer within 2 s")
    assert said[4] == "  10.0.0.3: not asked yet"


def test_the_list_says_that_a_vantage_is_blind(run: Run, sqlite_engine: sa.Engine) -> None:
    run("set", "local", "--reference", "10.0.0.1", "--reference", "10.0.0.2")
    assert run("list") == ["local: no worker has asked its reference targets yet"]
    with write(sqlite_engine) as conn:
        conn.execute(sa.update(Vantage).values(blind_since=Vantage.updated_at, blind_reason="no answers"))

    (line,) = run("list")

    assert line.startswith("local: blind since ")
    assert line.endswith(" UTC: no answers")
