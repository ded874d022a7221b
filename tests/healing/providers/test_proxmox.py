"""The Proxmox provider against fakepve: VMs and containers, what holds them, restart, stop and migration."""

import pytest

from podhealth.core.errors import ActionImpossible, ActionRefused
from podhealth.core.words import Action, ActualState
from podhealth.healing.providers.base import ProviderState, TaskState
from tests.healing.providers.proxmoxing import CT, PROXMOX, VM, act, asked, both, follow, refused
from tests.support.pve import GIB, Running

# ---------------------------------------------------------------- state


@both
def test_a_guest_that_runs_is_told_with_its_node(pve: Running, guest) -> None:
    state = PROXMOX.state(pve.pod(**guest))

    assert (state.actual, state.node_is_up, state.lock) == (ActualState.RUNNING, True, None)
    assert (state.detail["node"], state.detail["vmid"]) == ("pve1", int(guest["ref"][5:]))


@both
def test_a_guest_that_is_stopped_is_told(pve: Running, guest) -> None:
    pve.pve.guest(int(guest["ref"][5:])).status = "stopped"

    assert PROXMOX.state(pve.pod(**guest)).actual == ActualState.STOPPED


@both
@pytest.mark.parametrize("lock", ["backup", "snapshot", "migrate"])
def test_a_lock_is_told(pve: Running, guest, lock) -> None:
    pve.pve.guest(int(guest["ref"][5:])).lock = lock

    assert PROXMOX.state(pve.pod(**guest)).lock == lock


@both
def test_a_guest_of_the_ha_manager_is_held_by_it(pve: Running, guest) -> None:
    pve.pve.guest(int(guest["ref"][5:])).ha_state = "started"

    assert PROXMOX.state(pve.pod(**guest)).lock == "ha"


def test_a_guest_on_a_node_that_is_down_is_unknown_and_its_node_is_told(pve: Running) -> None:
    pve.pve.set_node_offline("pve1")

    assert PROXMOX.state(pve.pod()) == ProviderState(ActualState.UNKNOWN, False, None, {"node": "pve1"})


@pytest.mark.fault("F71")
def test_a_guest_is_found_on_another_node_than_the_inventory_says(pve: Running) -> None:
    pve.pve.vm(100).node = "pve2"

    assert PROXMOX.state(pve.pod()).detail["node"] == "pve2"


@pytest.mark.parametrize(
    ("ref", "name", "why"),
    [
        pytest.param("pve1/999", "web", "has no guest 999", id="unknown number"),
        pytest.param("pve1/100", "other", "is web, not other", id="number given to another guest"),
        pytest.param("100", "web", "node/vmid", id="no node"),
        pytest.param("pve1/../100", "web", "node/vmid", id="a path"),
    ],
)
def test_a_guest_that_is_not_the_pods_is_refused_for_good(pve: Running, ref, name, why) -> None:
    error = refused(lambda: act(pve.pod(ref, name)))

    assert error.permanent
    assert why in str(error)
    assert pve.pve.posts == []


def test_a_guest_may_be_named_otherwise_than_its_pod(pve: Running) -> None:
    assert PROXMOX.state(pve.pod(name="front door", guestName="web")).actual == ActualState.RUNNING


def test_a_template_is_never_acted_on(pve: Running) -> None:
    pve.pve.vm(100).template = True

    assert refused(lambda: act(pve.pod())).permanent


@pytest.mark.fault("F68")
def test_a_token_that_sees_no_guest_at_all_proves_nothing(pve: Running) -> None:
    pve.pve.grant("somebody@pve", "/", "VM.Audit")
    error = refused(lambda: PROXMOX.state(pve.pod()))

    assert "lost its permissions" in str(error)


# ---------------------------------------------------------------- restart, stop


@both
def test_a_guest_is_restarted_gently_and_once(pve: Running, guest) -> None:
    pod = pve.pod(**guest)

    assert follow(pod, act(pod)) == [TaskState(True, True)]
    assert [path.rpartition("/")[2] for path in asked(pve)] == ["reboot"]


def test_a_vm_that_ignores_the_gentle_way_is_reset_after_its_time(pve: Running) -> None:
    pve.pve.vm(100).acpi = False
    seen = follow(pve.pod(), act(pve.pod(), timeout_s=30))

    assert asked(pve) == ["qemu/100/status/reboot", "qemu/100/status/reset"]
    assert b"timeout=15" in next(body for _, path, body in pve.pve.requests if path.endswith("reboot"))
    assert [(s.is_over, s.is_ok) for s in seen] == [(False, False), (True, True)]
    assert "got timeout" in seen[0].message


