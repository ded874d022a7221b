"""What a file would change, object by object and field by field; and the state that it is held against."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from typing import Any, NamedTuple

from podhealth.core.channel_fields import Platform
from podhealth.core.words import Declared
from podhealth.declared.faults import Path
from podhealth.declared.fields import Fields, Ids
from podhealth.declared.secrets import Secrets


class Act(StrEnum):
    """What is done with an object."""

    ADD = "add"
    CHANGE = "change"
    REMOVE = "remove"


class Difference(NamedTuple):
    """One field: what it is and what it would be; secrets never, only whether they change."""

    field: str
    before: Any
    after: Any


class Change(NamedTuple):
    """One object that a file changes. ``wanted``: all its fields, secrets open; ``rules``: what they say.

    ``pod``: whose check it is; ``pod_id``: the stored pod that it touches.
    """

    noun: Declared
    act: Act
    name: str
    fields: tuple[Difference, ...]
    path: Path = ()
    object_id: int | None = None
    version: int | None = None
    wanted: Fields = {}
    pod: str | None = None
    pod_id: int | None = None
    rules: Any = None

    @property
    def called(self) -> str:
        """How people call it: a check beside its pod."""
        return self.name if self.pod is None else f"{self.pod} / {self.name}"


class Kept(NamedTuple):
    """An object that the file does not have, and that stays. ``is_ours``: a file has added it once."""

    noun: Declared
    name: str
    is_ours: bool


class Stored(NamedTuple):
    """One stored object. ``is_ours``: configuration as code added it; ``opened`` gives its settings' open secrets."""

    object_id: int
    name: str
    rules: Any
    version: int | None = None
    is_ours: bool = False
    opened: Callable[[], Mapping[str, Any]] = dict


@dataclass
class State:
    """What a tenant has: objects by name, checks by the id of their pod, and the ids of what may be named."""

    objects: dict[Declared, dict[str, Stored]]
    checks: dict[int, dict[str, Stored]]
    ids: Ids


@dataclass(frozen=True)
class Asked:
    """How a file is to be read: what the platform allows, where secrets are, and whether what it lacks goes."""

    networks: Sequence[Sequence[str]]
    platform: Platform
    secrets: Secrets = field(default=Secrets(), repr=False)
    prune: bool = False


class Plan(NamedTuple):
    """All that a file would change, in the order in which it is done; ``notes`` are worth a look, and no reason."""

    changes: tuple[Change, ...]
    kept: tuple[Kept, ...]
    notes: tuple[str, ...]

    @property
    def fingerprint(self) -> str:
        """What tells this plan from another: apply does this one or says that it would be another by now."""
        told = [
            (c.noun.value, c.act.value, c.called, c.object_id, [list(one) for one in c.fields]) for c in self.changes
        ]
        return sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()[:16]

    def pods(self) -> list[int]:
        """Return the ids of the stored pods that it touches."""
        return sorted({c.pod_id for c in self.changes if c.pod_id is not None})

    def count(self, act: Act) -> int:
        """Return how many objects are added, changed or removed."""
        return sum(change.act is act for change in self.changes)
