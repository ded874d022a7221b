"""What one sync would do: which pods it adds, changes, misses, finds again, and what it leaves alone, each with why.

Sync owns what it gave and nobody has changed since; what a person changed stays, and is shown as drift. Nothing is
deleted. Where the guests come from and how pods are written is not known here.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

from podhealth.core.errors import InputError
from podhealth.core.fields import line
from podhealth.core.guests import Guest, Takes, is_same
from podhealth.core.pod_rules import MAX_NAME, MAX_TAG, MAX_TAGS

# Two answers so far apart must agree before a guest counts as gone.
AGREE_AFTER = timedelta(seconds=10)
NOT_CHOSEN = "not chosen"
DELETED_HERE = "its pod was deleted here"
_TAKEN_BY_GONE = "a pod whose guest has vanished has its name: delete that pod, and this one is added"
# Why a pod is wanted stopped that was off when it was added: it is wanted running once its guest runs.
OFF_THERE = "it was off at its provider when it was added"


class Act(StrEnum):
    """What sync does with one guest or pod."""

    ADD = "add"
    CHANGE = "change"
    BACK = "back"
    SAME = "same"
    MISSING = "missing"
    VANISH = "vanish"
    GONE = "gone"
    OUT = "out"


class Fields(NamedTuple):
    """Those fields of a pod that a source tells; null: it does not."""

    name: str | None = None
    address: str | None = None
    tags: tuple[str, ...] = ()
    node: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return them as they are stored."""
        return {**self._asdict(), "tags": list(self.tags)}

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> "Fields":
        """Return what ``as_json`` wrote."""
        return cls(stored.get("name"), stored.get("address"), tuple(stored.get("tags") or ()), stored.get("node"))


class Known(NamedTuple):
    """A pod of the source as it is stored: ``here`` as it is, ``given`` by sync, ``said`` by the source last.

    ``node_id``, ``gave_node_id``: the node it stands on, and the one that sync has put it on.
    """

    pod_id: int
    version: int
    key: str
    here: Fields
    given: Fields
    said: Fields
    marks: tuple[str, ...] = ()
    is_deleted: bool = False
    node_id: int | None = None
    gave_node_id: int | None = None
    ref: str | None = None
    called: str | None = None  # the guest's name, as its provider is asked for it
    waits_for_start: bool = False  # it was off there when it was added, and nobody has wanted it otherwise
    missing_since: datetime | None = None
    vanished_at: datetime | None = None
    vanished_why: str | None = None


class Change(NamedTuple):
    """One field that sync changes."""

    field: str
    was: str
    to: str


class Drift(NamedTuple):
    """One field in which the pod is otherwise than its guest, and why it stays so."""

    field: str
    here: str
    there: str
    why: str


class Line(NamedTuple):
    """What becomes of one guest or pod. ``to``: the pod's fields after it; ``given``, ``said``: what is kept of it."""

    act: Act
    name: str
    key: str
    guest: Guest | None = None
    known: Known | None = None
    to: Fields = Fields()
    given: Fields = Fields()
    changes: tuple[Change, ...] = ()
    drifts: tuple[Drift, ...] = ()
    why: str = ""


class Around(NamedTuple):
    """What is asked of the tenant: names taken (and by which pod), pods that people made of guests, allowed addresses.

    ``by_hand``: such pods' names by the guest's key. ``refuse``: why an address may not be a pod's, null where it may.
    ``gone``: pods of the source whose guests have vanished.
    """

    taken: Mapping[str, int]
    by_hand: Mapping[str, str]
    refuse: Callable[[str], str | None]
    now: datetime
    gone: frozenset[int] = frozenset()


def draw_up(guests: Sequence[Guest], known: Sequence[Known], takes: Takes, around: Around) -> list[Line]:
    """Return what a sync upon this answer does, pod by pod and guest by guest; the same again once it is done."""
    by_key: dict[str, list[Known]] = defaultdict(list)
    for one in known:
        by_key[one.key].append(one)
    taken = dict(around.taken)
    lines: list[Line] = []
    matched: set[int] = set()
    fresh: list[Guest] = []
    for guest in guests:
        mine = next((one for one in by_key[guest.key] if is_same(one.said.name, one.marks, guest)), None)
        if mine is None:
            fresh.append(guest)
            continue
        matched.add(mine.pod_id)
        lines.append(_kept(mine, guest, taken, around))
    here = {guest.key: guest for guest in guests}
    lost = [_unmatched(one, here.get(one.key), around.now) for one in known if one.pod_id not in matched]
    gone = [line.known.pod_id for line in lost if line.known and line.act in (Act.VANISH, Act.GONE)]
    lines += lost
    around = around._replace(gone=frozenset(gone))
    lines += [_fresh(guest, takes, taken, around) for guest in fresh]
    return lines


def _kept(one: Known, guest: Guest, taken: dict[str, int], around: Around) -> Line:
    name = one.here.name or guest.key
    if one.is_deleted:
        return Line(Act.OUT, name, guest.key, guest, one, why=DELETED_HERE)
    if guest.name is None:  # its node is down, and the cluster lists little of it: it is there, no more is known
        return Line(Act.SAME, name, guest.key, guest, one, one.here, one.given)
    there = Fields(guest.name, _address(guest, one.here.address, around), _fitting(guest.tags), guest.node)
    changes, drifts, to, given = _merged(one, there, taken, around)
    if one.waits_for_start and guest.is_running:
        changes.append(Change("wanted", "stopped", "running"))
    if to.name != one.here.name and to.name is not None:
        taken.pop(one.here.name or "", None)
        taken[to.name] = one.pod_id
    act = Act.BACK if one.vanished_at is not None else Act.CHANGE if changes else Act.SAME
    why = "it is there again" if act == Act.BACK else ""
    return Line(act, to.name or name, guest.key, guest, one, to, given, tuple(changes), tuple(drifts), why)


