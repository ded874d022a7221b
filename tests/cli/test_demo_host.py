"""The process host: real processes, each action once, none left behind (far end of the provider ``process``)."""

import json
import os
import signal
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from podhealth import clock
from podhealth.cli.demo_host import write_spec
from podhealth.core.errors import ProviderError
from podhealth.core.words import Action, ActualState
from podhealth.healing.providers.base import Call, Options, PodRef, Task, TaskState
from podhealth.healing.providers.process import ProcessProvider, ask_host
from tests.healing.world import SLEEPER, ProcessHost
from tests.support.wait import wait_for

DEAF = [
    sys.executable,
    "-I",
    "-S",
    "-c",
    "import signal; signal.signal(15, signal.SIG_IGN); signal.pause(); signal.pause()",
]
OPTIONS = Options()


def call_of(key: str) -> Call:
    return Call(key, Action.RESTART, OPTIONS, clock.utcnow())


@pytest.fixture
def host() -> Iterator[ProcessHost]:
    host = ProcessHost(web=SLEEPER, deaf=DEAF)
    yield host
    host.remove()


def a_pod(host: ProcessHost, name: str = "web") -> PodRef:
    return PodRef(1, 1, name, name, {"run_dir": str(host.folder / "pods" / name)})


def pid_of(host: ProcessHost, name: str = "web") -> int:
    return int(ask_host(host.folder, {"do": "state", "pod": name})["pid"])


def do(host: ProcessHost, what: str, name: str = "web", **more: str) -> dict:
    return ask_host(host.folder, {"do": what, "pod": name, **more})


def is_over(host: ProcessHost, key: str) -> bool:
    return ProcessProvider().look(a_pod(host), Task(key)).is_over


def test_it_starts_every_pod(host: ProcessHost) -> None:
    provider = ProcessProvider()

    assert provider.state(a_pod(host)).actual == ActualState.RUNNING
    assert provider.state(a_pod(host, "deaf")).actual == ActualState.RUNNING


def test_a_crashed_pod_stays_down_until_somebody_says_restart(host: ProcessHost) -> None:
    do(host, "crash")
    wait_for(lambda: not do(host, "state")["running"])
    ProcessProvider().act(a_pod(host), Action.RESTART, "k1", OPTIONS)
    wait_for(lambda: is_over(host, "k1"))

    state = do(host, "state")
    assert (state["running"], state["starts"]) == (True, 2)


def test_a_restart_replaces_the_process(host: ProcessHost) -> None:
    before = pid_of(host)
    ProcessProvider().act(a_pod(host), Action.RESTART, "k1", OPTIONS)
    wait_for(lambda: is_over(host, "k1"))

    assert ProcessProvider().look(a_pod(host), Task("k1")) == TaskState(True, True, "")
    assert pid_of(host) != before
    assert not psutil.pid_exists(before)


def test_one_key_is_done_once_however_often_it_is_asked(host: ProcessHost) -> None:
    for _ in range(3):
        ProcessProvider().act(a_pod(host), Action.RESTART, "k1", OPTIONS)
    wait_for(lambda: is_over(host, "k1"))
    ProcessProvider().act(a_pod(host), Action.RESTART, "k1", OPTIONS)

    assert do(host, "state")["starts"] == 2
    assert len(host.ledger()) == 1


def test_a_key_is_remembered_after_a_kill_and_the_pods_do_not_outlive_their_host(host: ProcessHost) -> None:
    ProcessProvider().act(a_pod(host), Action.RESTART, "k1", OPTIONS)
    wait_for(lambda: is_over(host, "k1"))
    pids = [pid_of(host), pid_of(host, "deaf")]
    host.kill()
    wait_for(lambda: not any(psutil.pid_exists(pid) for pid in pids), what="no orphan")
    host.start()
    ProcessProvider().act(a_pod(host), Action.RESTART, "k1", OPTIONS)

    assert ProcessProvider().find_task(a_pod(host), call_of("k1")) == Task("k1")
    assert do(host, "state")["starts"] == 1
    assert len(host.ledger()) == 1


def test_a_ledger_line_cut_short_was_never_done(host: ProcessHost) -> None:
    host.end()
    with (host.folder / "actions.log").open("a") as ledger:
        ledger.write('{"key": "k9", "do": "rest')
    host.start()

    assert ProcessProvider().find_task(a_pod(host), call_of("k9")) is None


