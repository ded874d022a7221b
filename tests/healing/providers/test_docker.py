"""The Docker provider against a real Podman, and against far ends that misbehave (hazards 2f)."""

import json
import time
from collections.abc import Callable
from datetime import timedelta

import pytest

from podhealth import clock, egress
from podhealth.core.errors import ActionRefused, ProviderError
from podhealth.core.words import Action, ActualState
from podhealth.healing.providers import docker as provider
from podhealth.healing.providers.base import Call, Options, PodRef, Task, TaskState
from podhealth.healing.providers.docker import DockerProvider
from tests.support.listeners import Behave, Listener, answer, closed_port, page, stay_silent
from tests.support.podman import LIVES_ON, Podman
from tests.support.wait import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("podman")]

DOCKER = DockerProvider()
IGNORES_TERM = f"trap '' TERM; {LIVES_ON}"


def pod_of(podman: Podman, ref: str = "web", **config: str) -> PodRef:
    return PodRef(7, 1, "web", ref, {"url": podman.url} | config)


def at(port: int, ref: str = "web") -> PodRef:
    return PodRef(7, 1, "web", ref, {"url": f"tcp://127.0.0.1:{port}"})


def call_of(before: dict, action: Action = Action.RESTART, ago_s: float = 0) -> Call:
    return Call("key", action, Options(timeout_s=10), clock.utcnow() - timedelta(seconds=ago_s), before)


def refused(doing: Callable[[], object]) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        doing()
    return caught.value


# ---------------------------------------------------------------- state


def test_a_container_that_runs_is_told_by_its_name_and_by_its_id(podman: Podman) -> None:
    container = podman.run("web")
    states = [DOCKER.state(pod_of(podman, ref)) for ref in ("web", container.id, container.id[:12])]

    assert {s.actual for s in states} == {ActualState.RUNNING}
    assert {s.detail["id"] for s in states} == {container.id[:12]}
    assert states[0].lock is None


def test_a_container_that_ended_is_stopped(podman: Podman) -> None:
    podman.run("web", "exit 3")
    wait_for(lambda: DOCKER.state(pod_of(podman)).actual == ActualState.STOPPED, 10, what="it ended")


def test_a_paused_container_is_left_to_who_paused_it(podman: Podman) -> None:
    podman.run("web").pause()
    state = DOCKER.state(pod_of(podman))

    assert state.lock == "paused"
    assert isinstance(refused(lambda: DOCKER.act(pod_of(podman), Action.RESTART, "k", Options())), ActionRefused)
    assert podman.done("web", "restart") == 0


def test_health_and_restart_policy_are_kept_as_evidence(podman: Podman) -> None:
    check = {"test": ["CMD", "/bin/sh", "-c", "exit 0"], "interval": 10**9, "retries": 1, "timeout": 10**9}
    podman.run("web", healthcheck=check, restart_policy={"Name": "always"})
    detail = DOCKER.state(pod_of(podman)).detail

    assert detail["restartPolicy"] == "always"
    assert detail["health"] in ("starting", "healthy", "unhealthy", None)
    assert json.dumps(detail)


@pytest.mark.parametrize("ref", [None, "", "nobody", "../../info", "a b", "web?x=1"])
def test_a_container_that_is_none_is_refused_for_good(podman: Podman, ref) -> None:
    podman.run("web")

    assert refused(lambda: DOCKER.state(PodRef(7, 1, "web", ref, {"url": podman.url}))).permanent


def test_the_beginning_of_strangers_id_is_no_name(podman: Podman) -> None:
    stranger = podman.run("web")
    error = refused(lambda: DOCKER.act(pod_of(podman, stranger.id[:4]), Action.RESTART, "k", Options()))

    assert error.permanent
    assert podman.done("web", "restart") == 0


# ---------------------------------------------------------------- restart, stop


