"""The questions asked of a Proxmox cluster and its answers, as plain values; the tasks that are begun there.

Nothing is believed that does not look as it should. How the cluster is reached, and what is to be done with a guest,
is not known here.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from proxmoxer.core import ProxmoxResource, ResourceException

from podhealth.core.errors import ProviderError
from podhealth.core.gates import HA
from podhealth.core.words import ActualState
from podhealth.healing.providers.base import PodRef, plain, setting
from podhealth.healing.providers.proxmox.phases import Phase

_NODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,62}", re.ASCII)
_REF = re.compile(r"([A-Za-z0-9][A-Za-z0-9.-]{0,62})/([1-9][0-9]{2,8})", re.ASCII)
_UPID = re.compile(
    r"UPID:(?P<node>[A-Za-z0-9][A-Za-z0-9.-]{0,62}):[0-9A-F]{8}:[0-9A-F]{8,9}:(?P<start>[0-9A-F]{8})"
    r":(?P<type>[a-z0-9]{1,30}):(?P<id>[^:\s/]{0,60}):(?P<user>[^:\s/]{1,100}):",
    re.ASCII,
)


class Guest(NamedTuple):
    """A guest as the cluster lists it. ``kind`` is ``qemu`` or ``lxc``."""

    vmid: int
    kind: str
    name: str
    node: str
    memory_bytes: int


class Node(NamedTuple):
    """A node as the cluster lists it; ``free_bytes`` is null where the token may not know."""

    name: str
    is_online: bool
    is_in_maintenance: bool = False
    free_bytes: int | None = None


class Current(NamedTuple):
    """How a guest is now. ``lock``: who is busy with it, ``ha`` where the HA manager owns it."""

    actual: ActualState
    status: str
    lock: str | None
    uptime: int


class MigrationFacts(NamedTuple):
    """What Proxmox says before a migration: the nodes it allows (null: not said), and what ties the guest down."""

    allowed: frozenset[str] | None = None
    bound_by: str | None = None


class Ended(NamedTuple):
    """How a task went."""

    is_ok: bool
    message: str


class Upid(NamedTuple):
    """A task's name at Proxmox, and what it tells."""

    text: str
    node: str
    started_at: float
    type: str
    vmid: str
    user: str

    @classmethod
    def parse(cls, text: object) -> "Upid":
        """Return a task's name taken apart. Raises ProviderError for what is none."""
        found = _UPID.fullmatch(text) if isinstance(text, str) else None
        if found is None:
            raise ProviderError("Proxmox answered something that names no task")
        start = float(int(found["start"], 16))
        return cls(found[0], found["node"], start, found["type"], found["id"], found["user"])


def _rows(answer: object) -> list[Mapping[str, Any]]:
    if not isinstance(answer, list) or not all(isinstance(row, dict) for row in answer):
        raise ProviderError("Proxmox answered something that is no list")
    return answer


def _number(value: object) -> int | None:
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e18 else None


