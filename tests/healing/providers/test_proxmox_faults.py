"""Proxmox that refuses, breaks, lies or is not the one that was meant; calls that got no answer (hazards 2f)."""

import json
import time
from datetime import timedelta
from pathlib import Path

import pytest

from podhealth import clock, egress
from podhealth.core.errors import ProviderError
from podhealth.core.words import Action, ActualState
from podhealth.healing.providers.base import Call, Options, Task
from podhealth.healing.providers.proxmox import talking
from podhealth.healing.providers.proxmox.phases import Phase, Ref
from tests.healing.providers.proxmoxing import CT, PROXMOX, act, both, follow, refused
from tests.support.pve import TOKEN, Running

# ---------------------------------------------------------------- the far end misbehaves


@pytest.mark.parametrize(
    ("status", "is_permanent"),
    [(400, True), (401, True), (403, True), (404, True), (429, False), (500, False), (502, False), (503, False)]
    + [(595, False), (596, False), (599, False)],
)
@pytest.mark.fault("F66")
def test_what_is_refused_for_good_and_what_is_asked_again(pve: Running, status, is_permanent) -> None:
    pve.pve.fail("GET", "/cluster/resources", status, "no")
    error = refused(lambda: PROXMOX.state(pve.pod()))

    assert error.permanent is is_permanent
    assert str(status) in str(error)


def test_a_wrong_token_is_refused_for_good_and_never_shown(pve: Running) -> None:
    error = refused(lambda: PROXMOX.state(pve.pod(token="another-secret")))

    assert error.permanent
    assert "another-secret" not in repr(error)


@pytest.mark.fault("F66")
def test_a_token_without_the_right_to_act_is_refused_for_good(pve: Running) -> None:
    pve.pve.grant("podhealth@pve", "/", "VM.Audit")
    error = refused(lambda: act(pve.pod()))

    assert error.permanent
    assert "VM.PowerMgmt" in str(error)


def test_a_task_that_fails_says_why(pve: Running) -> None:
    pve.pve.fail("POST", "/qemu/100/status/stop", error="quit_powerdown_failed")
    seen = follow(pve.pod(), act(pve.pod(), Action.STOP, graceful=False))

    assert (seen[-1].is_over, seen[-1].is_ok) == (True, False)
    assert seen[-1].message == "VM quit/powerdown failed"


@pytest.mark.slow
@pytest.mark.fault("F65")
def test_silence_ends_after_four_seconds_at_most(pve: Running, monkeypatch) -> None:
    monkeypatch.setattr(talking, "_TIMEOUT_S", 0.4)
    pve.pve.flaky_network(hang_rate=1.0, hang_secs=3)
    begun = time.monotonic()
    error = refused(lambda: act(pve.pod()))

    assert time.monotonic() - begun < 2
    assert not error.permanent


def test_a_connection_that_breaks_is_no_answer(pve: Running) -> None:
    pve.pve.flaky_network(drop_rate=1.0)

    assert not refused(lambda: PROXMOX.state(pve.pod())).permanent


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"<html>hello</html>", id="html"),
        pytest.param(b"", id="nothing"),
        pytest.param(b'{"data": [{"type": "qemu", "vm', id="cut"),
        pytest.param(b'{"data": {"a": 1}}', id="no list"),
        pytest.param(b'{"data": ["x", 5, null]}', id="no rows"),
        pytest.param(b'{"data": [{"type": "qemu", "vmid": 100, "name": ["web"], "node": "pve1"}]}', id="wrong types"),
        pytest.param(b'{"data": [{"type": "qemu", "vmid": 100, "name": "web", "node": "../../x"}]}', id="a path"),
        pytest.param(b"[" * 200_000, id="deeply nested"),
        pytest.param(b'{"data": "' + b"x" * (5 << 20) + b'"}', id="5 MiB"),
    ],
)
@pytest.mark.fault("F67")
def test_garbage_is_no_answer_and_nothing_is_done(pve: Running, answer) -> None:
    pve.pve.raw = answer
    error = refused(lambda: act(pve.pod()))

    assert len(str(error)) <= 300
    assert pve.pve.posts == []


@pytest.mark.fault("F67")
def test_a_task_of_another_guest_is_not_followed(pve: Running) -> None:
    pve.pve.wrong_upid = "UPID:pve1:000003E8:00001B58:6B060BC4:qmreboot:555:root@pam:"

    assert not refused(lambda: act(pve.pod())).permanent