def test_a_container_is_restarted_once_and_runs_again(podman: Podman) -> None:
    podman.run("gently")
    pod = pod_of(podman, "gently")
    before = DOCKER.state(pod).detail["startedAt"]
    task = DOCKER.act(pod, Action.RESTART, "k", Options())
    state = DOCKER.state(pod)

    assert DOCKER.look(pod, task) == TaskState(True, True)
    assert state.actual == ActualState.RUNNING
    assert state.detail["startedAt"] > before
    assert podman.done("gently", "restart") == 1


def test_one_that_ignores_the_request_is_killed_after_its_time_and_started(podman: Podman) -> None:
    podman.run("stub", IGNORES_TERM)
    pod = pod_of(podman, "stub")
    before = dict(DOCKER.state(pod).detail)
    DOCKER.act(pod, Action.RESTART, "k", Options(timeout_s=2))

    assert DOCKER.state(pod).detail["startedAt"] > before["startedAt"]


@pytest.mark.fault("F64")
def test_one_that_takes_longer_than_we_wait_is_looked_up_and_restarted_once(podman: Podman, monkeypatch) -> None:
    podman.run("slow", IGNORES_TERM)
    pod = pod_of(podman, "slow")
    monkeypatch.setattr(provider, "_TIMEOUT_S", 2.0)
    call = call_of(dict(DOCKER.state(pod).detail))
    begun = time.monotonic()
    error = refused(lambda: DOCKER.act(pod, Action.RESTART, "k", Options(timeout_s=10)))
    waited = time.monotonic() - begun
    meanwhile = refused(lambda: DOCKER.find_task(pod, call))
    wait_for(lambda: _is_found(pod, call), 20, what="the restart is found")

    assert waited < 4
    assert not error.permanent
    assert "may still be at it" in str(meanwhile)
    assert podman.done("slow", "restart") == 1
    assert DOCKER.state(pod).actual == ActualState.RUNNING


def _is_found(pod: PodRef, call: Call) -> bool:
    try:
        return DOCKER.find_task(pod, call) == Task("done:")
    except ProviderError:
        return False


def test_a_hard_restart_gives_no_time(podman: Podman) -> None:
    podman.run("hard", IGNORES_TERM)
    begun = time.monotonic()
    DOCKER.act(pod_of(podman, "hard"), Action.RESTART, "k", Options(graceful=False))

    assert time.monotonic() - begun < 8  # ten seconds are what it would get


def test_a_stopped_container_is_started_by_a_restart(podman: Podman) -> None:
    podman.run("web").stop(timeout=0)
    DOCKER.act(pod_of(podman), Action.RESTART, "k", Options())

    assert DOCKER.state(pod_of(podman)).actual == ActualState.RUNNING


def test_a_container_is_stopped_and_a_second_stop_is_none(podman: Podman) -> None:
    podman.run("ending")
    pod = pod_of(podman, "ending")
    tasks = [DOCKER.act(pod, Action.STOP, "k", Options()) for _ in range(2)]

    assert [DOCKER.look(pod, task) for task in tasks] == [TaskState(True, True)] * 2
    assert DOCKER.state(pod).actual == ActualState.STOPPED


def test_a_container_is_not_migrated(podman: Podman) -> None:
    assert not DOCKER.can(Action.MIGRATE)
    assert refused(lambda: DOCKER.act(pod_of(podman), Action.MIGRATE, "k", Options())).permanent


# ---------------------------------------------------------------- a call that got no answer


def test_a_restart_that_happened_is_found_and_one_that_did_not_is_not(podman: Podman) -> None:
    podman.run("web")
    before = dict(DOCKER.state(pod_of(podman)).detail)
    not_yet = refused(lambda: DOCKER.find_task(pod_of(podman), call_of(before)))
    never = DOCKER.find_task(pod_of(podman), call_of(before, ago_s=60))
    DOCKER.act(pod_of(podman), Action.RESTART, "k", Options())

    assert not not_yet.permanent
    assert never is None
    assert DOCKER.find_task(pod_of(podman), call_of(before)) == Task("done:")