def _unmatched(one: Known, stranger: Guest | None, now: datetime) -> Line:
    name = one.here.name or one.key
    if one.is_deleted:
        return Line(Act.GONE, name, one.key, None, one, why="its pod was deleted here, and its guest is gone")
    if one.vanished_at is not None:
        return Line(Act.GONE, name, one.key, None, one, why=one.vanished_why or "")
    if stranger is not None:
        why = f"its number {one.key} is another guest's now, {stranger.name or 'of no known name'}"
        return Line(Act.VANISH, name, one.key, None, one, why=why)
    if one.missing_since is None or now - one.missing_since < AGREE_AFTER:
        why = "it is missing in one answer; it counts as gone when the next agrees"
        return Line(Act.MISSING, name, one.key, None, one, why=why)
    return Line(Act.VANISH, name, one.key, None, one, why="the source no longer has it")


def _fresh(guest: Guest, takes: Takes, taken: dict[str, int], around: Around) -> Line:
    name = guest.name or guest.key
    why = guest.unfit or _why_out(guest, takes, taken, around)
    if why is not None:
        return Line(Act.OUT, name, guest.key, guest, why=why)
    there = Fields(name, _address(guest, None, around), _fitting(guest.tags), guest.node)
    taken[name] = 0
    return Line(Act.ADD, name, guest.key, guest, None, there, there)


def _why_out(guest: Guest, takes: Takes, taken: Mapping[str, int], around: Around) -> str | None:
    if not takes.take(guest):
        return f"{NOT_CHOSEN}: the source takes {takes.in_words()}"
    if guest.name is None:
        return "its name is not known now: is its node down?"
    if guest.key in around.by_hand:
        return f"it is watched already, by the pod {around.by_hand[guest.key]} that somebody made by hand"
    if why := _why_no_line(guest.name, MAX_NAME):
        return f"its name {why}"
    if guest.name in taken:
        return _TAKEN_BY_GONE if taken[guest.name] in around.gone else "another pod has its name"
    if not guest.addresses:
        return guest.no_address or "no address of it is known"
    if _address(guest, None, around) is None:
        return f"its address {guest.addresses[0]} {around.refuse(guest.addresses[0])}"
    return None


def _address(guest: Guest, here: str | None, around: Around) -> str | None:
    """Return the address to watch it by: the one it is watched by while it has it, else the first that is allowed."""
    if here is not None and here in guest.addresses:
        return here
    allowed = [one for one in guest.addresses if around.refuse(one) is None]
    return min(allowed, key=lambda one: (":" in one, allowed.index(one)), default=None)


def _fitting(tags: Sequence[str]) -> tuple[str, ...]:
    """Return the tags that a pod may have: another system's may be longer, or more."""
    return tuple(dict.fromkeys(tag for tag in tags if _why_no_line(tag, MAX_TAG) is None))[:MAX_TAGS]


def _why_no_line(text: str, longest: int) -> str | None:
    try:
        return None if line("name", text, longest) == text else "is written in another normal form"
    except InputError as refused:
        return refused.message


def _merged(
    one: Known, there: Fields, taken: Mapping[str, int], around: Around
) -> tuple[list[Change], list[Drift], Fields, Fields]:
    changes: list[Change] = []
    drifts: list[Drift] = []
    to, given = one.here, one.given
    for field in ("name", "address", "node"):
        here, gave, new = (getattr(some, field) for some in (one.here, one.given, there))
        if new is None:
            continue
        why = _why_kept(field, one, new, taken) if here == gave else "changed here by hand"
        if here == new or why is None:
            given = given._replace(**{field: new})
            to = to._replace(**{field: new})
        if here != new and why is None:
            changes.append(Change(field, here or "none", new))
        elif here != new and why is not None:
            drifts.append(Drift(field, here or "none", new, why))
    tags = _merged_tags(one, _fitting(there.tags))
    if tags != one.here.tags:
        changes.append(Change("tags", _listed(one.here.tags), _listed(tags)))
    if left_out := [tag for tag in there.tags if tag not in tags]:
        drifts.append(Drift("tags", _listed(tags), _listed(there.tags), f"{_listed(left_out)} taken away here by hand"))
    return changes, drifts, to._replace(tags=tags), given._replace(tags=_fitting(there.tags))


def _why_kept(field: str, one: Known, new: str, taken: Mapping[str, int]) -> str | None:
    if field != "name":
        return None
    if taken.get(new, one.pod_id) != one.pod_id:
        return "another pod has that name"
    return _why_no_line(new, MAX_NAME)


def _merged_tags(one: Known, there: tuple[str, ...]) -> tuple[str, ...]:
    """Return the pod's own tags without those the source took away, and those it has added since."""
    stay = [tag for tag in one.here.tags if tag in there or tag not in one.given.tags]
    new = [tag for tag in there if tag not in one.given.tags and tag not in stay]
    return tuple((stay + new)[:MAX_TAGS])


def _listed(tags: Sequence[str]) -> str:
    return ", ".join(tags) or "none"


def drift_of(here: Fields, said: Fields) -> tuple[Drift, ...]:
    """Return in what a pod is otherwise than its source last said of its guest."""
    found = [
        Drift(field, getattr(here, field) or "none", there, "changed here by hand")
        for field in ("name", "address", "node")
        if (there := getattr(said, field)) is not None and there != getattr(here, field)
    ]
    if lacking := [tag for tag in said.tags if tag not in here.tags]:
        found.append(Drift("tags", _listed(here.tags), _listed(said.tags), f"{_listed(lacking)} taken away by hand"))
    return tuple(found)
