"""What a provider is to the healer: it tells a pod's state, does one action under a key, and can be asked for it later.

Providers know no policy, no database and no other provider. Calls are short: each has a deadline of a few seconds.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from podhealth.core.errors import ProviderError
from podhealth.core.guests import Answer, Guest
from podhealth.core.words import Action, ActualState


@dataclass(frozen=True, slots=True)
class PodRef:
    """As much of a pod as its provider needs; ``config`` is the provider's own part of it."""

    pod_id: int
    tenant_id: int
    name: str
    ref: str | None = None
    config: Mapping[str, Any] = field(default_factory=dict, repr=False)  # holds secrets


class ProviderState(NamedTuple):
    """How the provider sees a pod. ``lock``: what it is busy with there (a backup); ``detail`` is kept as evidence."""

    actual: ActualState
    node_is_up: bool = True
    lock: str | None = None
    detail: Mapping[str, Any] = {}


class Options(NamedTuple):
    """How an action is to be done: let the guest end by itself first, and how long it may take.

    ``tried``: nodes the pod was sick on or was moved to already; a migration must not go there.
    """

    graceful: bool = True
    timeout_s: int | None = None
    tried: frozenset[str] = frozenset()


class Task(NamedTuple):
    """An action the provider has taken on; ``ref`` (at most 253 characters) is how to ask for it.

    ``target``: the node that a migration goes to.
    """

    ref: str
    target: str | None = None


class TaskState(NamedTuple):
    """Whether a task has ended, and if so whether the provider says that it went well.

    ``ref``: how to ask from now on, where the action has gone on to a further part.
    """

    is_over: bool
    is_ok: bool = False
    message: str = ""
    ref: str | None = None


class Call(NamedTuple):
    """A call that may have been made: its key, what it asked for, and when and upon what state at the earliest.

    ``since`` is by the database's clock; ``before`` is the ``detail`` of the provider's state then.
    """

    key: str
    action: Action
    options: Options
    since: datetime
    before: Mapping[str, Any] = {}


class Provider(Protocol):
    """One way to act on pods. Methods raise ProviderError, permanent where asking again cannot help."""

    def can(self, action: Action) -> bool:
        """Return whether this provider knows the action at all."""

    def state(self, pod: PodRef) -> ProviderState:
        """Return how the pod is. Raises ProviderError where the answer is missing or unusable."""

    def act(self, pod: PodRef, action: Action, key: str, options: Options) -> Task:
        """Take on one action. Asked again under the same key, it must be the same action, done once.

        Raises ActionRefused or ActionImpossible where surely nothing was done.
        """

    def look(self, pod: PodRef, task: Task) -> TaskState:
        """Return how far a task is, and do the next part of an action that has several."""

    def find_task(self, pod: PodRef, call: Call) -> Task | None:
        """Return the task that a call came to; null only where the provider knows that it was never taken on."""


class Lister(Protocol):
    """A provider that can also tell which guests it has; ``source`` is a reference without a pod."""

    def guests(self, source: PodRef, wants: Callable[[Guest], bool]) -> Answer:
        """Return all guests, those for which ``wants`` holds in full. Raises ProviderError rather than tell half."""


def setting(pod: PodRef, name: str) -> str | None:
    """Return a text of the pod's provider settings; null where there is none."""
    value = pod.config.get(name)
    return value if isinstance(value, str) and value else None


def required(pod: PodRef, name: str) -> str:
    """Do as ``setting``, but raise ProviderError where there is none."""
    value = setting(pod, name)
    if value is None:
        raise ProviderError(f"the pod's provider settings name no {name}", permanent=True)
    return value


def plain(text: object) -> str:
    """Return what a far end said as one short line that can be shown."""
    return " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())[:160]
