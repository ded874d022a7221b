"""What the tests of the Proxmox provider ask and how they follow it."""

from collections.abc import Callable

import pytest

from podhealth.core.errors import ProviderError
from podhealth.core.words import Action
from podhealth.healing.providers.base import Options, PodRef, Task, TaskState
from podhealth.healing.providers.proxmox import ProxmoxProvider
from tests.support.pve import Running

PROXMOX = ProxmoxProvider()
VM = {"ref": "pve1/100", "name": "web"}
CT = {"ref": "pve1/101", "name": "cache"}
both = pytest.mark.parametrize("guest", [VM, CT], ids=["vm", "container"])


def act(pod: PodRef, action: Action = Action.RESTART, **options: object) -> Task:
    return PROXMOX.act(pod, action, "key", Options(**options))  # type: ignore[arg-type]


def follow(pod: PodRef, task: Task) -> list[TaskState]:
    """Look until the action is over, as the healer does, with the ref that each look leaves."""
    seen: list[TaskState] = []
    while not seen or not seen[-1].is_over:
        seen.append(PROXMOX.look(pod, task))
        task = Task(seen[-1].ref or task.ref)
    return seen


def refused(doing: Callable[[], object]) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        doing()
    return caught.value


def asked(pve: Running) -> list[str]:
    return [path.partition("/")[2] for path in pve.pve.posts]
