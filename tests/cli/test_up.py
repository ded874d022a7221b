"""`podhealth up` as a person runs it: what dies comes back, and whatever ends it leaves nothing behind."""

import re
import signal
import socket
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
import requests

from tests.support.ports import free_port
from tests.support.up import Up, none_left, run, running_up
from tests.support.wait import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

PROGRAMS = {
    "redis": "redis-server",
    "web": "podhealth web",
    "scheduler": "podhealth scheduler",
    "probe": "podhealth worker probe.local",
    "worker": "podhealth worker heal alert tick",
    "demo": "podhealth demo-host",
}


def answers(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/healthz", timeout=5).ok
    except requests.RequestException:
        return False


def overview(port: int, token: str) -> int:
    url = f"http://127.0.0.1:{port}/api/cloud-pods/health/overview"
    return requests.get(url, headers={"Authorization": f"Bearer {token}"}, timeout=10).status_code


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """One that runs with the demo, for the tests that kill parts of it; 5 s."""
    with running_up(tmp_path_factory.mktemp("up") / "data", "--demo") as up:
        up.link()
        yield up


@pytest.mark.fault("F15")
def test_what_dies_is_started_again_and_said_so(up: Up) -> None:
    killed = {}
    for name, words in PROGRAMS.items():
        killed[name] = wait_for(lambda words=words: up.child(words))
        killed[name].kill()
    for name, words in PROGRAMS.items():
        wait_for(lambda name=name: re.search(rf"{name} runs again, pid \d+", up.said()), 30, what=name)
        again = wait_for(lambda words=words: up.child(words), 15)

        assert again.pid != killed[name].pid
        assert f"{name} ended (terminated by SIGKILL); starting it again" in up.said()
    wait_for(lambda: answers(up.port), 30, what="the dashboard answers again")


@pytest.mark.fault("F15")
def test_a_supervisor_that_dies_is_started_again_with_all_programs(up: Up) -> None:
    before = wait_for(lambda: up.child("podhealth web"))
    supervisor = up.child("supervisor.supervisord")
    assert supervisor is not None
    supervisor.kill()
    wait_for(lambda: not before.is_running() and up.child("podhealth web"), 60, what="another web process")
    wait_for(lambda: answers(up.port), 30, what="the dashboard answers again")

    assert "the supervisor ended" in up.said()
    assert "killing what does not end" not in up.said()


def ends_by(up: Up, number: signal.Signals, programs: Iterable[str] = PROGRAMS) -> None:
    processes = wait_for(lambda: all(up.child(PROGRAMS[name]) for name in programs) and up.children())
    code = up.end(number)

    none_left(processes)
    assert code == (0 if number in (signal.SIGINT, signal.SIGTERM) else -number)


# The last of those that share it. The other signals end those of the test below.
def test_killed_after_all_that_it_leaves_no_process_behind(up: Up) -> None:
    ends_by(up, signal.SIGKILL)


def test_a_folder_in_use_is_one_clear_line_and_a_restart_goes_on_with_the_data_whatever_ended_it(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "data"
    with running_up(folder) as first:
        first.link()
        second = run("up", "--data", str(folder), "--port", str(free_port()))
        token = first.command("token", "create", "--tenant", "main", "--role", "viewer")
        ends_by(first, signal.SIGHUP, PROGRAMS.keys() - {"demo"})

    assert (second.returncode, second.stdout) == (2, "")
    assert second.stderr.count("\n") == 1
    assert "--data" in second.stderr
    assert "is in use by another" in second.stderr
    assert token.count("\n") == 0
    for number in (signal.SIGTERM, signal.SIGINT):
        with running_up(folder, "--demo") as again:
            again.link()
            assert overview(again.port, token) == 200
            ends_by(again, number)


def test_a_taken_port_is_one_clear_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = run("up", "--data", str(tmp_path / "d"), "--port", str(port))

    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.count("\n") == 1
    assert f"--port: cannot listen on 127.0.0.1:{port}" in refused.stderr


def test_without_a_redis_server_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    from podhealth.cli import redis_program
    from podhealth.core.errors import SetupError

    monkeypatch.setattr(redis_program, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SetupError, match="apt install redis-server"):
        redis_program.find_redis_server()
