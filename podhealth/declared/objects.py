"""One object of a file, held against the stored one: judged by the rules that pages and API obey, and compared."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from podhealth.core.channel_fields import ChannelRules, parse_channel
from podhealth.core.check_rules import RUNNING, parse_check
from podhealth.core.errors import InputError
from podhealth.core.node_rules import parse_node
from podhealth.core.pod_rules import PodRules, parse_pod
from podhealth.core.policy import parse_policy
from podhealth.core.window_rules import parse_window
from podhealth.core.words import ChannelKind, Declared, Kind
from podhealth.declared.document import Entry
from podhealth.declared.fields import DEFAULTS, Fields, Ids, by_ids, default_of, flat, secrets_of, shown
from podhealth.declared.plan import Asked, Difference, Stored
from podhealth.declared.secrets import ANOTHER, HIDDEN, Settled, settle

REPORTING = frozenset({"process", "proxmox", "docker"})


class Judged(NamedTuple):
    """What a file makes of an object: its rules, all its fields as they are to be stored, and what is worth a look."""

    rules: Any
    wanted: Fields
    replaced: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()


def judge(entry: Entry, stored: Stored | None, ids: Ids, asked: Asked, pod: PodRules | None = None) -> Judged:
    """Return the object that an entry asks for. Raises InputError naming the field that is refused.

    ``pod``: whose check it is, as the file wants the pod.
    """
    if entry.noun is Declared.CHECK:
        return _check(entry, stored, pod)
    wanted = DEFAULTS[entry.noun] | entry.fields
    if entry.noun is Declared.POD:
        return _pod(wanted, stored, ids, asked)
    if entry.noun is Declared.CHANNEL:
        return _channel(wanted, stored, asked)
    if entry.noun is Declared.NODE:
        return Judged(parse_node(wanted, asked.networks[0]), wanted)
    if entry.noun is Declared.POLICY:
        return Judged(parse_policy(_with_action(wanted)), wanted)
    had = None if stored is None else stored.rules
    return Judged(_parse_window(by_ids(wanted, ids), had), wanted)


def _with_action(wanted: Mapping[str, Any]) -> Mapping[str, Any]:
    # Policies read "absent" and "null" of steps alike; the file's own absence of an action must stay one.
    return {name: value for name, value in wanted.items() if (name, value) != ("action", None)}


def _parse_window(fields: Mapping[str, Any], had: Any) -> Any:
    try:
        return parse_window(fields, had)
    except InputError as error:
        named = {"podIds": "pods", "nodeIds": "nodes"}.get(error.field, error.field)
        raise InputError(named, error.message.replace("podIds or nodeIds", "pods or nodes"), error.code) from None


def _pod(wanted: Fields, stored: Stored | None, ids: Ids, asked: Asked) -> Judged:
    had = None if stored is None else stored.rules
    config = wanted["providerConfig"]
    if config is not None and not isinstance(config, dict):
        raise InputError("providerConfig", "must be its settings and their values")
    before = (had.provider_config if had is not None else None) or {}
    found = _settled("providerConfig", config, before, Declared.POD, None, stored, asked)
    wanted = {**wanted, "providerConfig": found.config or None}
    if had is not None:  # what stands is not judged anew: networks may have changed since, and are asked at each probe
        stands = shown(Declared.POD, had, ids)
        wanted = {name: value for name, value in wanted.items() if name not in stands or stands[name] != value}
    try:
        rules = parse_pod(by_ids(wanted, ids), asked.networks, had)
    except InputError as error:
        named = {"nodeId": "node", "policyId": "policy", "sourceId": "source"}.get(error.field, error.field)
        raise InputError(named, error.message, error.code) from None
    return Judged(rules, wanted, frozenset(f"providerConfig.{one}" for one in found.replaced), found.unset)


def _settled(
    at: str, config: Any, before: Mapping[str, Any], noun: Declared, rules: Any, stored: Stored | None, asked: Asked
) -> Settled:
    if config is None:
        return Settled({}, frozenset(), ())
    opened = dict if stored is None else stored.opened
    return settle(at, config, before, secrets_of(noun, rules), asked.secrets, opened)


def _channel(wanted: Fields, stored: Stored | None, asked: Asked) -> Judged:
    had: ChannelRules | None = None if stored is None else stored.rules
    kind = had.kind if had is not None else _kind_of(wanted)
    config = wanted.get("config")
    if config is not None and not isinstance(config, dict):
        raise InputError("config", "must be its settings and their values")
    sealed = {} if had is None else had.config
    names = ChannelRules("", kind)
    if kind == ChannelKind.WEBHOOK:  # its own secret is made by PodHealth, and no field of it
        found = Settled(dict(config or {}), frozenset(), ())
    else:
        found = _settled("config", config, sealed, Declared.CHANNEL, names, stored, asked)
    # A stored secret that stays is not said again: read as text, it would be a new one.
    said = {name: value for name, value in found.config.items() if value is not sealed.get(name) or name == "to"}
    wanted = {**wanted, "config": said}
    rules = parse_channel(wanted, asked.platform, had)
    return Judged(rules, wanted, frozenset(f"config.{one}" for one in found.replaced), found.unset)


def _kind_of(wanted: Mapping[str, Any]) -> ChannelKind:
    if "kind" not in wanted:
        raise InputError("kind", "is missing", code="missing")
    try:
        return ChannelKind(wanted["kind"])
    except ValueError:
        raise InputError("kind", "must be one of " + ", ".join(ChannelKind)) from None


def _check(entry: Entry, stored: Stored | None, pod: PodRules | None) -> Judged:
    fields = entry.fields
    is_running = Kind.RUNNING.value in (fields.get("checkType"), entry.name)
    if is_running and stored is None and (pod is None or pod.provider.value not in REPORTING):
        raise InputError("checkType", "the check running comes with a provider, and this pod has none that reports")
    if is_running:
        known = parse_check(fields | {"checkType": Kind.RUNNING.value}, RUNNING if stored is None else stored.rules)
        return Judged(known, dict(fields))
    rules = parse_check(fields)
    if stored is not None and stored.rules.kind != rules.kind:
        raise InputError(
            "checkType", f"{entry.name} is a check of kind {stored.rules.kind}: give this one another name"
        )
    return Judged(rules, dict(fields))


def differences(noun: Declared, judged: Judged, stored: Stored | None, ids: Ids) -> tuple[Difference, ...]:
    """Return the fields in which the object that is asked for differs from the stored one; of a new one, all it has."""
    after = flat(shown(noun, judged.rules, ids))
    before = {} if stored is None else flat(shown(noun, stored.rules, ids))
    usual = flat(default_of(noun, judged.rules)) if stored is None else {}
    hidden = {f"{at}.{name}" for at in ("providerConfig", "config") for name in secrets_of(noun, judged.rules)}
    found = []
    for name in dict.fromkeys((*after, *before)):
        old, new = before.get(name), after.get(name)
        if old == new or (stored is None and (new in (None, [], {}) or usual.get(name) == new)):
            continue
        if name in hidden:
            old, new = (None if one is None else HIDDEN for one in (old, new))
            new = ANOTHER if old == new else new
        found.append(Difference(name, old, new))
    return tuple(one for one in found if one.field != "name")
