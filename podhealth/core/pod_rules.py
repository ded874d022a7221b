"""What a pod may be: every field with its bounds and defaults (behaviour §2).

Field names are those of the API, in and in errors. Whether its policy and node exist is asked where they are stored.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from podhealth.core.address import parse_host, why_host_refused
from podhealth.core.errors import InputError
from podhealth.core.fields import json_value, only_known, text
from podhealth.core.phase import MAX_START_DEADLINE_S, MIN_START_DEADLINE_S
from podhealth.core.provider_fields import check_provider
from podhealth.core.readers import AN_ID, Reader, a_line, a_whole_number, a_word, or_null, tags
from podhealth.core.readers import MAX_ID as MAX_ID
from podhealth.core.words import DesiredState, ProviderKind

MAX_NAME = 63
MAX_ADDRESS = 253
MAX_TAGS = 20
MAX_TAG = 63
MAX_REF = 253
MAX_CONFIG = 16_000


@dataclass(frozen=True, slots=True)
class PodRules:
    """One pod as it may be stored; ``address`` in its plain spelling, ``tags`` without doubles, in the order given."""

    name: str
    address: str
    tags: tuple[str, ...] = ()
    provider: ProviderKind = ProviderKind.NONE
    provider_ref: str | None = None
    provider_config: Mapping[str, Any] | None = None
    desired_state: DesiredState = DesiredState.RUNNING
    start_deadline_s: int | None = None
    node_id: int | None = None
    policy_id: int | None = None
    source_id: int | None = None


def _config(field: str, value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InputError(field, "must be an object")
    json_value(field, value, MAX_CONFIG)
    return value


_READERS: dict[str, tuple[str, Reader]] = {
    "name": ("name", a_line(MAX_NAME)),
    "tags": ("tags", tags(MAX_TAGS, MAX_TAG)),
    "provider": ("provider", a_word(ProviderKind)),
    "providerRef": ("provider_ref", or_null(a_line(MAX_REF))),
    "providerConfig": ("provider_config", or_null(Reader(_config, {"type": "object"}))),
    "desiredState": ("desired_state", a_word(DesiredState)),
    "startDeadlineSeconds": (
        "start_deadline_s",
        or_null(a_whole_number(int(MIN_START_DEADLINE_S), int(MAX_START_DEADLINE_S))),
    ),
    "nodeId": ("node_id", or_null(AN_ID)),
    "policyId": ("policy_id", or_null(AN_ID)),
    "sourceId": ("source_id", or_null(AN_ID)),
}
ADDRESS_SCHEMA = {"type": "string", "minLength": 1, "maxLength": MAX_ADDRESS, "examples": ["10.0.0.7"]}
READERS = {name: reader for name, (_, reader) in _READERS.items()}
FIELDS = frozenset(_READERS) | {"address"}
_OF_PROVIDER = frozenset({"provider", "providerRef", "providerConfig", "sourceId"})
_BY_SOURCE = (ProviderKind.PROXMOX, ProviderKind.DOCKER)


def parse_pod(
    fields: Mapping[str, object],
    networks: Sequence[Sequence[str]],
    existing: PodRules | None = None,
) -> PodRules:
    """Return the pod that ``fields`` ask for: a new one, or ``existing`` with what they change.

    ``networks``: one or more lists of allowed networks, in each of which the address must lie (the platform's, and
    the tenant's where it has its own). A name is judged by its text now and by its addresses each time it is used.

    Raises InputError that names the first bad field.
    """
    only_known(fields, FIELDS, "a pod")
    if existing is None and "name" not in fields:
        raise InputError("name", "is missing", code="missing")
    if existing is None and "address" not in fields:
        raise InputError("address", "is missing", code="missing")
    readers = {"address": ("address", Reader(partial(_address, networks), {})), **_READERS}
    changes = {column: read(field, fields[field]) for field, (column, read) in readers.items() if field in fields}
    rules = PodRules(**changes) if existing is None else replace(existing, **changes)
    if _OF_PROVIDER & set(fields):
        before = (existing.provider_config if existing is not None else None) or {}
        by_source = rules.source_id is not None
        if by_source and rules.provider not in _BY_SOURCE:
            raise InputError("sourceId", "is for pods of proxmox and docker only")
        config = rules.provider_config or {}
        check_provider(rules.provider, rules.provider_ref, config, networks[0], before, by_source=by_source)
    return rules


def _address(networks: Sequence[Sequence[str]], field: str, value: object) -> str:
    written = text(field, value, MAX_ADDRESS)
    for allowed in networks:
        if why := why_host_refused(written, allowed):
            raise InputError(field, why)
    return str(parse_host(written))