def test_a_stop_that_happened_is_found(podman: Podman) -> None:
    podman.run("web").stop(timeout=0)

    assert DOCKER.find_task(pod_of(podman), call_of({}, Action.STOP)) == Task("done:")


def test_without_what_was_before_nothing_is_guessed(podman: Podman) -> None:
    podman.run("web")

    assert not refused(lambda: DOCKER.find_task(pod_of(podman), call_of({}))).permanent


# ---------------------------------------------------------------- the far end misbehaves


def test_a_daemon_that_is_not_there_is_asked_again(loopback: None) -> None:
    assert not refused(lambda: DOCKER.state(at(closed_port()))).permanent


@pytest.mark.parametrize(
    ("behave", "is_permanent"),
    [
        pytest.param(page(401), True, id="401"),
        pytest.param(page(403), True, id="403"),
        pytest.param(page(500, b'{"message": "oh"}'), False, id="500"),
        pytest.param(page(503), False, id="503"),
        pytest.param(page(200, b"<html>"), False, id="html"),
        pytest.param(page(200, b""), False, id="nothing"),
        pytest.param(page(200, b"[]"), False, id="a list"),
        pytest.param(page(200, b'{"ApiVersion": 7}'), False, id="a strange version"),
        pytest.param(page(200, b"[" * 100_000), False, id="deeply nested"),
        pytest.param(page(200, b'"' + b"x" * (2 << 20) + b'"'), False, id="2 MiB"),
        pytest.param(page(302, b"", "Location: http://127.0.0.1:1/"), False, id="a redirect"),
        pytest.param(answer(b"SSH-2.0-x\r\n"), False, id="not HTTP"),
        pytest.param(stay_silent, False, id="silence"),
    ],
)
@pytest.mark.fault("F66", "F67")
def test_whatever_it_answers_is_an_error_of_ours(loopback: None, monkeypatch, behave: Behave, is_permanent) -> None:
    monkeypatch.setattr(provider, "_VERSION_S", 0.5)
    with Listener(behave) as far:
        error = refused(lambda: DOCKER.act(at(far.port), Action.RESTART, "k", Options()))

    assert error.permanent is is_permanent


def test_what_the_daemon_failed_to_do_is_the_end_of_the_task(podman: Podman, monkeypatch) -> None:
    container = podman.run("web")
    container.stop(timeout=0)
    program = next((podman.folder / "graph").rglob("bin/busybox"))
    for path in (podman.folder / "graph").rglob("bin/busybox"):
        path.rename(path.with_name("gone"))
    task = DOCKER.act(pod_of(podman), Action.RESTART, "k", Options())
    for path in (podman.folder / "graph").rglob("bin/gone"):
        path.rename(path.with_name("busybox"))
    seen = DOCKER.look(pod_of(podman), task)

    assert program.exists()
    assert (seen.is_over, seen.is_ok) == (True, False)
    assert seen.message


# ---------------------------------------------------------------- where it may be reached


def test_a_socket_that_the_operator_did_not_open_is_never_opened(podman: Podman) -> None:
    egress.open_sockets([])
    error = refused(lambda: DOCKER.state(pod_of(podman)))

    assert error.permanent
    assert "PODHEALTH_DOCKER_SOCKETS" in str(error)


@pytest.mark.parametrize(
    "url", ["", "http://127.0.0.1:1", "unix://relative", "tcp://h", "tcp://a@h:1", "npipe:////./pipe/x", "ssh://h:22"]
)
def test_a_url_of_another_kind_is_refused(url) -> None:
    assert refused(lambda: DOCKER.state(PodRef(7, 1, "web", "web", {"url": url}))).permanent


def test_an_address_outside_the_allowed_networks_is_never_called() -> None:
    with Listener(page()) as far:
        error = refused(lambda: DOCKER.state(at(far.port)))

    assert error.permanent
    assert far.connections == 0