def test_a_key_nobody_used_is_known_not_to_have_run(host: ProcessHost) -> None:
    assert ProcessProvider().find_task(a_pod(host), call_of("never")) is None
    assert ProcessProvider().look(a_pod(host), Task("never")).is_ok is False


def test_a_process_that_does_not_hear_is_killed_after_its_grace(host: ProcessHost) -> None:
    before = pid_of(host, "deaf")
    ProcessProvider().act(a_pod(host, "deaf"), Action.RESTART, "k1", OPTIONS)
    wait_for(lambda: is_over(host, "k1"), 10)

    assert pid_of(host, "deaf") != before


def test_a_hanging_process_is_ended_all_the_same(host: ProcessHost) -> None:
    do(host, "hang")
    wait_for(lambda: psutil.Process(pid_of(host)).status() == psutil.STATUS_STOPPED)
    ProcessProvider().act(a_pod(host), Action.RESTART, "k1", OPTIONS)
    wait_for(lambda: is_over(host, "k1"), 10)

    assert psutil.Process(pid_of(host)).status() != psutil.STATUS_STOPPED


def test_a_stopped_pod_stays_stopped_over_a_restart_of_the_host(host: ProcessHost) -> None:
    ProcessProvider().act(a_pod(host), Action.STOP, "k1", OPTIONS)
    wait_for(lambda: is_over(host, "k1"))
    host.end()
    host.start()

    assert do(host, "state")["running"] is False
    assert do(host, "state", "deaf")["running"] is True


@pytest.mark.parametrize(
    "question",
    [
        {"do": "state", "pod": "nobody"},
        {"do": "fly", "pod": "web"},
        {"do": "restart", "pod": "web"},
        {"do": "restart", "pod": "web", "key": ""},
        {"do": "restart", "pod": "web", "key": 7},
        {},
    ],
)
def test_what_it_cannot_do_is_refused_for_good(host: ProcessHost, question) -> None:
    with pytest.raises(ProviderError) as refused:
        ask_host(host.folder, question)
    assert refused.value.permanent
    assert host.ledger() == []


def test_a_host_that_is_not_there_may_come_back(tmp_path: Path) -> None:
    with pytest.raises(ProviderError) as failed:
        ask_host(tmp_path, {"do": "state", "pod": "web"})
    assert failed.value.permanent is False


def test_a_process_can_be_restarted_and_stopped_and_nothing_else(host: ProcessHost) -> None:
    with pytest.raises(ProviderError) as refused:
        ProcessProvider().act(a_pod(host), Action.MIGRATE, "k1", OPTIONS)
    assert refused.value.permanent


def test_a_pod_whose_settings_name_no_folder_is_refused(host: ProcessHost) -> None:
    with pytest.raises(ProviderError, match="run_dir") as refused:
        ProcessProvider().state(PodRef(1, 1, "web"))
    assert refused.value.permanent


def test_a_deep_folder_is_no_trouble(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = tmp_path / ("x" * 90) / ("y" * 90)
    deep.mkdir(parents=True)
    monkeypatch.setattr("tempfile.mkdtemp", lambda **_: str(deep))
    host = ProcessHost(web=SLEEPER)
    state = ProcessProvider().state(a_pod(host))
    host.end()

    assert state.actual == ActualState.RUNNING


def test_a_clean_end_leaves_neither_process_nor_socket(host: ProcessHost) -> None:
    pids = [pid_of(host), pid_of(host, "deaf")]
    os.kill(host.process.pid, signal.SIGTERM)

    assert host.process.wait(10) == 0
    assert not any(psutil.pid_exists(pid) for pid in pids)
    assert not (host.folder / "host.sock").exists()


def test_garbage_on_the_socket_harms_nobody(host: ProcessHost) -> None:
    with pytest.raises(ProviderError):
        ask_host(host.folder, {"do": "x" * 100_000})

    assert do(host, "state")["running"] is True


def test_the_spec_is_for_this_user_alone(tmp_path: Path) -> None:
    write_spec(tmp_path, [{"name": "web", "command": SLEEPER, "env": {"TOKEN": "t"}, "checks": []}])

    path = tmp_path / "spec.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert json.loads(path.read_text())["pods"][0] == {"name": "web", "command": SLEEPER, "env": {"TOKEN": "t"}}