def test_where_even_the_reset_fails_it_is_stopped_and_started(pve: Running) -> None:
    pve.pve.vm(100).acpi = False
    pve.pve.fail("POST", "/status/reset", error="configuration_file_does_not_exist")  # as its task's end
    seen = follow(pve.pod(), act(pve.pod()))

    assert asked(pve)[-3:] == ["qemu/100/status/reset", "qemu/100/status/stop", "qemu/100/status/start"]
    assert seen[-1] == TaskState(True, True)


def test_a_container_that_cannot_be_rebooted_is_stopped_and_started(pve: Running) -> None:
    pve.pve.fail("POST", "/lxc/101/status/reboot", error="did_not_stop")
    pod = pve.pod(**CT)
    seen = follow(pod, act(pod))

    assert asked(pve) == ["lxc/101/status/reboot", "lxc/101/status/stop", "lxc/101/status/start"]
    assert seen[-1] == TaskState(True, True)


@pytest.mark.parametrize(
    ("guest", "wanted"),
    [
        pytest.param(VM, ["qemu/100/status/reset"], id="vm"),
        pytest.param(CT, ["lxc/101/status/stop", "lxc/101/status/start"], id="container"),
    ],
)
def test_a_hard_restart_asks_the_guest_nothing(pve: Running, guest, wanted) -> None:
    pod = pve.pod(**guest)
    follow(pod, act(pod, graceful=False))

    assert asked(pve) == wanted


@both
def test_a_stopped_guest_is_restarted_by_a_start(pve: Running, guest) -> None:
    pod = pve.pod(**guest)
    pve.pve.guest(int(guest["ref"][5:])).status = "stopped"
    follow(pod, act(pod))

    assert [path.rpartition("/")[2] for path in asked(pve)] == ["start"]
    assert PROXMOX.state(pod).actual == ActualState.RUNNING


def test_a_start_that_fails_ends_the_restart_with_its_reason(pve: Running) -> None:
    pve.pve.vm(100).status, pve.pve.vm(100).start_error = "stopped", "volume 'local-lvm:vm-100-disk-0' does not exist"
    seen = follow(pve.pod(), act(pve.pod()))

    assert (seen[-1].is_over, seen[-1].is_ok) == (True, False)
    assert "does not exist" in seen[-1].message


@both
def test_a_guest_is_stopped_gently_and_in_the_end_by_force(pve: Running, guest) -> None:
    pod = pve.pod(**guest)
    pve.pve.guest(int(guest["ref"][5:])).shutdown_secs = 10_000

    assert follow(pod, act(pod, Action.STOP))[-1].is_ok
    assert [path.rpartition("/")[2] for path in asked(pve)] == ["shutdown"]
    assert PROXMOX.state(pod).actual == ActualState.STOPPED


def test_a_stop_of_a_stopped_guest_asks_for_nothing(pve: Running) -> None:
    pve.pve.vm(100).status = "stopped"

    assert follow(pve.pod(), act(pve.pod(), Action.STOP))[-1].is_ok
    assert pve.pve.posts == []


def test_a_task_that_runs_is_not_over(pve: Running) -> None:
    pve.pve.time_scale, pve.pve.vm(100).shutdown_secs = 1.0, 30
    task = act(pve.pod())

    assert PROXMOX.look(pve.pod(), task) == TaskState(False)


@pytest.mark.fault("F71")
def test_the_guest_is_acted_on_where_it_is(pve: Running) -> None:
    pve.pve.vm(100).node = "pve2"
    follow(pve.pod(), act(pve.pod()))

    assert pve.pve.posts == ["pve2/qemu/100/status/reboot"]


def test_a_part_that_another_began_and_did_not_store_is_taken_up(pve: Running) -> None:
    pve.pve.vm(100).acpi = False
    task = act(pve.pod())
    first = PROXMOX.look(pve.pod(), task)
    again = PROXMOX.look(pve.pod(), task)

    assert again.ref == first.ref
    assert asked(pve) == ["qemu/100/status/reboot", "qemu/100/status/reset"]


# ---------------------------------------------------------------- locks


