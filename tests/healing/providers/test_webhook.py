"""The web hook provider against a real receiver: signed, asked again only when that is safe (hazards F64–F67, F73)."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from podhealth import clock, egress
from podhealth.core.errors import ProviderError
from podhealth.core.words import Action, ActualState, HealState, ProviderKind
from podhealth.healing import steps
from podhealth.healing.providers import webhook
from podhealth.healing.providers.base import Call, Options, PodRef, Task, TaskState
from podhealth.healing.providers.webhook import WebhookProvider, signature
from podhealth.models import Pod
from podhealth.store.db import write
from tests.healing.world import World
from tests.support.wait import wait_for

SECRET = "a secret of the hook"


class Hook:
    """The far end: a receiver process, its mode, and its ledgers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.mode("ok")
        command = [sys.executable, "-m", "tests.healing.receiver", str(folder), SECRET]
        self.process = subprocess.Popen(command)
        wait_for((folder / "port").exists, 10, what="the receiver listens")
        self.base = f"http://127.0.0.1:{(folder / 'port').read_text()}"

    def mode(self, mode: str) -> None:
        (self.folder / "mode").write_text(mode)

    def lines(self, name: str) -> list[dict[str, Any]]:
        path = self.folder / name
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def config(self, **more: str) -> dict[str, str]:
        return {"url": f"{self.base}/hook", "secret": SECRET} | more

    def pod(self, **more: str) -> PodRef:
        return PodRef(7, 1, "web", "vm-7", self.config(**more))


@pytest.fixture
def hook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hook]:
    """A receiver on loopback, which this test's egress may reach; calls give up after half a second."""
    egress.open_networks(["127.0.0.1/32"])
    monkeypatch.setattr(webhook, "_TIMEOUT_S", 0.5)
    hook = Hook(tmp_path)
    yield hook
    hook.process.kill()
    hook.process.wait()
    egress.open_networks([])


def call_of(key: str) -> Call:
    return Call(key, Action.RESTART, Options(), clock.utcnow())


def act(hook: Hook, key: str = "k1", action: Action = Action.RESTART, **config: str) -> Task:
    return WebhookProvider().act(hook.pod(**config), action, key, Options(graceful=True, timeout_s=30))


@pytest.mark.fault("F73")
def test_a_call_is_signed_and_says_all_that_is_asked(hook: Hook) -> None:
    act(hook)

    (call,) = hook.lines("calls")
    assert call["signed"] is True
    assert call["question"] == {
        "id": "k1",
        "action": "restart",
        "pod": {"id": 7, "name": "web", "ref": "vm-7"},
        "graceful": True,
        "timeoutSeconds": 30,
    }


@pytest.mark.attack("A79")
@pytest.mark.fault("F73")
def test_the_signature_covers_id_time_and_body() -> None:
    made = [signature(*parts) for parts in (("s", "k", "1", b"b"), ("s", "j", "1", b"b"), ("s", "k", "2", b"b"))]
    made += [signature("s", "k", "1", b"c"), signature("t", "k", "1", b"b")]

    assert len(set(made)) == 5
    assert all(len(one) == len("sha256=") + 64 for one in made)


def test_an_answer_that_it_is_done_is_the_end(hook: Hook) -> None:
    task = act(hook)

    assert WebhookProvider().look(hook.pod(), task) == TaskState(True, True, "")


@pytest.mark.parametrize(
    ("mode", "wanted"),
    [("accepted", TaskState(False, False, "")), ("fails", TaskState(True, False, "quota"))],
)
def test_an_accepted_task_is_followed_by_its_status_url(hook: Hook, mode, wanted) -> None:
    hook.mode("accepted")
    task = act(hook)
    hook.mode(mode)

    assert task.ref == f"{hook.base}/status/k1"
    assert WebhookProvider().look(hook.pod(), task) == wanted


