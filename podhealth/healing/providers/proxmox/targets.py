"""Where a guest can be migrated to: an online node that was not tried, with the most free memory, if it fits."""

from collections.abc import Collection, Iterable

from podhealth.core.errors import ActionImpossible
from podhealth.healing.providers.proxmox.cluster import Guest, MigrationFacts, Node


def choose(guest: Guest, nodes: Iterable[Node], tried: Collection[str], facts: MigrationFacts) -> str:
    """Return the node to migrate to. Raises ActionImpossible, saying why, where there is none."""
    if facts.bound_by:
        raise ActionImpossible(f"the guest cannot leave node {guest.node}: {facts.bound_by}")
    others = [n for n in nodes if n.name != guest.node and n.is_online and not n.is_in_maintenance]
    untried = [n for n in others if n.name not in tried]
    if not untried:
        raise ActionImpossible("no other node is online" if not others else "every other node online was tried already")
    allowed = [n for n in untried if facts.allowed is None or n.name in facts.allowed]
    if not allowed:
        raise ActionImpossible("Proxmox allows the guest on none of the nodes left")
    fitting = [n for n in allowed if n.free_bytes is not None and n.free_bytes >= guest.memory_bytes]
    if not fitting:
        raise ActionImpossible(_why_none_fits(guest, allowed))
    return max(fitting, key=lambda n: (n.free_bytes or 0, n.name)).name


def _why_none_fits(guest: Guest, allowed: Iterable[Node]) -> str:
    if all(n.free_bytes is None for n in allowed):
        return "the token may not see how much memory the nodes have (Sys.Audit on /nodes)"
    return f"no node left has the {guest.memory_bytes >> 20:,} MiB of memory free that the guest needs"
