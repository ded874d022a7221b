"""`podhealth up` as a person runs it: real processes, a data folder of its own, a free port."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.support.ports import free_port
from tests.support.wait import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


@contextmanager
def running_up(folder: Path, *args: str, port: int | None = None) -> Iterator["Up"]:
    up = Up(folder, port or free_port(), args)
    try:
        yield up
    finally:
        up.stop()


class Up:
    def __init__(self, folder: Path, port: int, args: tuple[str, ...]) -> None:
        self.port, self.folder, self.link = port, folder, ""
        environment = {k: v for k, v in os.environ.items() if k not in ("DATABASE_URL", "REDIS_URL", "SECRET_KEY")}
        self.errors = (folder.parent / f"{folder.name}.stderr").open("w+")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "podhealth", "up", "--data", str(folder), "--port", str(port), *args],
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            env=environment,
        )

    def ready_line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def said(self) -> str:
        return Path(self.errors.name).read_text()

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        code = self.process.wait(timeout=60)
        if self.process.stdout and not self.process.stdout.closed:
            self.process.stdout.close()
        self.errors.close()
        return code


def named(children: list[psutil.Process], word: str) -> psutil.Process | None:
    for child in children:
        try:
            if word in " ".join(child.cmdline()):
                return child
        except psutil.NoSuchProcess:
            continue
    return None


def test_it_says_one_line_restarts_what_dies_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with running_up(tmp_path / "data") as up:
        line = up.ready_line()
        assert line.startswith(f"PodHealth is ready: http://127.0.0.1:{up.port}/sign-in/link/"), up.said()

        worker = wait_for(lambda: named(up.children(), "podhealth worker probe.local"))
        worker.kill()
        wait_for(lambda: "probe ended (terminated by SIGKILL); starting it again" in up.said(), within_s=15)
        again = wait_for(lambda: named(up.children(), "podhealth worker probe.local"), within_s=15)
        assert again.pid != worker.pid

        everybody = up.children()
        assert up.stop() == 0
        gone, alive = psutil.wait_procs(everybody, timeout=5)
        assert alive == []


def test_a_folder_in_use_is_one_clear_line_and_a_restart_goes_on_with_the_data(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with running_up(folder) as first:
        assert first.ready_line().startswith("PodHealth is ready"), first.said()
        second = subprocess.run(
            [sys.executable, "-m", "podhealth", "up", "--data", str(folder), "--port", str(free_port())],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (second.returncode, second.stdout) == (2, "")
        assert second.stderr.count("\n") == 1
        assert "is in use by another" in second.stderr
        token = create_token(folder)
    with running_up(folder) as again:
        assert again.ready_line().startswith("PodHealth is ready"), again.said()
        answer = overview(again.port, token)
        assert answer == 200


def create_token(folder: Path) -> str:
    made = subprocess.run(
        [sys.executable, "-m", "podhealth", "token", "create", "--data", str(folder), "--tenant", "main"]
        + ["--role", "viewer"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert made.stdout.count("\n") == 1
    return made.stdout.strip()


def overview(port: int, token: str) -> int:
    import requests

    url = f"http://127.0.0.1:{port}/api/cloud-pods/health/overview"
    return requests.get(url, headers={"Authorization": f"Bearer {token}"}, timeout=10).status_code


def test_a_taken_port_is_one_clear_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused = subprocess.run(
            [sys.executable, "-m", "podhealth", "up", "--data", str(tmp_path / "d"), "--port", str(port)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.count("\n") == 1
    assert f"--port: cannot listen on 127.0.0.1:{port}" in refused.stderr


@pytest.mark.parametrize(
    ("args", "named_field"),
    [
        (["--port", "0"], "--port"),
        (["--port", "http"], "--port"),
        (["--port", "70000"], "--port"),
        (["--data", "/proc/nowhere"], "--data"),
        (["--colour"], "--colour"),
    ],
)
def test_bad_words_on_the_command_line_are_named(args: list[str], named_field: str) -> None:
    refused = subprocess.run(
        [sys.executable, "-m", "podhealth", "up", *args], capture_output=True, text=True, timeout=60, check=False
    )
    assert refused.returncode == 2
    assert named_field in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize(
    ("variable", "value"),
    [("PODHEALTH_WEB_THREADS", "many"), ("PODHEALTH_ALLOWED_NETWORKS", "10.0.0.0/99"), ("SECRET_KEY", "short")],
)
def test_a_bad_variable_is_named(tmp_path: Path, variable: str, value: str) -> None:
    refused = subprocess.run(
        [sys.executable, "-m", "podhealth", "up", "--data", str(tmp_path / "d"), "--port", str(free_port())],
        env=os.environ | {variable: value},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert refused.returncode == 2
    assert variable in refused.stderr
    assert value not in refused.stderr or variable != "SECRET_KEY"


def test_without_a_redis_server_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    from podhealth.cli import redis_program
    from podhealth.core.errors import SetupError

    monkeypatch.setattr(redis_program, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SetupError, match="apt install redis-server"):
        redis_program.find_redis_server()
