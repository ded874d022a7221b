"""Writes a tenant's objects as a file that changes nothing where it is read back; secrets by reference only."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import yaml

from podhealth.core.errors import Conflict
from podhealth.core.words import Declared, Kind
from podhealth.declared.document import VERSION
from podhealth.declared.fields import SECTIONS, Fields, Ids, default_of, secrets_of, shown, usual_options
from podhealth.declared.plan import State, Stored

SCHEMA_FILE = "podhealth-config.schema.json"
HEAD = f"# yaml-language-server: $schema={SCHEMA_FILE}\n# (podhealth export --schema > {SCHEMA_FILE})\n"
_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_INNER = {Declared.POD: "providerConfig", Declared.CHANNEL: "config"}


def export(state: State) -> str:
    """Return what the tenant has as YAML. Raises Conflict where two policies have one name, so that no file could."""
    if state.ids.doubled:
        name = min(state.ids.doubled)
        raise Conflict(f"there are several policies called {name}: rename one of them first, names stand for objects")
    document: dict[str, Any] = {"version": VERSION}
    for section, noun in SECTIONS.items():
        objects = sorted(state.objects[noun].values(), key=lambda one: one.name)
        if objects:
            document[section] = [_object(noun, one, state) for one in objects]
    return HEAD + as_yaml(document)


def as_yaml(document: Mapping[str, Any]) -> str:
    """Return plain data as YAML in the order it has."""
    text: str = yaml.dump(
        document, Dumper=_DUMPER, sort_keys=False, allow_unicode=True, default_flow_style=False, width=1_000
    )
    return text


def _object(noun: Declared, stored: Stored, state: State) -> Fields:
    fields = shown(noun, stored.rules, state.ids)
    if noun in _INNER:
        fields[_INNER[noun]] = _by_reference(noun, stored, fields[_INNER[noun]])
    said = _without_defaults(fields, default_of(noun, stored.rules))
    if noun is Declared.POD:
        if said.get("desiredState") == "running":
            del said["desiredState"]
        if said.get("node") is None:
            said.pop("node", None)
        listed = state.checks.get(stored.object_id, {}).values()
        written = [_check(one) for one in sorted(listed, key=lambda one: one.name)]
        said["checks"] = [one for one in written if one is not None]
    return said


def _without_defaults(fields: Fields, defaults: Fields) -> Fields:
    return {name: value for name, value in fields.items() if name not in defaults or defaults[name] != value}


def _check(stored: Stored) -> Fields | None:
    rules = stored.rules
    fields = _without_defaults(shown(Declared.CHECK, rules, Ids()), default_of(Declared.CHECK, rules))
    if rules.kind == Kind.RUNNING:
        return None if rules.enabled else {"name": rules.name, "checkType": rules.kind.value, "enabled": False}
    fields["config"] = _without_defaults(fields.get("config", {}), usual_options(rules.kind))
    target = fields.get("target")
    if rules.kind in (Kind.TCP, Kind.AGENT) and target is not None:
        fields["target"] = int(target)
    named = {} if rules.name == rules.kind.value else {"name": rules.name}
    kept = {name: value for name, value in fields.items() if name not in ("name", "checkType")}
    return {**named, "checkType": rules.kind.value, **{n: v for n, v in kept.items() if v not in (None, {})}}


def _by_reference(noun: Declared, stored: Stored, config: Mapping[str, Any] | None) -> Fields | None:
    if config is None:
        return None
    names = secrets_of(noun, stored.rules)
    return {
        name: "${" + _reference(noun, stored, config, name) + "}" if name in names else value
        for name, value in config.items()
    }


def _reference(noun: Declared, stored: Stored, config: Mapping[str, Any], name: str) -> str:
    # A token of Proxmox is one and the same secret in all of its pods.
    whose = f"{noun.value} {stored.name}"
    if isinstance(config.get("tokenId"), str):
        whose = f"proxmox {urlsplit(str(config.get('url'))).hostname} {config['tokenId']}"
    return variable(f"{whose} {name}")


def variable(text: str) -> str:
    """Return a text that begins with a word as the name of an environment variable."""
    return re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_").upper()[:100]
