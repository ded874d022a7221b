"""What a source says of its guests, which of them are wanted as pods, and whether one is the guest it was before.

How a source is asked is its provider's business; what follows for pods is core/sync's.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

UUID, MAC = "uuid:", "mac:"


@dataclass(frozen=True, slots=True)
class Guest:
    """One guest or container as its source lists it.

    ``key``: what the source calls it (a vmid, a container's name). ``name`` null: not said now. ``is_running`` null:
    the source cannot tell, its node is down. ``marks``: what it keeps for life (``uuid:``) or for long (``mac:``).
    ``unfit``: why it can be no pod; ``no_address``: why none is known.
    """

    key: str
    ref: str
    name: str | None
    node: str | None = None
    is_running: bool | None = None
    addresses: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    pool: str | None = None
    labels: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()
    unfit: str | None = None
    no_address: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return it as it is stored; ``guest_of`` gives it back."""
        return asdict(self)


def guest_of(stored: Mapping[str, Any]) -> Guest:
    """Return the guest that ``as_json`` wrote."""
    fields: dict[str, Any] = {n: tuple(value) if isinstance(value, list) else value for n, value in stored.items()}
    return Guest(**fields)


class Answer(NamedTuple):
    """All that a source said at once. ``rights``: where its token may look; null where the source knows no such."""

    guests: tuple[Guest, ...]
    rights: tuple[str, ...] | None = None


class Takes(NamedTuple):
    """Which guests become pods: those with one of these tags, in one of these pools, with one of these labels, or all.

    A label is ``name`` or ``name=value``. Nothing named takes nothing.
    """

    tags: tuple[str, ...] = ()
    pools: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    everything: bool = False

    def take(self, guest: Guest) -> bool:
        """Return whether the guest is wanted."""
        names = {label.partition("=")[0] for label in guest.labels}
        return (
            self.everything
            or not set(self.tags).isdisjoint(guest.tags)
            or guest.pool in self.pools
            or any(label in guest.labels or label in names for label in self.labels)
        )

    def in_words(self) -> str:
        """Return them for people: "tag web or db, pool prod"."""
        if self.everything:
            return "all guests"
        parts = (("tag", self.tags), ("pool", self.pools), ("label", self.labels))
        return ", ".join(f"{what} {' or '.join(names)}" for what, names in parts if names) or "nothing yet"


def is_same(name: str | None, marks: Iterable[str], guest: Guest) -> bool:
    """Return whether a guest of the same number is the one whose name and marks were kept.

    A number is given away again when its guest is gone. The hardware id says it for certain, where both have one; a
    network card may be changed, so that without it one card in common, or else the name, must do.
    """
    kept, now = set(marks), set(guest.marks)
    ids, ids_now = ({mark for mark in some if mark.startswith(UUID)} for some in (kept, now))
    if ids and ids_now:
        return ids == ids_now
    if kept & now:
        return True
    return guest.name is None or (name is not None and name.casefold() == guest.name.casefold())


def doubt(answer: Answer, keys: Sequence[str], rights_before: Sequence[str] | None, had_guests: bool) -> str | None:
    """Return why an answer is not believed, null where it is: a source that lost its rights says less, not an error.

    ``keys``: of the pods that the source is known to have. Never is "all gone" read out of an answer (behaviour §2).
    """
    if not answer.guests and (keys or had_guests):
        return "it answered with no guest at all and had some before: has its token lost its rights?"
    missing = set(keys) - {guest.key for guest in answer.guests}
    lost = sorted(set(rights_before or ()) - set(answer.rights or ())) if answer.rights is not None else []
    if missing and lost:
        return f"its token may no longer look at {', '.join(lost[:3])}, and {_counted(len(missing))} missing"
    return None


def too_many_missing(answer: Answer, keys: Sequence[str]) -> str | None:
    """Return why an answer must be looked at by a person first: it lacks more than two guests and 30 % of all."""
    missing = len(set(keys) - {guest.key for guest in answer.guests})
    if missing > max(2, 0.3 * len(keys)):
        return f"{_counted(missing)} missing at once, of {len(keys)}: it may be only part of the answer"
    return None


def _counted(count: int) -> str:
    return "one guest is" if count == 1 else f"{count} guests are"
