"""What an operator mistypes is answered by one line that names the option or variable, and exit code 2.

The commands are run in this process, which spares a second each; test_up.py has some as processes.
"""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from podhealth.cli import main
from podhealth.cli.first_start import sign_in_path
from podhealth.jobs.parts import parts
from podhealth.store.db import make_engine
from podhealth.store.schema import migrate
from tests.support.ports import free_port

NOBODY_LISTENS = "postgresql://nobody@127.0.0.1:1/x"
PROGRAMS = [("web",), ("scheduler",), ("worker", "heal", "tick"), ("worker", "probe.local")]
_OURS = ("DATABASE_URL", "REDIS_URL", "SECRET_KEY")


@pytest.fixture(autouse=True)
def _own_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a command changes in its process is put back: environment, signals, the parts of jobs."""
    environment = os.environ.copy()
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for name in environment:
        if name in _OURS or name.startswith("PODHEALTH_"):
            monkeypatch.delenv(name)
    parts.cache_clear()
    yield
    os.environ.clear()
    os.environ.update(environment)
    for number, handler in handlers.items():
        signal.signal(number, handler)
    parts.cache_clear()


class Cli:
    """The command line, and what it says."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def refused(self, *words: str, **environment: str) -> str:
        """Run a command that must be refused and return the one line it says."""
        os.environ.update(environment)
        with pytest.raises(SystemExit) as ended:
            main(list(words))
        said = self._capsys.readouterr()
        lines = said.err.splitlines()

        assert (ended.value.code, said.out, len(lines)) == (2, "", 1), said
        assert lines[0].startswith("podhealth: ")
        return lines[0].removeprefix("podhealth: ")


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    return Cli(capsys)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An installation's folder with tenant main and its admin; nothing runs."""
    folder = tmp_path_factory.mktemp("data")
    url = f"sqlite:///{folder / 'podhealth.db'}"
    migrate(url)
    engine = make_engine(url)
    sign_in_path(engine, None)
    engine.dispose()
    return str(folder)


@pytest.fixture
def settings(data: str) -> dict[str, str]:
    """Good settings for the programs of the Procfile."""
    url = f"sqlite:///{data}/podhealth.db"
    return {"DATABASE_URL": url, "REDIS_URL": "unix:///nowhere/redis.sock", "SECRET_KEY": "s" * 40}


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--port", "0"], "'--port'"),
        (["--port", "http"], "'--port'"),
        (["--port", "70000"], "'--port'"),
        (["--host", "192.0.2.1"], "--host: cannot listen on 192.0.2.1"),
        (["--host", "no such host"], "--host: cannot listen on"),
        (["--data", "/proc/nowhere"], "--data: cannot make the folder /proc/nowhere"),
        (["--data", "/dev/null"], "--data: cannot make the folder /dev/null"),
        (["--colour"], "'--colour'"),
    ],
)
def test_up_names_the_option(cli: Cli, tmp_path: Path, words: list[str], named: str) -> None:
    where = [] if "--data" in words else ["--data", str(tmp_path / "d")]

    assert named in cli.refused("up", *where, *words)


def test_up_names_the_variable_that_named_the_folder(cli: Cli) -> None:
    assert cli.refused("up", PODHEALTH_DATA="/proc/x").startswith("PODHEALTH_DATA: cannot make the folder /proc/x")


def test_up_refuses_a_folder_on_a_file_system_it_cannot_write_to(cli: Cli) -> None:
    assert cli.refused("up", "--data", "/sys/kernel").startswith("--data: the folder /sys/kernel cannot be written to")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "nonsense"),
        ("DATABASE_URL", "mysql://x/y"),
        ("DATABASE_URL", NOBODY_LISTENS),
        ("REDIS_URL", "nonsense"),
        ("SECRET_KEY", "short-and-secret"),
        ("PODHEALTH_PUBLIC_URL", "podhealth.example"),
        ("PODHEALTH_PUBLIC_URL", "https://podhealth.example/below"),
        ("PODHEALTH_WEB_THREADS", "many"),
        ("PODHEALTH_VANTAGE", "Far Away"),
        ("PODHEALTH_ALLOWED_NETWORKS", "10.0.0.0/99"),
        ("PODHEALTH_LOG_LEVEL", "loud"),
        ("PODHEALTH_MAX_IN_FLIGHT", "0"),
    ],
)
@pytest.mark.attack("A20")
def test_a_bad_variable_is_named_before_anything_starts(cli: Cli, tmp_path: Path, name: str, value: str) -> None:
    words = ["--data", str(tmp_path / "d"), "--port", str(free_port())]
    said = cli.refused("up", *words, **{name: value})

    assert said.startswith(f"{name}: ")
    assert name != "SECRET_KEY" or value not in said