class Cluster:
    """The questions that are asked in a conversation, and the tasks that are begun."""

    def __init__(self, api: ProxmoxResource, token_id: str) -> None:
        self._api, self._token_id = api, token_id

    def find(self, pod: PodRef) -> tuple[Guest, dict[str, Node]]:
        """Return the pod's guest, where it is now, and all nodes.

        Raises ProviderError, permanent, where no such guest is seen, or one of that number but another name: numbers
        are given away again, and a stranger must not be touched.
        """
        ref = _REF.fullmatch(pod.ref or "")
        if ref is None:
            raise ProviderError("the pod's provider reference must be node/vmid", permanent=True)
        rows = _rows(self._api(["cluster", "resources"]).get())
        guests = [row for row in rows if row.get("type") in ("qemu", "lxc")]
        if not guests:
            raise ProviderError("Proxmox shows the token no guest at all: has it lost its permissions?", permanent=True)
        mine = [row for row in guests if row.get("vmid") == int(ref[2])]
        if len(mine) != 1:
            raise ProviderError(f"Proxmox has no guest {ref[2]} that the token may see", permanent=True)
        guest = _guest(mine[0])
        wanted = setting(pod, "guestName") or pod.name
        if guest.name.casefold() != wanted.casefold():
            message = f"guest {guest.vmid} is {plain(guest.name)[:60]}, not {wanted}: guestName must say which is meant"
            raise ProviderError(message, permanent=True)
        nodes = {node.name: node for node in map(_node, rows) if node is not None}
        nodes.setdefault(guest.node, Node(guest.node, is_online=True))
        return guest, nodes

    def guest_rows(self) -> list[Mapping[str, Any]]:
        """Return what the cluster lists of all guests that the token may see."""
        rows = _rows(self._api(["cluster", "resources"]).get(type="vm"))
        return [row for row in rows if row.get("type") in ("qemu", "lxc")]

    def rights(self) -> Mapping[str, Any]:
        """Return what the token may do, by path."""
        answer = self._api(["access", "permissions"]).get()
        if not isinstance(answer, dict) or not all(isinstance(one, dict) for one in answer.values()):
            raise ProviderError("Proxmox does not say what the token may do")
        return answer

    def config_of(self, node: str, kind: str, vmid: str) -> Mapping[str, Any]:
        """Return a guest's configuration."""
        row = self._api(["nodes", node, kind, vmid, "config"]).get()
        if not isinstance(row, dict):
            raise ProviderError("Proxmox answered something that is no configuration")
        return row

    def addresses_of(self, node: str, kind: str, vmid: str) -> list[str]:
        """Return the addresses that a running guest tells, loopback and link-local ones left out."""
        path = ["nodes", node, kind, vmid]
        told = self._api([*path, "interfaces"] if kind == "lxc" else [*path, "agent", "network-get-interfaces"]).get()
        cards = told.get("result") if isinstance(told, dict) else told
        found = [one for card in cards or () if isinstance(card, dict) for one in _addresses_of_card(card)]
        return [one for one in found if not one.startswith(("127.", "169.254.", "fe80:", "::1"))]

    def current(self, guest: Guest) -> Current:
        """Return how a guest is now; what the cluster lists may be ten seconds old."""
        row = self._api(["nodes", guest.node, guest.kind, str(guest.vmid), "status", "current"]).get()
        status = row.get("status") if isinstance(row, dict) else None
        if status not in ("running", "stopped"):
            raise ProviderError("Proxmox does not say whether the guest runs")
        ha = row.get("ha")
        is_managed = isinstance(ha, dict) and bool(_number(ha.get("managed"))) and ha.get("state") != "ignored"
        lock = row.get("lock")
        held = plain(lock)[:60] if lock else HA if is_managed else None
        seen = row.get("qmpstatus") or status
        return Current(ActualState(status), plain(seen)[:30], held, _number(row.get("uptime")) or 0)

    def begin(self, guest: Guest, phase: Phase, grace_s: int, target: str, is_running: bool) -> Upid:
        """Begin a task on a guest and return its name."""
        path = ["nodes", guest.node, guest.kind, str(guest.vmid)]
        values: dict[str, Any] = {}
        if phase in (Phase.REBOOT, Phase.SHUTDOWN):
            values["timeout"] = grace_s
        if phase == Phase.SHUTDOWN:
            values["forceStop"] = 1
        if phase == Phase.MIGRATE:
            values["target"] = target
            if is_running:
                values["online" if guest.kind == "qemu" else "restart"] = 1
        path += ["migrate"] if phase == Phase.MIGRATE else ["status", phase.value]
        upid = Upid.parse(self._api(path).post(**values))
        if upid.vmid != str(guest.vmid):
            raise ProviderError("Proxmox named a task of another guest")
        return upid

    def task(self, upid: Upid) -> Ended | None:
        """Return how a task ended; null while it runs."""
        row = self._api(["nodes", upid.node, "tasks", upid.text, "status"]).get()
        if not isinstance(row, dict) or row.get("upid", upid.text) != upid.text:
            raise ProviderError("Proxmox answered for another task")
        if row.get("status") == "running":
            return None
        ended = row.get("exitstatus")
        if row.get("status") != "stopped" or not isinstance(ended, str):
            raise ProviderError("Proxmox does not say how the task is")
        return Ended(ended == "OK" or ended.startswith("WARNINGS"), plain(ended))

    def own_tasks(self, guest: Guest, nodes: Sequence[str], types: Collection[str], since: float) -> list[Upid]:
        """Return the tasks that our token began on a guest since then, on these nodes, the newest last."""
        found: list[Upid] = []
        for node in nodes:
            query = {"vmid": guest.vmid, "source": "all", "limit": 200, "since": int(since)}
            rows = _rows(self._api(["nodes", node, "tasks"]).get(**query))
            found += [Upid.parse(row.get("upid")) for row in rows]
        mine = [t for t in found if t.user == self._token_id and t.vmid == str(guest.vmid)]
        return sorted((t for t in mine if t.type in types and t.started_at >= int(since)), key=lambda t: t.started_at)

    def target_of(self, upid: Upid) -> str | None:
        """Return the node that a migration goes to, as its log begins by saying."""
        rows = _rows(self._api(["nodes", upid.node, "tasks", upid.text, "log"]).get(limit=20))
        for row in rows:
            if said := re.search(r"to node '([A-Za-z0-9.-]{1,63})'", str(row.get("t"))):
                return said[1]
        return None

    def migration_facts(self, guest: Guest) -> MigrationFacts:
        """Return what Proxmox says about migrating a guest; nothing where its release cannot say."""
        try:
            row = self._api(["nodes", guest.node, guest.kind, str(guest.vmid), "migrate"]).get()
        except ResourceException as error:
            if error.status_code == 501:
                return MigrationFacts()
            raise
        if not isinstance(row, dict):
            return MigrationFacts()
        allowed = row.get("allowed_nodes", row.get("allowed-nodes"))
        tied = [str(disk.get("volid") or "a disk") for disk in row.get("local_disks") or () if isinstance(disk, dict)]
        tied += [str(one) for one in row.get("local_resources") or () if isinstance(one, str)]
        names = frozenset(str(name) for name in allowed) if isinstance(allowed, list) and allowed else None
        return MigrationFacts(names, f"{plain(tied[0])[:80]} is only there" if tied else None)


