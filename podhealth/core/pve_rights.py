"""What a Proxmox token may do, against what healing needs of it (docs/providers.md).

Knows nothing of how Proxmox is asked.
"""

from collections.abc import Collection, Mapping
from typing import Any

LOOK, HEAL, MOVE = "VM.Audit", "VM.PowerMgmt", "VM.Migrate"
NODES = "Sys.Audit"
# What healing and sync have a use for; more than that is somebody else's power in our hands.
_USEFUL = frozenset({LOOK, HEAL, MOVE, NODES, "VM.Monitor", "VM.GuestAgent.Audit", "Pool.Audit", "Datastore.Audit"})
# Those that hand the whole cluster over.
_DANGEROUS = ("Permissions.Modify", "Sys.Modify", "Sys.PowerMgmt", "Realm.Allocate", "User.Modify", "VM.Allocate")


def granted(rights: Mapping[str, Any], path: str) -> frozenset[str]:
    """Return the privileges on a path: its own entry, else the nearest one above that is handed down.

    ``rights`` is the answer of ``/access/permissions``: by path, each privilege with 1 where it is handed down.
    """
    if isinstance(own := rights.get(path), Mapping):
        return frozenset(own)
    above = path
    while above != "/":
        above = above.rpartition("/")[0] or "/"
        if isinstance(found := rights.get(above), Mapping):
            return frozenset(name for name, is_handed_down in found.items() if is_handed_down)
    return frozenset()


def lacking(rights: Mapping[str, Any], vmid: str, moves: bool) -> tuple[str, ...]:
    """Return the privileges that healing this guest needs and the token has not. ``moves``: policies migrate it."""
    has = granted(rights, f"/vms/{vmid}")
    needed = (LOOK, HEAL, MOVE) if moves else (LOOK, HEAL)
    missing = [name for name in needed if name not in has]
    if moves and NODES not in granted(rights, "/nodes"):
        missing.append(NODES)
    return tuple(missing)


def needless(rights: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the dangerous privileges that the token has on any path, and that nothing here needs."""
    has: Collection[str] = {name for one in rights.values() if isinstance(one, Mapping) for name in one}
    return tuple(name for name in _DANGEROUS if name in has and name not in _USEFUL)