@pytest.mark.parametrize("words", PROGRAMS, ids=" ".join)
@pytest.mark.parametrize(
    ("name", "value"),
    [("PODHEALTH_WEB_PORT", "99999"), ("REDIS_URL", "http://x"), ("SECRET_KEY", "short"), ("DATABASE_URL", "x")],
)
@pytest.mark.attack("A20")
def test_each_program_names_a_bad_variable(cli: Cli, settings, words, name, value) -> None:
    assert cli.refused(*words, **settings | {name: value}).startswith(f"{name}: ")


@pytest.mark.parametrize("words", PROGRAMS, ids=" ".join)
def test_each_program_names_a_variable_that_is_missing(cli: Cli, settings, words) -> None:
    del settings["DATABASE_URL"]

    assert cli.refused(*words, **settings) == "DATABASE_URL: is not set"


@pytest.mark.parametrize("words", PROGRAMS, ids=" ".join)
def test_each_program_says_that_the_database_is_not_reached(cli: Cli, settings, words) -> None:
    said = cli.refused(*words, **settings | {"DATABASE_URL": NOBODY_LISTENS})

    assert said.startswith("DATABASE_URL: the database is not reached: ")


@pytest.mark.parametrize("words", PROGRAMS, ids=" ".join)
def test_each_program_asks_for_the_migration(cli: Cli, settings, tmp_path, words) -> None:
    said = cli.refused(*words, **settings | {"DATABASE_URL": f"sqlite:///{tmp_path / 'empty.db'}"})

    assert said.endswith("run 'podhealth migrate'")


def test_a_queue_that_is_none_of_ours_is_named(cli: Cli, settings) -> None:
    assert cli.refused("worker", "heal", "heel", **settings).startswith("QUEUES: there is no queue 'heel'")


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["token", "create", "--tenant", "nobody", "--role", "viewer"], "--tenant: there is no tenant called 'nobody'"),
        (["token", "create", "--tenant", "main", "--role", "root"], "'--role'"),
        (["token", "create", "--role", "viewer"], "'--tenant'"),
        (["token", "create", "--tenant", "main", "--role", "viewer", "--days", "0"], "'--days'"),
        (["token", "create", "--tenant", "main", "--role", "viewer", "--name", ""], "--name: "),
        (["user", "create", "--tenant", "main", "--email", "bad", "--name", "X", "--role", "viewer"], "--email: "),
        (["user", "create", "--tenant", "main", "--email", "a@b.c", "--name", "", "--role", "viewer"], "--name: "),
        (["user", "create", "--tenant", "x", "--email", "a@b.c", "--name", "X", "--role", "viewer"], "--tenant: "),
        (["user", "create", "--tenant", "main", "--email", "a@b.c", "--name", "X", "--role", "boss"], "'--role'"),
        (
            ["user", "create", "--tenant", "main", "--email", "admin@main.example", "--name", "X", "--role", "viewer"],
            "--email: there is an account for admin@main.example already",
        ),
        (["sign-in-link", "--email", "nobody@main.example"], "--email: there is no active user"),
        (["demo", "crash", "shop-web"], "the demo does not run in "),
    ],
    ids=lambda value: " ".join(value[:2]) if isinstance(value, list) else "",
)
def test_each_command_names_what_it_cannot_take(cli: Cli, data: str, words: list[str], named: str) -> None:
    assert named in cli.refused(*words, "--data", data)


@pytest.mark.parametrize(
    "words",
    [
        ["token", "create", "--tenant", "main", "--role", "viewer"],
        ["user", "create", "--tenant", "main", "--email", "a@b.c", "--name", "X", "--role", "viewer"],
        ["sign-in-link", "--email", "a@b.c"],
        ["migrate"],
        ["migrate", "--check"],
        ["demo", "hang", "shop-web"],
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_a_folder_that_is_none_of_ours_stays_as_it_is(cli: Cli, tmp_path: Path, words: list[str]) -> None:
    said = cli.refused(*words, "--data", str(tmp_path / "missing"))

    assert said.startswith("--data: there is no PodHealth in ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", [["token", "create", "--tenant", "main", "--role", "viewer"], ["migrate", "--check"]])
@pytest.mark.parametrize("url", [NOBODY_LISTENS, "nonsense", "mysql://x/y"])
def test_commands_name_the_variable_of_a_database_that_is_not_there(cli: Cli, words: list[str], url: str) -> None:
    assert cli.refused(*words, DATABASE_URL=url).startswith("DATABASE_URL: ")


def test_a_link_needs_no_more_settings_than_the_database(settings, monkeypatch, capsys) -> None:
    monkeypatch.setenv("DATABASE_URL", settings["DATABASE_URL"])
    main(["sign-in-link", "--email", "admin@main.example"])

    assert capsys.readouterr().out.startswith("http://127.0.0.1:8700/sign-in/link/")
