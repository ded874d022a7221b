"""Incidents of a fleet in memory, and what people are told of them; the rules stand in core/incident and core/messages.

Mirrors store/incidents as far as scenarios need it: nobody acknowledges, and each tenant has one channel.
"""

from podhealth.core import incident as rules
from podhealth.core.incident import Cause, Member, Place, PodNow
from podhealth.core.words import BreakerScope, BreakerState, IncidentCause, NoticeKind, Phase, Status
from podhealth.simulator.brakes import Scope
from podhealth.simulator.fleet import Later, SimPod, SimTenant
from podhealth.simulator.inbox import Inbox, MemberState, SimIncident

_BREAKER = {
    BreakerState.OPEN: NoticeKind.BREAKER_OPEN,
    BreakerState.HALF_OPEN: NoticeKind.BREAKER_HALF_OPEN,
    BreakerState.CLOSED: NoticeKind.BREAKER_CLOSED,
}
_TROUBLES = (NoticeKind.UNHEALTHY, NoticeKind.DEGRADED, NoticeKind.FLAPPING)


class Telling:
    """All incidents, and the inbox of each tenant."""

    def __init__(
        self,
        tenants: dict[str, SimTenant],
        nodes: list[str],
        pods: list[SimPod],
        later: Later,
    ) -> None:
        self._later = later
        self._pods = {pod.pod_id: pod for pod in pods}
        self._node_ids = {name: number for number, name in enumerate(nodes, 1)}
        self._tenant_ids = {name: tenant.tenant_id for name, tenant in tenants.items()}
        self.inboxes = {name: Inbox(later) for name in tenants}
        self.incidents: list[SimIncident] = []
        self._open: dict[tuple[str, str], SimIncident] = {}
        self._of_pod: dict[int, SimIncident] = {}
        self._causes: dict[tuple[str, str], Cause] = {}
        self._flapping: dict[int, int] = {}
        self._looks: dict[int, int] = {}

    def changed(self, pod: SimPod, now: int) -> None:
        """Look at a pod that has changed, and tell what follows."""
        open_incident = self._of_pod.get(pod.pod_id)
        told = rules.judge(self._pod_now(pod, open_incident), now)
        if told.flapping_told_at is None:
            self._flapping.pop(pod.pod_id, None)
        else:
            self._flapping[pod.pod_id] = told.flapping_told_at
        if told.joins:
            open_incident = self._join(pod, now)
        member = None if open_incident is None else open_incident.members[pod.pod_id]
        for kind in told.tells:
            self.inboxes[pod.tenant].tell(kind, open_incident, now)
            if member is not None and kind in _TROUBLES:
                member.told = kind
        if open_incident is not None and member is not None:
            member.is_settled = told.is_settled
            if told.leaves is not None:
                del open_incident.members[pod.pod_id]
                del self._of_pod[pod.pod_id]
            self._maybe_over(pod.tenant, open_incident, now)
        self._look_at(pod, told.look_at)

    def _pod_now(self, pod: SimPod, known: SimIncident | None) -> PodNow:
        member = None
        if known is not None:
            state = known.members[pod.pod_id]
            member = Member(state.told, known.kind == IncidentCause.POD, state.is_settled)
        hand = pod.hand
        return PodNow(
            status=Status(hand.status),
            since=hand.since,
            phase=Phase(hand.phase),
            stopped_reason=hand.stopped_reason,
            is_flapping=any(c.is_flapping for c in hand.checks),
            flapping_told_at=self._flapping.get(pod.pod_id),
            member=member,
        )

    def _look_at(self, pod: SimPod, at: int | None) -> None:
        if at is None:
            self._looks.pop(pod.pod_id, None)
            return
        if self._looks.get(pod.pod_id) == at:
            return
        self._looks[pod.pod_id] = at

        def look(now: int) -> None:
            if self._looks.get(pod.pod_id) == at:
                del self._looks[pod.pod_id]
                self.changed(pod, now)

        self._later(at, look)

    def _join(self, pod: SimPod, now: int) -> SimIncident:
        cause = rules.cause_of(self._place(pod), self._causes.values(), now)
        kind = IncidentCause.POD if cause is None else cause.kind
        key = rules.pod_key(pod.pod_id) if cause is None else cause.key
        found = self._incident(pod.tenant, kind, key, now)
        found.members[pod.pod_id] = MemberState()
        self._of_pod[pod.pod_id] = found
        return found

    def _incident(self, tenant: str, kind: IncidentCause, key: str, now: int) -> SimIncident:
        found = self._open.get((tenant, key))
        if found is None:
            found = SimIncident(kind, key, now)
            self._open[tenant, key] = found
            self.incidents.append(found)
        return found

    def _maybe_over(self, tenant: str, one: SimIncident, now: int) -> None:
        settled = sum(1 for m in one.members.values() if m.is_settled)
        cause = self._causes.get((tenant, one.key))
        cause_is_over = cause is None or cause.ended is not None
        if not rules.is_over(one.kind, cause_is_over, settled, len(one.members) - settled, 0):
            return
        if one.closed_at is not None:
            return
        one.closed_at = now
        del self._open[tenant, one.key]
        for pod_id in one.members:
            self._of_pod.pop(pod_id, None)
        self.inboxes[tenant].tell(NoticeKind.RECOVERED, one, now)
        self.inboxes[tenant].over(one, now)

    def healing(self, kind: NoticeKind, pod: SimPod, now: int) -> None:
        """Tell what the healer does to a pod, or no longer does."""
        self.inboxes[pod.tenant].tell(kind, self._of_pod.get(pod.pod_id), now)

    def cause(
        self, kind: IncidentCause, key: str, tenants: set[str], told: NoticeKind, now: int, *, ends: bool
    ) -> None:
        """Let a wider cause begin or end for some tenants, and tell it."""
        for tenant in sorted(tenants):
            was = self._causes.get((tenant, key))
            if ends and was is None:
                continue
            began = now if was is None or was.ended is not None else was.began
            self._causes[tenant, key] = Cause(self._tenant_ids[tenant], kind, key, began, now if ends else None)
            one = self._incident(tenant, kind, key, now)
            if not ends:
                self._gather_near(tenant, one, began)
            self.inboxes[tenant].tell(told, one, now)
            if ends:
                self._maybe_over(tenant, one, now)

    def _gather_near(self, tenant: str, one: SimIncident, began: int) -> None:
        """Let the pods that fell ill shortly before a wider cause be part of its incident."""
        for (owner, key), other in list(self._open.items()):
            is_near = other.opened_at >= began - rules.NEAR_US
            if owner != tenant or not is_near or not rules.is_wider(one.key, key):
                continue
            if not any(one.key in rules.keys_of(self._place(self._pods[pod_id])) for pod_id in other.members):
                continue
            for pod_id, member in other.members.items():
                one.members[pod_id] = member
                self._of_pod[pod_id] = one
            other.members.clear()
            other.closed_at = began
            if one.thread is None and other.thread is not None:
                one.thread = other.thread
                other.thread.incidents.append(one)
            del self._open[owner, key]

    def _place(self, pod: SimPod) -> Place:
        return Place(self._tenant_ids[pod.tenant], self._node_ids.get(pod.machine.node or ""), [pod.vantage])

    def breaker(self, scope: Scope, now: int) -> None:
        """Tell that a breaker has opened, half-opened or closed."""
        tenants = {p.tenant for p in scope.pods}
        name = scope.name
        if scope.scope != BreakerScope.VANTAGE:
            name = str((self._tenant_ids if scope.scope == BreakerScope.TENANT else self._node_ids)[scope.name])
        key = rules.breaker_key(scope.scope, name)
        state = scope.standing.state
        new = {t for t in tenants if (t, key) not in self._open}
        held = {self._tenant_ids[t] for t in new if self._whole(t) is not None}
        parts = {t for t in new if rules.is_part_of_tenants(scope.scope, self._tenant_ids[t], held)}
        if state == BreakerState.OPEN:
            for tenant in sorted(parts):
                self.inboxes[tenant].tell(_BREAKER[state], self._whole(tenant), now)
            for tenant in tenants if scope.scope == BreakerScope.TENANT else ():
                self._take_over_narrower(tenant, now)
        told, is_closed = _BREAKER[state], state == BreakerState.CLOSED
        self.cause(IncidentCause.BREAKER, key, tenants - parts, told, now, ends=is_closed)

    def _whole(self, tenant: str) -> SimIncident | None:
        """Return the incident of the tenant's own breaker, while that is not closed."""
        key = (tenant, rules.breaker_key(BreakerScope.TENANT, str(self._tenant_ids[tenant])))
        cause = self._causes.get(key)
        return self._open.get(key) if cause is not None and cause.ended is None else None

    def _take_over_narrower(self, tenant: str, now: int) -> None:
        for (owner, key), one in list(self._open.items()):
            if owner == tenant and one.kind == IncidentCause.BREAKER and not one.members:
                one.closed_at = now
                del self._open[owner, key], self._causes[owner, key]
