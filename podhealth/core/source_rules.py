"""What a source may be: which provider, how it is reached, which guests become pods, how often it is read.

Field names are those of the API, in and in errors.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from podhealth.core.errors import InputError
from podhealth.core.fields import flag, line, only_known, whole_number, word
from podhealth.core.guests import Takes
from podhealth.core.provider_fields import check_source
from podhealth.core.words import ProviderKind

MAX_NAME = 63
MIN_EVERY_S, MAX_EVERY_S, EVERY_S = 60, 86_400, 300
MOST_TAKEN = 20
KINDS = (ProviderKind.PROXMOX, ProviderKind.DOCKER)
FIELDS = frozenset({"name", "kind", "config", "takes", "enabled", "everySeconds"})
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


def parse_source(
    fields: Mapping[str, object], networks: Sequence[str], existing: SourceRules | None = None
) -> SourceRules:
    """Return the source that ``fields`` ask for: a new one, or ``existing`` with what they change.

    ``networks``: the platform's. Raises InputError that names the first bad field.
    """
    only_known(fields, FIELDS, "a source")
    for name in ("name", "kind", "config") if existing is None else ():
        if name not in fields:
            raise InputError(name, "is missing", code="missing")
    rules = existing or SourceRules("", _kind(fields["kind"]))
    if _kind(fields.get("kind", rules.kind)) != rules.kind:
        raise InputError("kind", "cannot be changed; add another source")
    readers: dict[str, tuple[str, Callable[[Any], Any]]] = {
        "name": ("name", lambda value: line("name", value, MAX_NAME)),
        "config": ("config", lambda value: _config(rules, value, networks)),
        "takes": ("takes", lambda value: _takes(rules.kind, value)),
        "everySeconds": ("every_s", lambda value: whole_number("everySeconds", value, MIN_EVERY_S, MAX_EVERY_S)),
        "enabled": ("is_on", lambda value: flag("enabled", value)),
    }
    changes = {column: read(fields[name]) for name, (column, read) in readers.items() if name in fields}
    rules = replace(rules, **changes)
    if rules.is_on and rules.takes == Takes():
        raise InputError("takes", "must say which guests become pods before the source is switched on", code="missing")
    return rules


def _kind(value: object) -> ProviderKind:
    kind = word("kind", value, ProviderKind)
    if kind not in KINDS:
        raise InputError("kind", "must be proxmox or docker")
    return kind


def _config(rules: SourceRules, value: object, networks: Sequence[str]) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise InputError("config", "must be an object")
    check_source(rules.kind, value, networks, rules.config)
    return {name: one for name, one in value.items() if one is not None}


def _takes(kind: ProviderKind, value: object) -> Takes:
    if not isinstance(value, dict):
        raise InputError("takes", "must be an object")
    for name in value:
        if name not in _TAKES[kind]:
            raise InputError(f"takes.{str(name)[:60]}", f"must be {' or '.join(_TAKES[kind])}", code="unknown_field")
    everything = flag("takes.everything", value.get("everything", False))
    named = {name: _names(f"takes.{name}", value[name]) for name in _TAKES[kind] if name in value}
    named.pop("everything", None)
    return Takes(**named, everything=everything)


def _names(at: str, value: object) -> tuple[str, ...]:
    if isinstance(value, bool):
        return ()
    if not isinstance(value, list | tuple) or len(value) > MOST_TAKEN:
        raise InputError(at, f"must be a list of at most {MOST_TAKEN}")
    return tuple(dict.fromkeys(line(at, one, 253) for one in value))