@pytest.mark.parametrize("ref", ["", "nonsense", "restart/reboot/-/60", "restart/reboot/-/x/UPID", "a/b/c/1/d"])
def test_a_stored_task_that_is_none_is_an_error(pve: Running, ref) -> None:
    with pytest.raises(ProviderError):
        PROXMOX.look(pve.pod(), Task(ref))


# ---------------------------------------------------------------- certificate and address


def test_a_given_authority_is_enough(pve: Running) -> None:
    pod = pve.pod(fingerprint=None, ca=Path(pve.certificate).read_text())

    assert PROXMOX.state(pod).actual == ActualState.RUNNING


def test_without_either_a_certificate_that_nobody_vouches_for_is_refused(pve: Running) -> None:
    error = refused(lambda: PROXMOX.state(pve.pod(fingerprint=None)))

    assert "certificate" in str(error)
    assert pve.pve.requests == []


def test_another_fingerprint_is_refused_before_the_token_is_sent(pve: Running) -> None:
    error = refused(lambda: PROXMOX.state(pve.pod(fingerprint="AB:" * 31 + "AB")))

    assert "Fingerprints did not match" in str(error)
    assert pve.pve.requests == []


def test_http_is_refused(pve: Running) -> None:
    assert refused(lambda: PROXMOX.state(pve.pod(url="http://127.0.0.1:1"))).permanent


def test_an_address_outside_the_allowed_networks_is_never_called(pve: Running) -> None:
    egress.open_networks([])
    error = refused(lambda: PROXMOX.state(pve.pod()))

    assert error.permanent
    assert pve.pve.requests == []


@pytest.mark.attack("A48")
def test_proxies_of_the_environment_are_not_used(pve: Running, monkeypatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")

    assert PROXMOX.state(pve.pod()).actual == ActualState.RUNNING


# ---------------------------------------------------------------- a call that got no answer


def call_of(action: Action = Action.RESTART, ago_s: float = 1) -> Call:
    return Call("key", action, Options(), clock.utcnow() - timedelta(seconds=ago_s), {"node": "pve1"})


@both
@pytest.mark.parametrize("action", [Action.RESTART, Action.STOP, Action.MIGRATE])
def test_a_task_that_was_begun_is_found(pve: Running, guest, action) -> None:
    pod = pve.pod(**guest)
    task = act(pod, action)

    assert PROXMOX.find_task(pod, call_of(action)) == task


def test_where_nothing_was_begun_there_is_none(pve: Running) -> None:
    assert PROXMOX.find_task(pve.pod(), call_of()) is None


def test_tasks_of_others_of_old_and_of_other_kinds_are_not_ours(pve: Running) -> None:
    pve.pve.apitokens["root@pam!x"] = "y"
    act(pve.pod(tokenId="root@pam!x", token="y"))
    act(pve.pod(**CT))
    act(pve.pod(), Action.STOP)
    early = call_of(ago_s=-300)

    assert PROXMOX.find_task(pve.pod(), call_of()) is None
    assert PROXMOX.find_task(pve.pod(), early) is None


def test_whether_it_was_begun_on_a_node_that_is_down_is_not_known(pve: Running) -> None:
    act(pve.pod())
    pve.pve.set_node_offline("pve1")

    assert not refused(lambda: PROXMOX.find_task(pve.pod(), call_of())).permanent


def test_a_ref_is_read_as_it_was_written() -> None:
    ref = Ref(Action.MIGRATE, Phase.MIGRATE, "pve2", 30, "UPID:pve1:000003E8:00001B58:6B060BC4:qmigrate:100:a@pve!t:")

    assert Ref.parse(str(ref)) == ref


def test_nothing_of_the_token_is_in_what_is_told_or_kept(pve: Running) -> None:
    pve.pve.fail("POST", "/status/reboot", 500, f"PVEAPIToken=podhealth@pve!heal={TOKEN}")
    told = [repr(PROXMOX.state(pve.pod())), repr(refused(lambda: act(pve.pod()))), repr(pve.pod())]

    assert all(TOKEN not in one for one in told)
    assert json.dumps(PROXMOX.state(pve.pod()).detail)
