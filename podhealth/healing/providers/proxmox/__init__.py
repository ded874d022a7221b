"""The provider of Proxmox VE guests, VMs and containers, over its API with a token.

A guest is known by its number and its name, and acted on where the cluster says it is now. Locks are never broken,
guests of the HA manager are left to it, and nothing is started on another node but by a migration Proxmox did itself.
"""

from collections.abc import Callable

from podhealth.core.abilities import can
from podhealth.core.errors import ActionRefused, ProviderError
from podhealth.core.guests import Answer
from podhealth.core.guests import Guest as Listed
from podhealth.core.words import Action, ActualState, ProviderKind
from podhealth.healing.providers.base import Call, Options, PodRef, ProviderState, Task, TaskState
from podhealth.healing.providers.proxmox.cluster import Cluster, Guest, Upid
from podhealth.healing.providers.proxmox.listing import list_guests
from podhealth.healing.providers.proxmox.phases import Phase, Ref, first, following, task_types
from podhealth.healing.providers.proxmox.talking import talk
from podhealth.healing.providers.proxmox.targets import choose

# The API does not know our key: what our token began on the guest about then is the call. Clocks may differ so much.
_CLOCKS_DIFFER_S = 60
_GRACE_S = 60


def _grace_s(options: Options) -> int:
    """Return how long a guest may take to end by itself, so that time is left for the hard way."""
    return _GRACE_S if options.timeout_s is None else max(1, min(_GRACE_S, options.timeout_s // 2))


class ProxmoxProvider:
    """Restarts, stops and migrates guests (config: ``url``, ``tokenId``, ``token``; ref: ``node/vmid``)."""

    def can(self, action: Action) -> bool:
        """Return whether it is something that is done to a guest."""
        return can(ProviderKind.PROXMOX, action)

    def state(self, pod: PodRef) -> ProviderState:
        """Return how the guest is, what holds it, and whether its node is up."""
        with talk(pod) as far:
            guest, nodes = far.find(pod)
            if not nodes[guest.node].is_online:
                return ProviderState(ActualState.UNKNOWN, node_is_up=False, detail={"node": guest.node})
            now = far.current(guest)
        detail = {
            "node": guest.node,
            "kind": guest.kind,
            "vmid": guest.vmid,
            "status": now.status,
            "uptime": now.uptime,
        }
        return ProviderState(now.actual, True, now.lock, detail)

    def act(self, pod: PodRef, action: Action, key: str, options: Options) -> Task:
        """Begin the first part of an action; the others follow when it is looked at."""
        if not self.can(action):
            raise ProviderError(f"a Proxmox guest cannot {action}", permanent=True)
        with talk(pod) as far:
            guest, nodes = far.find(pod)
            if not nodes[guest.node].is_online:
                raise ActionRefused(f"node {guest.node} is down")
            now = far.current(guest)
            if now.lock is not None:
                raise ActionRefused(f"the guest is locked ({now.lock})")
            is_running = now.actual == ActualState.RUNNING
            phase = first(action, guest.kind, is_running, options.graceful)
            if phase is None:
                return Task(str(Ref(action, Phase.NOTHING, "-", _grace_s(options))))
            target = None
            if phase == Phase.MIGRATE:
                target = choose(guest, nodes.values(), options.tried, far.migration_facts(guest))
            return _begin(far, guest, phase, Ref(action, phase, target or "-", _grace_s(options)), is_running)

    def look(self, pod: PodRef, task: Task) -> TaskState:
        """Return how far an action is; begin its next part where one has ended."""
        ref = Ref.parse(task.ref)
        if ref.phase == Phase.NOTHING:
            return TaskState(True, True, "it was stopped already")
        with talk(pod) as far:
            ended = far.task(Upid.parse(ref.upid))
            if ended is None:
                return TaskState(False)
            if ended.is_ok and ref.is_last:
                return TaskState(True, True)
            guest, _ = far.find(pod)
            is_running = far.current(guest).actual == ActualState.RUNNING
            if ended.is_ok and ref.phase == Phase.MIGRATE and guest.node != ref.target:
                return TaskState(True, False, f"the migration ended, but the guest is on {guest.node}")
            phase = following(ref, guest.kind, ended.is_ok, is_running)
            if phase is None:
                is_done = ended.is_ok or (ref.action == Action.STOP and not is_running)
                return TaskState(True, is_done, "" if is_done else ended.message)
            return _go_on(far, guest, ref, phase, is_running, ended.message)

    def guests(self, source: PodRef, wants: Callable[[Listed], bool]) -> Answer:
        """Return the guests the token sees, as ``Lister`` says."""
        return list_guests(source, wants)

    def find_task(self, pod: PodRef, call: Call) -> Task | None:
        """Return the newest task that our token began on the guest, for such an action, about when the call was made.

        Looked for where the guest is and where it was; a migration may be on its way from any node.
        """
        with talk(pod) as far:
            guest, nodes = far.find(pod)
            was_on = call.before.get("node")
            places = {guest.node} | ({was_on} if was_on in nodes else set())
            if call.action == Action.MIGRATE:
                places |= {node.name for node in nodes.values() if node.is_online}
            since = call.since.timestamp() - _CLOCKS_DIFFER_S
            found = far.own_tasks(guest, sorted(places), task_types(call.action), since)
            if not found:
                return None
            newest, phase = found[-1], Phase.of_type(found[-1].type)
            target = (far.target_of(newest) or guest.node) if phase == Phase.MIGRATE else None
            ref = Ref(call.action, phase, target or "-", _grace_s(call.options), newest.text)
            return Task(str(ref), target)


def _begin(far: Cluster, guest: Guest, phase: Phase, ref: Ref, is_running: bool) -> Task:
    upid = far.begin(guest, phase, ref.grace_s, ref.target, is_running)
    return Task(str(ref._replace(phase=phase, upid=upid.text)), ref.target if phase == Phase.MIGRATE else None)


def _go_on(far: Cluster, guest: Guest, ref: Ref, phase: Phase, is_running: bool, message: str) -> TaskState:
    # Whoever looked before us may have begun it and died before it was stored.
    last = Upid.parse(ref.upid)
    begun = [t for t in far.own_tasks(guest, [guest.node], phase.types, last.started_at) if t.text != last.text]
    task = Task(str(ref._replace(phase=phase, upid=begun[-1].text))) if begun else None
    task = task or _begin(far, guest, phase, ref, is_running)
    return TaskState(False, False, f"{ref.phase} ended ({message or 'OK'}); {phase} begun", task.ref)