@pytest.mark.parametrize(
    ("mode", "is_permanent"),
    [
        pytest.param("500", False, id="500: perhaps done"),
        pytest.param("401", True, id="401: refused"),
        pytest.param("redirect", True, id="redirects are not followed"),
        pytest.param("garbage", False, id="not JSON: perhaps done"),
        pytest.param("huge", False, id="300 kB of x"),
        pytest.param("dark_before", False, id="silence"),
        pytest.param("slow", False, id="too slow"),
    ],
)
@pytest.mark.fault("F66", "F67", "F73")
def test_a_bad_answer_says_whether_asking_again_can_help(hook: Hook, mode, is_permanent) -> None:
    hook.mode(mode)

    with pytest.raises(ProviderError) as failed:
        act(hook)
    assert failed.value.permanent is is_permanent


def test_a_receiver_that_is_gone_is_not_a_refusal(hook: Hook) -> None:
    hook.process.kill()
    hook.process.wait()

    with pytest.raises(ProviderError) as failed:
        act(hook)
    assert failed.value.permanent is False


def test_a_key_that_the_receiver_never_saw_is_known_not_to_have_run(hook: Hook) -> None:
    assert WebhookProvider().find_task(hook.pod(), call_of("never")) is None


def test_a_key_that_it_saw_is_found_again(hook: Hook) -> None:
    act(hook)

    assert WebhookProvider().find_task(hook.pod(), call_of("k1")) == Task(f"{hook.base}/status/k1")


def test_a_receiver_that_cannot_say_is_never_taken_for_a_no(hook: Hook) -> None:
    hook.mode("forgetful")

    with pytest.raises(ProviderError) as failed:
        WebhookProvider().find_task(hook.pod(), call_of("k1"))
    assert failed.value.permanent is False


@pytest.mark.parametrize("status", ["/status/1", "http://127.0.0.1:8080/status/1", "status/1?x=1"])
def test_a_status_url_of_the_same_place_is_taken(status) -> None:
    task = webhook._task_of("http://127.0.0.1:8080/hook", 202, {"status": status})

    assert task.ref.startswith("http://127.0.0.1:8080/status/1")


@pytest.mark.parametrize(
    "status", ["http://127.0.0.1:1/status/1", "//evil.example/1", "https://127.0.0.1:8080/", "x" * 300]
)
def test_a_status_url_of_another_place_is_refused(status) -> None:
    with pytest.raises(ProviderError) as refused:
        webhook._task_of("http://127.0.0.1:8080/hook", 202, {"status": status})
    assert refused.value.permanent


@pytest.mark.parametrize(("missing", "named"), [("url", "url"), ("secret", "secret")])
def test_missing_settings_are_named(hook: Hook, missing, named) -> None:
    with pytest.raises(ProviderError, match=named) as failed:
        act(hook, **{missing: ""})
    assert failed.value.permanent


def test_an_address_that_may_not_be_called_is_not_called(hook: Hook) -> None:
    egress.open_networks([])

    with pytest.raises(ProviderError):
        act(hook)
    assert hook.lines("calls") == []


@pytest.mark.parametrize(
    ("mode", "actual", "lock"),
    [
        ("ok", ActualState.RUNNING, None),
        ("stopped", ActualState.STOPPED, None),
        ("locked", ActualState.RUNNING, "backup"),
    ],
)
def test_the_state_is_asked_where_there_is_a_url_for_it(hook: Hook, mode, actual, lock) -> None:
    hook.mode(mode)
    state = WebhookProvider().state(hook.pod(stateUrl=f"{hook.base}/state"))

    assert (state.actual, state.lock) == (actual, lock)


def test_without_a_state_url_the_state_is_unknown_and_holds_nothing(hook: Hook) -> None:
    state = WebhookProvider().state(hook.pod())

    assert (state.actual, state.node_is_up, state.lock) == (ActualState.UNKNOWN, True, None)
    assert hook.lines("asked") == []


def test_a_stop_that_could_not_be_proven_is_refused(hook: Hook) -> None:
    with pytest.raises(ProviderError, match="stateUrl"):
        act(hook, action=Action.STOP)
    assert hook.lines("calls") == []


