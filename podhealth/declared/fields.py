"""The fields of each kind of object in a file: which there are, their defaults, and how names stand for ids.

A field that a file leaves out has its default, but for those that the world moves: a pod's node and desired state
stay as they are, and so do secrets (docs/adr/0009).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from podhealth.core import check_rules, pod_rules, window_rules
from podhealth.core.channel_fields import CHANNEL_SECRETS
from podhealth.core.check_options import parse_options
from podhealth.core.check_rules import CheckRules, parse_check
from podhealth.core.errors import InputError
from podhealth.core.ladder import PolicyRules
from podhealth.core.policy import policy_fields
from podhealth.core.provider_fields import SECRETS
from podhealth.core.window_rules import window_fields
from podhealth.core.words import ChannelKind, Declared, Kind
from podhealth.declared.faults import Path

Fields = dict[str, Any]

SECTIONS = {
    "nodes": Declared.NODE,
    "policies": Declared.POLICY,
    "pods": Declared.POD,
    "windows": Declared.WINDOW,
    "channels": Declared.CHANNEL,
}
_POLICY = policy_fields(PolicyRules(""))
KNOWN: dict[Declared, frozenset[str]] = {
    Declared.NODE: frozenset({"name", "address"}),
    Declared.POLICY: frozenset(_POLICY),
    Declared.POD: pod_rules.FIELDS - {"nodeId", "policyId", "sourceId"} | {"node", "policy", "source", "checks"},
    Declared.CHECK: check_rules.FIELDS,
    Declared.WINDOW: window_rules.FIELDS - {"podIds", "nodeIds"} | {"pods", "nodes"},
    Declared.CHANNEL: frozenset({"name", "kind", "enabled", "config", "routes"}),
}
DEFAULTS: dict[Declared, Fields] = {
    Declared.NODE: {"address": None},
    Declared.POLICY: {name: value for name, value in _POLICY.items() if name not in ("name", "action")},
    Declared.POD: {
        "tags": [],
        "provider": "none",
        "providerRef": None,
        "providerConfig": None,
        "startDeadlineSeconds": None,
        "policy": None,
        "source": None,
    },
    Declared.WINDOW: {
        "recurrence": None,
        "holds": "heals_and_alerts",
        "allPods": False,
        "tags": [],
        "pods": [],
        "nodes": [],
        "enabled": True,
    },
    Declared.CHANNEL: {"enabled": True, "routes": []},
}
_INNER = {Declared.POD: "providerConfig", Declared.CHECK: "config", Declared.CHANNEL: "config"}
_REFERS = {"node": "nodeId", "policy": "policyId", "source": "sourceId"}
_REFERS_TO_MANY = {"pods": ("podIds", "pod"), "nodes": ("nodeIds", "node")}


@dataclass
class Ids:
    """The ids of what is called by name, kind by kind: ``pod``, ``node``, ``policy``, ``source``."""

    by_name: dict[str, dict[str, int]] = field(default_factory=lambda: {k: {} for k in ("pod", *_REFERS)})
    doubled: frozenset[str] = frozenset()  # names that several policies have

    def of(self, what: str, name: object, at: str) -> int:
        """Return the id. Raises InputError(at) where nothing is called so, or several are."""
        found = self.by_name[what].get(name) if isinstance(name, str) else None
        if found is None:
            raise InputError(at, f"there is no {what} called {ascii(name)[:80]}")
        if what == "policy" and name in self.doubled:
            raise InputError(at, f"there are several policies called {name}: rename one of them first")
        return found

    def names(self, what: str) -> dict[int, str]:
        """Return the names by id."""
        return {object_id: name for name, object_id in self.by_name[what].items()}


def by_ids(wanted: Mapping[str, Any], ids: Ids) -> Fields:
    """Return the fields of a file as the API takes them: names have become ids. Raises InputError for a stranger's."""
    fields = {name: value for name, value in wanted.items() if name not in (*_REFERS, *_REFERS_TO_MANY)}
    for what, column in _REFERS.items():
        if what in wanted:
            fields[column] = None if wanted[what] is None else ids.of(what, wanted[what], what)
    for name, (column, what) in _REFERS_TO_MANY.items():
        if name in wanted:
            if not isinstance(wanted[name], list):
                raise InputError(name, "must be a list of names")
            fields[column] = [ids.of(what, one, name) for one in wanted[name]]
    return fields


def shown(noun: Declared, rules: Any, ids: Ids) -> Fields:
    """Return the rules of an object in the fields of a file, all of them; secrets as they are stored."""
    fields: Fields = _SHOWN[noun](rules, ids)
    return fields


