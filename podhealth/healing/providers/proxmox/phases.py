"""The parts of an action on a guest and which follows which: gently first, then hard, each one task of Proxmox.

For the healer they are one action. Nothing here calls anybody.
"""

from enum import StrEnum
from typing import NamedTuple

from podhealth.core.errors import ProviderError
from podhealth.core.words import Action

_LONGEST = 253


class Phase(StrEnum):
    """One part of an action; the value is the last word of its route but for ``nothing``."""

    REBOOT = "reboot"
    RESET = "reset"
    SHUTDOWN = "shutdown"
    STOP = "stop"
    START = "start"
    MIGRATE = "migrate"
    NOTHING = "nothing"

    @property
    def types(self) -> frozenset[str]:
        """How Proxmox names such tasks, of VMs and of containers."""
        return frozenset({f"qm{self.value}", f"vz{self.value}"} if self != Phase.MIGRATE else {"qmigrate", "vzmigrate"})

    @classmethod
    def of_type(cls, kind: str) -> "Phase":
        """Return the part that a task of Proxmox is."""
        return next((phase for phase in cls if kind in phase.types), cls.NOTHING)


_PHASES_OF = {
    Action.RESTART: (Phase.REBOOT, Phase.RESET, Phase.STOP, Phase.START),
    Action.STOP: (Phase.SHUTDOWN, Phase.STOP),
    Action.MIGRATE: (Phase.MIGRATE, Phase.START),
}


def task_types(action: Action) -> frozenset[str]:
    """Return the types of tasks that an action may consist of."""
    return frozenset().union(*(phase.types for phase in _PHASES_OF[action]))


class Ref(NamedTuple):
    """How an action is asked for: which one, how far it is, where it goes, how gently, and the task of its last part.

    ``target`` is ``-`` where the guest stays.
    """

    action: Action
    phase: Phase
    target: str
    grace_s: int
    upid: str = "-"

    def __str__(self) -> str:
        return f"{self.action}/{self.phase}/{self.target}/{self.grace_s}/{self.upid}"[:_LONGEST]

    @classmethod
    def parse(cls, text: str) -> "Ref":
        """Return what ``str`` wrote. Raises ProviderError for anything else."""
        try:
            action, phase, target, grace_s, upid = text.split("/", 4)
            return cls(Action(action), Phase(phase), target, int(grace_s), upid)
        except ValueError:
            raise ProviderError("what is stored of the task is none of Proxmox's", permanent=True) from None

    @property
    def is_last(self) -> bool:
        """Whether the action is done when this part has gone well, however the guest is then."""
        return (self.action, self.phase) not in ((Action.RESTART, Phase.STOP), (Action.MIGRATE, Phase.MIGRATE))


def first(action: Action, kind: str, is_running: bool, graceful: bool) -> Phase | None:
    """Return the part that an action begins with; null where nothing is left to do."""
    if action == Action.MIGRATE:
        return Phase.MIGRATE
    if not is_running:
        return Phase.START if action == Action.RESTART else None
    if action == Action.STOP:
        return Phase.SHUTDOWN if graceful else Phase.STOP
    return Phase.REBOOT if graceful else _hard(kind)


def _hard(kind: str) -> Phase:
    # Containers know no reset.
    return Phase.RESET if kind == "qemu" else Phase.STOP


def following(ref: Ref, kind: str, is_ok: bool, is_running: bool) -> Phase | None:
    """Return the part after one that has ended; null where that was the last, well or not."""
    if ref.action == Action.STOP:
        return Phase.STOP if not is_ok and is_running and ref.phase == Phase.SHUTDOWN else None
    if not is_running and ref.phase != Phase.START:
        return Phase.START if is_ok or ref.action == Action.RESTART else None
    if is_ok or ref.action == Action.MIGRATE:
        return None
    return {Phase.REBOOT: _hard(kind), Phase.RESET: Phase.STOP}.get(ref.phase)
