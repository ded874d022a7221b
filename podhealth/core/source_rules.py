"""What a source may be: which provider, how it is reached, which guests become pods, how often it is read.

Field names are those of the API, in and in errors.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from podhealth.core.errors import InputError
from podhealth.core.fields import flag, only_known, word
from podhealth.core.guests import Takes
from podhealth.core.provider_fields import check_source
from podhealth.core.readers import A_FLAG, Reader, a_line, a_list, a_whole_number, shape
from podhealth.core.words import ProviderKind

MAX_NAME = 63
MIN_EVERY_S, MAX_EVERY_S, EVERY_S = 60, 86_400, 300
MOST_TAKEN, _LONGEST_TAKEN = 20, 253
TOLD_AFTER, TOLD_AFTER_TRIES = timedelta(minutes=30), 3
KINDS = (ProviderKind.PROXMOX, ProviderKind.DOCKER)
REQUIRED = ("name", "kind", "config")
_TAKES = {ProviderKind.PROXMOX: ("tags", "pools", "everything"), ProviderKind.DOCKER: ("labels", "everything")}


@dataclass(frozen=True, slots=True)
class SourceRules:
    """One source as it may be stored. ``is_on``: it is read every ``every_s`` and its guests become pods."""

    name: str
    kind: ProviderKind
    config: Mapping[str, Any] = field(default_factory=dict, repr=False)
    takes: Takes = Takes()
    is_on: bool = False
    every_s: int = EVERY_S


def _an_object(at: str, value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InputError(at, "must be an object")
    return value


def _kind(at: str, value: object) -> ProviderKind:
    kind = word(at, value, ProviderKind)
    if kind not in KINDS:
        raise InputError(at, "must be proxmox or docker")
    return kind


_SOME = a_list(a_line(_LONGEST_TAKEN), MOST_TAKEN, f"must be a list of at most {MOST_TAKEN} names")
_TAKEN = {"tags": _SOME, "pools": _SOME, "labels": _SOME, "everything": A_FLAG}
# What ``config`` may hold depends on the kind and on what is stored: core/provider_fields says it.
READERS: Mapping[str, Reader] = {
    "name": a_line(MAX_NAME),
    "kind": Reader(_kind, {"type": "string", "enum": [kind.value for kind in KINDS]}),
    "config": Reader(_an_object, {"type": "object"}),
    "takes": Reader(_an_object, shape(_TAKEN)),
    "everySeconds": a_whole_number(MIN_EVERY_S, MAX_EVERY_S),
    "enabled": A_FLAG,
}
FIELDS = frozenset(READERS)
_COLUMNS = {"everySeconds": "every_s", "enabled": "is_on"}


def parse_source(
    fields: Mapping[str, object], networks: Sequence[str], existing: SourceRules | None = None
) -> SourceRules:
    """Return the source that ``fields`` ask for: a new one, or ``existing`` with what they change.

    ``networks``: the platform's. Raises InputError that names the first bad field.
    """
    only_known(fields, FIELDS, "a source")
    for name in REQUIRED if existing is None else ():
        if name not in fields:
            raise InputError(name, "is missing", code="missing")
    read = {name: reader(name, fields[name]) for name, reader in READERS.items() if name in fields}
    rules = existing or SourceRules("", read["kind"])
    if read.get("kind", rules.kind) != rules.kind:
        raise InputError("kind", "cannot be changed; add another source")
    if "config" in read:
        check_source(rules.kind, read["config"], networks, rules.config)
        read["config"] = {name: one for name, one in read["config"].items() if one is not None}
    if "takes" in read:
        read["takes"] = _takes(rules.kind, read["takes"])
    rules = replace(rules, **{_COLUMNS.get(name, name): value for name, value in read.items()})
    if rules.is_on and rules.takes == Takes():
        raise InputError("takes", "must say which guests become pods before the source is switched on", code="missing")
    return rules


def is_worth_telling(failures: int, failing_for: timedelta) -> bool:
    """Return whether people are told of a source: so many tries in a row without a good answer, for so long."""
    return failures >= TOLD_AFTER_TRIES and failing_for >= TOLD_AFTER


def _takes(kind: ProviderKind, given: Mapping[str, object]) -> Takes:
    for name in given:
        if name not in _TAKES[kind]:
            shown = ascii(name).strip("'\"")[:40]
            raise InputError(f"takes.{shown}", f"is none of {', '.join(_TAKES[kind])}", code="unknown_field")
    everything = flag("takes.everything", given.get("everything", False))
    named = {name: _SOME(f"takes.{name}", given[name]) for name in _TAKES[kind] if name in given and name in _LISTS}
    return Takes(**{name: tuple(dict.fromkeys(names)) for name, names in named.items()}, everything=everything)


_LISTS = ("tags", "pools", "labels")