def _node(rules: Any, _ids: Ids) -> Fields:
    return {"name": rules.name, "address": rules.address}


def _pod(rules: Any, ids: Ids) -> Fields:
    return {
        "name": rules.name,
        "address": rules.address,
        "node": ids.names("node").get(rules.node_id),
        "tags": list(rules.tags),
        "provider": rules.provider.value,
        "providerRef": rules.provider_ref,
        "providerConfig": {n: v for n, v in (rules.provider_config or {}).items() if v is not None} or None,
        "source": ids.names("source").get(rules.source_id),
        "desiredState": rules.desired_state.value,
        "startDeadlineSeconds": rules.start_deadline_s,
        "policy": ids.names("policy").get(rules.policy_id),
    }


def _check(rules: CheckRules, _ids: Ids) -> Fields:
    # An option that is not stored has its default; an agent's grace is its target too.
    config = {n: v for n, v in (usual_options(rules.kind) | dict(rules.config)).items() if n != "graceSeconds"}
    return rules.as_fields() | {"config": config}


def usual_options(kind: Kind) -> Fields:
    """Return the options of a check of this kind of which nothing is said."""
    return parse_options(kind, {}, {})


def _window(rules: Any, ids: Ids) -> Fields:
    fields = window_fields(rules)
    for name, (column, what) in _REFERS_TO_MANY.items():
        names = ids.names(what)
        fields[name] = sorted(names[one] for one in fields.pop(column) if one in names)
    return fields


def _channel(rules: Any, _ids: Ids) -> Fields:
    routes = [{"severity": one.severity.value, "tags": sorted(one.tags)} for one in rules.routes]
    config = {name: value for name, value in rules.config.items() if (rules.kind, name) != _OURS}
    return {
        "name": rules.name,
        "kind": rules.kind.value,
        "enabled": rules.enabled,
        "config": config,
        "routes": routes,
    }


_OURS = (ChannelKind.WEBHOOK, "secret")  # made by PodHealth and shown once; no file gives it
_SHOWN: dict[Declared, Any] = {
    Declared.NODE: _node,
    Declared.POLICY: lambda rules, _ids: policy_fields(rules),
    Declared.POD: _pod,
    Declared.CHECK: _check,
    Declared.WINDOW: _window,
    Declared.CHANNEL: _channel,
}


def secrets_of(noun: Declared, rules: Any) -> frozenset[str]:
    """Return which settings of an object are secret, inside its ``providerConfig`` or ``config``."""
    if noun is Declared.POD:
        return SECRETS
    return CHANNEL_SECRETS[rules.kind] if noun is Declared.CHANNEL else frozenset()


def default_of(noun: Declared, rules: Any) -> Fields:
    """Return what such an object is where nothing but what it needs is said of it."""
    return check_defaults(rules) if noun is Declared.CHECK else DEFAULTS[noun]


def check_defaults(rules: CheckRules) -> Fields:
    """Return the fields of a check of which only the kind, interval and severity are said."""
    if rules.kind == Kind.RUNNING:
        return check_rules.RUNNING.as_fields()
    said: Fields = {"checkType": rules.kind.value, "severity": rules.severity.value}
    said |= {"intervalSeconds": rules.interval_seconds}
    if rules.kind == Kind.TCP:
        said["target"] = 1
    fields = _check(parse_check(said), Ids()) | {"intervalSeconds": 60, "severity": "critical"}
    return {name: value for name, value in fields.items() if name not in ("checkType", "target")}


def flat(fields: Mapping[str, Any]) -> Fields:
    """Return the fields with those of an inner object by names of their own, as ``config.port``."""
    found: Fields = {}
    for name, value in fields.items():
        if name in ("config", "providerConfig") and isinstance(value, Mapping):
            found |= {f"{name}.{inner}": one for inner, one in value.items()}
        else:
            found[name] = value
    return found


def without_doubles(names: Iterable[str]) -> frozenset[str]:
    """Return the names that come more than once."""
    seen: set[str] = set()
    return frozenset(name for name in names if name in seen or seen.add(name))  # type: ignore[func-returns-value]


def place_of(noun: Declared, path: Path, field: str) -> Path:
    """Return the place of a file that the rules call ``field``, of the object at ``path``: ``routes[1].tags``.

    They name what an inner object holds by its own name alone.
    """
    found: list[str | int] = []
    for part in field.split("."):
        name, *numbers = part.replace("]", "").split("[")
        found += [name, *(int(number) for number in numbers if number.isdigit())]
    inner = _INNER.get(noun)
    if inner is not None and found[0] not in KNOWN[noun]:
        found.insert(0, inner)
    return (*path, *found)