@both
@pytest.mark.parametrize("action", [Action.RESTART, Action.STOP, Action.MIGRATE])
@pytest.mark.fault("F70")
def test_a_locked_guest_is_not_touched(pve: Running, guest, action) -> None:
    pve.pve.guest(int(guest["ref"][5:])).lock = "backup"
    error = refused(lambda: act(pve.pod(**guest), action))

    assert isinstance(error, ActionRefused)
    assert not error.permanent
    assert pve.pve.posts == []


@pytest.mark.fault("F70")
def test_a_lock_that_comes_between_the_question_and_the_call_is_a_refusal_of_that_attempt(pve: Running) -> None:
    pve.pve.fail("POST", "/status/reboot", 500, "VM is locked (backup)")
    error = refused(lambda: act(pve.pod()))

    assert isinstance(error, ActionRefused)
    assert "locked (backup)" in str(error)


@pytest.mark.fault("F70")
def test_a_lock_that_comes_between_two_parts_is_waited_for(pve: Running) -> None:
    pve.pve.vm(100).acpi = False
    task = act(pve.pod())
    pve.pve.vm(100).lock = "backup"
    error = refused(lambda: PROXMOX.look(pve.pod(), task))
    pve.pve.vm(100).lock = None

    assert not error.permanent
    assert follow(pve.pod(), task)[-1] == TaskState(True, True)


# ---------------------------------------------------------------- migrate


@both
@pytest.mark.attack("A90")
def test_a_guest_is_migrated_to_the_node_with_the_most_free_memory(pve: Running, guest) -> None:
    pve.pve.free = {"pve2": 6 * GIB, "pve3": 3 * GIB}
    pod = pve.pod(**guest)
    task = act(pod, Action.MIGRATE)

    assert task.target == "pve2"
    assert follow(pod, task)[-1] == TaskState(True, True)
    assert PROXMOX.state(pod).detail["node"] == "pve2"
    assert PROXMOX.state(pod).actual == ActualState.RUNNING


def test_tried_and_offline_nodes_are_left_out(pve: Running) -> None:
    pve.pve.free = {"pve2": 7 * GIB, "pve3": 6 * GIB, "pve4": 1 * GIB}
    pve.pve.add_node("pve4")
    pve.pve.set_node_offline("pve3")

    assert act(pve.pod(), Action.MIGRATE, tried=frozenset({"pve2"})).target == "pve4"


@pytest.mark.parametrize(
    ("prepare", "why"),
    [
        pytest.param(lambda p: None, "tried already", id="all tried"),
        pytest.param(lambda p: p.free.update(pve2=GIB >> 3, pve3=GIB >> 4), "memory", id="no room"),
        pytest.param(lambda p: (p.set_node_offline("pve2"), p.set_node_offline("pve3")), "online", id="none online"),
        pytest.param(lambda p: p.local_disks.append({"volid": "local-lvm:disk-0"}), "only there", id="local disk"),
    ],
)
@pytest.mark.attack("A90")
def test_a_migration_that_cannot_be_is_no_attempt_at_one(pve: Running, prepare, why) -> None:
    prepare(pve.pve)
    tried = frozenset({"pve2", "pve3"}) if why == "tried already" else frozenset()
    error = refused(lambda: act(pve.pod(), Action.MIGRATE, tried=tried))

    assert isinstance(error, ActionImpossible)
    assert why in str(error)
    assert pve.pve.posts == []


def test_a_migration_that_ended_elsewhere_has_failed(pve: Running) -> None:
    task = act(pve.pod(), Action.MIGRATE)
    pve.pve.vm(100).node = "pve1"

    assert follow(pve.pod(), task) == [TaskState(True, False, "the migration ended, but the guest is on pve1")]


def test_a_stopped_guest_is_started_after_its_migration(pve: Running) -> None:
    pve.pve.vm(100).status = "stopped"
    follow(pve.pod(), act(pve.pod(), Action.MIGRATE))

    assert pve.pve.posts[-1] == f"{pve.pve.vm(100).node}/qemu/100/status/start"
    assert pve.pve.vm(100).node != "pve1"


@pytest.mark.fault("F71")
def test_a_node_that_goes_down_while_the_guest_leaves_it_starts_nothing_elsewhere(pve: Running) -> None:
    pve.pve.time_scale, pve.pve.migrate_secs = 1.0, 30
    task = act(pve.pod(), Action.MIGRATE)
    pve.pve.set_node_offline("pve1")
    error = refused(lambda: PROXMOX.look(pve.pod(), task))

    assert "595" in str(error)
    assert not error.permanent
    assert asked(pve) == ["qemu/100/migrate"]
