"""What a node may be, a tenant's or the platform's: its name and its address, each with its bounds (behaviour §2).

Field names are those of the API, in and in errors. Whether the name is taken is asked where nodes are stored.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from podhealth.core.address import is_forbidden, parse_host, why_host_refused
from podhealth.core.errors import InputError
from podhealth.core.fields import line, only_known, text
from podhealth.core.readers import Reader, a_line, nullable

MAX_NAME = 63
MAX_ADDRESS = 253
ADDRESS_SCHEMA = {"type": "string", "minLength": 1, "maxLength": MAX_ADDRESS}
READERS = {"name": a_line(MAX_NAME), "address": Reader(lambda _field, value: value, nullable(ADDRESS_SCHEMA))}
FIELDS = frozenset(READERS)


@dataclass(frozen=True, slots=True)
class NodeRules:
    """One node as it may be stored; ``address`` in its plain spelling, null where it is not to be asked."""

    name: str
    address: str | None = None

    def as_fields(self) -> dict[str, str | None]:
        """Return them by their names, as ``parse_node`` takes them and as they are stored."""
        return {"name": self.name, "address": self.address}


def parse_node(fields: Mapping[str, object], networks: Sequence[str], existing: NodeRules | None = None) -> NodeRules:
    """Return the node that ``fields`` ask for: a new one, or ``existing`` with what they change.

    Its address may lie outside the platform's ``networks``: hypervisors stand in one of their own. Raises InputError
    that names the first bad field; one that is refused for what it is (loopback, metadata …) is a bad one.
    """
    only_known(fields, FIELDS, "a node")
    if existing is None and "name" not in fields:
        raise InputError("name", "is missing", code="missing")
    rules = existing or NodeRules("")
    if "name" in fields:
        rules = replace(rules, name=line("name", fields["name"], MAX_NAME))
    if "address" in fields:
        given = fields["address"]
        rules = replace(rules, address=None if given is None else _address(given, networks))
    return rules


def _address(given: object, networks: Sequence[str]) -> str:
    written = text("address", given, MAX_ADDRESS)
    why = why_host_refused(written, networks)
    try:
        host = parse_host(written)
        is_refused = why is not None and (isinstance(host, str) or is_forbidden(host, networks))
    except ValueError:
        is_refused = True
    if is_refused:
        raise InputError("address", why or "is no address")
    return str(parse_host(written))