def _addresses_of_card(card: Mapping[str, Any]) -> list[str]:
    listed = card.get("ip-addresses")
    if isinstance(listed, list):
        return [plain(one.get("ip-address")) for one in listed if isinstance(one, dict) and one.get("ip-address")]
    # Releases before 8.1 tell of a container's card only these.
    return [plain(card[name]).partition("/")[0] for name in ("inet", "inet6") if card.get(name)]


def _guest(row: Mapping[str, Any]) -> Guest:
    node, name = row.get("node"), row.get("name")
    if not isinstance(node, str) or not _NODE.fullmatch(node) or not isinstance(name, str):
        raise ProviderError("Proxmox lists the guest without a node or a name")
    if row.get("template") in (1, True):
        raise ProviderError(f"guest {row['vmid']} is a template", permanent=True)
    return Guest(row["vmid"], row["type"], name, node, _number(row.get("maxmem")) or 0)


def _node(row: Mapping[str, Any]) -> Node | None:
    name = row.get("node")
    if row.get("type") != "node" or not isinstance(name, str) or not _NODE.fullmatch(name):
        return None
    most, used = _number(row.get("maxmem")), _number(row.get("mem"))
    free = None if most is None or used is None else max(0, most - used)
    return Node(name, row.get("status") == "online", row.get("hastate") == "maintenance", free)
