"""What files of other products come to: pods with checks, channels, windows, and a remark for what is otherwise here.

Several checks of one host become one pod: a pod is what can be restarted, not what is asked of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from podhealth.core.address import parse_host
from podhealth.core.check_rules import parse_check
from podhealth.core.errors import InputError
from podhealth.core.words import Kind
from podhealth.declared.document import VERSION
from podhealth.declared.fields import Fields
from podhealth.declared.writing import HEAD, as_yaml, variable

LONGEST_NAME, LONGEST_TAG, MOST_TAGS = 63, 63, 20
_MOST_FAILS = 20
_MAX_TIMEOUT_S = 60.0


class Remark(NamedTuple):
    """What became of one thing otherwise than in the file: ``is_left`` out altogether, or changed."""

    what: str
    why: str
    is_left: bool

    def __str__(self) -> str:
        """Return it as one line: in the file it stands as a comment, which must not end before its end."""
        text = f"{'left out' if self.is_left else 'changed'}: {self.what}: {self.why}"
        return "".join(c if c.isprintable() else " " for c in text)


class _Made(NamedTuple):
    item: str
    fields: Fields
    tags: tuple[str, ...]


@dataclass
class Foreign:
    """Gathers what a file of another product comes to. ``secrets``: what the references stand for; never printed."""

    remarks: list[Remark] = field(default_factory=list)
    secrets: dict[str, str] = field(default_factory=dict, repr=False)
    channels: list[Fields] = field(default_factory=list)
    windows: list[Fields] = field(default_factory=list)
    _by_host: dict[str, list[_Made]] = field(default_factory=dict)
    _host_of: dict[str, str] = field(default_factory=dict)
    _extra_tags: dict[str, set[str]] = field(default_factory=dict)

    def leave(self, what: str, why: str) -> None:
        """Say that something has no counterpart."""
        self.remarks.append(Remark(what, why, is_left=True))

    def change(self, what: str, why: str) -> None:
        """Say that something is another here than there."""
        self.remarks.append(Remark(what, why, is_left=False))

    def check(self, item: str, host: str, fields: Fields, tags: Sequence[str] = ()) -> bool:
        """Take a check of a host; one that our rules refuse is left out, with their reason."""
        what = f"monitor {item}"
        try:
            address = str(parse_host(host))
        except ValueError:
            self.leave(what, f"{host!r} is no address that a pod can have")
            return False
        try:
            parse_check(fields)
        except InputError as error:
            self.leave(what, f"{error.field} {error.message}")
            return False
        self._by_host.setdefault(address, []).append(_Made(item, fields, self._tags(what, tags)))
        self._host_of[item] = address
        return True

    def secret(self, name: str, value: str) -> str:
        """Keep a secret and return the reference that stands for it in the file."""
        free = variable(name)
        number = 2
        while self.secrets.get(free, value) != value:
            free = f"{variable(name)}_{number}"
            number += 1
        self.secrets[free] = value
        return "${" + free + "}"

    def pod_of(self, item: str) -> str | None:
        """Return the name of the pod that a monitor became a check of, null: it was left out."""
        address = self._host_of.get(item)
        return None if address is None else self._names()[address]

    def is_whole(self, items: Sequence[str]) -> bool:
        """Return whether these are all monitors that were taken."""
        return set(items) >= set(self._host_of)

    def tag(self, items: Sequence[str], tag: str) -> None:
        """Have the pods of these monitors carry a tag besides."""
        for item in items:
            if item in self._host_of:
                self._extra_tags.setdefault(self._host_of[item], set()).add(tag)

    def document(self) -> Fields:
        """Return all of it as a file of ours."""
        pods = [self._pod(address, made, name) for (address, made), name in self._named()]
        found: Fields = {"version": VERSION, "pods": pods}
        for section, objects in (("windows", self.windows), ("channels", self.channels)):
            if objects:
                found[section] = objects
        return found

    def text(self) -> str:
        """Return it as YAML; the remarks stand before it, so that they are read where the file is."""
        told = "".join(f"# {remark}\n" for remark in self.remarks)
        return HEAD + (f"#\n{told}" if told else "") + as_yaml(self.document())

    def _named(self) -> list[tuple[tuple[str, list[_Made]], str]]:
        names = self._names()
        return [((address, made), names[address]) for address, made in self._by_host.items()]

    def _names(self) -> dict[str, str]:
        taken: set[str] = set()
        names = {}
        for address, made in self._by_host.items():
            name = made[0].item if len(made) == 1 else address
            if name in taken:
                name = f"{name[:30]} {address}"[:LONGEST_NAME]
            taken.add(name)
            names[address] = name[:LONGEST_NAME].strip()
        return names

    def _pod(self, address: str, made: list[_Made], name: str) -> Fields:
        tags = dict.fromkeys(tag for one in made for tag in one.tags)
        tags |= dict.fromkeys(sorted(self._extra_tags.get(address, ())))
        pod: Fields = {"name": name, "address": address}
        if tags:
            pod["tags"] = list(tags)[:MOST_TAGS]
        taken: set[str] = set()
        pod["checks"] = [_named_check(one, taken, is_alone=len(made) == 1) for one in made]
        return pod

    def _tags(self, what: str, tags: Sequence[str]) -> tuple[str, ...]:
        short = tuple(dict.fromkeys(" ".join(tag.split())[:LONGEST_TAG].strip() for tag in tags if tag.strip()))
        if len(short) > MOST_TAGS:
            self.change(what, f"only the first {MOST_TAGS} of its tags are kept")
        return short[:MOST_TAGS]


def _named_check(made: _Made, taken: set[str], is_alone: bool) -> Fields:
    if is_alone:
        return made.fields
    name = made.item[:LONGEST_NAME].strip()
    if name in taken or name in set(Kind):
        name = f"{name[:40]} {made.fields['checkType']} {len(taken) + 1}"
    taken.add(name)
    return {"name": name, **made.fields}


def plain_name(text: Any) -> str:
    """Return a name as ours may be: one line of visible text."""
    kept = "".join(c if c.isprintable() else " " for c in str(text))
    return " ".join(kept.split())[:LONGEST_NAME].strip() or "unnamed"


def threshold(foreign: Foreign, what: str, fails: int) -> int:
    """Return a failure threshold within our bounds, and say where it was beyond them."""
    if fails > _MOST_FAILS:
        foreign.change(what, f"unhealthy after {_MOST_FAILS} failures in place of {fails}, which is our most")
    return max(1, min(fails, _MOST_FAILS))


def timeout_of(foreign: Foreign, what: str, seconds: float, interval_s: int) -> float:
    """Return a timeout within our bounds, and say where it was beyond them."""
    kept = min(seconds, _MAX_TIMEOUT_S)
    if kept >= interval_s:
        kept = interval_s * 0.8
    kept = max(0.5, round(kept, 1))
    if abs(kept - seconds) > 0.05:
        foreign.change(
            what, f"its timeout is {kept:g} s in place of {seconds:g} s: at most 60 s, and below the interval"
        )
    return kept