@pytest.fixture
def hooked(engine: sa.Engine, hook: Hook) -> World:
    """A pod behind the web hook, ill enough to be healed."""
    world = World(engine, None)
    with write(engine) as conn:
        conn.execute(sa.update(Pod).values(provider=ProviderKind.WEBHOOK, provider_config=hook.config()))
    world.fall_ill()
    return world


def keep_failing_until(world: World, done: Any, within_s: float = 20) -> None:
    """Let the pod go on failing and the healer go on, until ``done`` says so."""

    def turn() -> bool:
        world.probe("fail", times=1)
        world.settle()
        return bool(done())

    wait_for(turn, within_s)


@pytest.mark.fault("F64")
def test_a_hook_that_acts_and_falls_silent_is_looked_up_and_never_called_twice(hooked: World, hook: Hook) -> None:
    hook.mode("dark_after")
    heal_id = hooked.judge().heal_id
    assert heal_id is not None
    steps.step(hooked.engine, heal_id)
    hook.mode("ok")
    keep_failing_until(hooked, lambda: hooked.heals()[0].state == HealState.VERIFYING)

    assert len(hook.lines("calls")) == len(hook.lines("done")) == 1
    assert hooked.heals()[0].provider_task == f"{hook.base}/status/{hooked.heals()[0].idempotency_key}"


@pytest.mark.fault("F65")
def test_a_hook_that_never_heard_the_call_is_called_once_more_under_the_same_key(hooked: World, hook: Hook) -> None:
    hook.mode("dark_before")
    heal_id = hooked.judge().heal_id
    assert heal_id is not None
    steps.step(hooked.engine, heal_id)
    hook.mode("ok")
    keep_failing_until(hooked, lambda: hooked.heals()[0].state == HealState.VERIFYING)

    calls = hook.lines("calls")
    assert len(calls) == 2
    assert {call["key"] for call in calls} == {hooked.heals()[0].idempotency_key}
    assert len(hook.lines("done")) == 1


@pytest.mark.fault("F64")
def test_a_hook_that_cannot_say_is_given_up_without_a_second_call(hooked: World, hook: Hook) -> None:
    hook.mode("dark_after")
    heal_id = hooked.judge().heal_id
    assert heal_id is not None
    steps.step(hooked.engine, heal_id)
    hook.mode("forgetful")
    states = []
    for _ in range(2):
        hooked.advance(61)
        steps.run_due(hooked.engine)
        states.append(hooked.heals()[0].state)

    (heal,) = hooked.heals()
    assert states == [HealState.RUNNING, HealState.FAILED]
    assert "was not reached" in heal.error_message
    assert len(hook.lines("calls")) == 1


@pytest.mark.fault("F66")
def test_a_hook_that_refuses_for_good_costs_one_attempt_and_holds_until_a_reset(hooked: World, hook: Hook) -> None:
    hook.mode("401")
    hooked.judge()
    hooked.settle()
    for _ in range(3):
        hooked.advance(3600)
        hooked.probe("fail", times=4)
        hooked.settle()

    assert [h.state for h in hooked.heals()] == [HealState.FAILED]
    assert hooked.heals()[0].was_permanent_error
    assert hooked.decisions()[-1].gate == "provider"
    assert len(hook.lines("calls")) == 1


@pytest.mark.fault("F69")
def test_an_accepted_task_is_followed_until_the_pod_is_well(hooked: World, hook: Hook) -> None:
    hook.mode("accepted")
    hooked.judge()
    for _ in range(3):
        steps.run_due(hooked.engine)
    before = hooked.heals()[0].state
    hook.mode("fails")
    hooked.advance(2)
    hooked.settle()
    hooked.probe("ok", times=3)
    hooked.settle()

    # It said "failed", and the pod is well: the verdict is by evidence.
    assert before == HealState.RUNNING
    assert hooked.heals()[0].state == HealState.SUCCEEDED
