"""Claims checks for one worker: how many, which ones, when to be fair, and what each of them is.

Probes nothing and records nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import sqlalchemy as sa

from podhealth.clock import monotonic
from podhealth.core.probe import Target
from podhealth.core.words import Kind
from podhealth.crashpoints import crashpoint
from podhealth.store import claim
from podhealth.store.claim import SECOND_US, Claim
from podhealth.store.db import read, write
from podhealth.store.targets import Configured, heartbeat_facts, load_targets

AT_ONCE = 1_000
LATE_S = 1.0
FAIR_S = 10.0
_PLAN_S = 1.0
_PLAN_LENGTH = 4_000


class Ticket:
    """One claimed check on its way through the prober; ``taken`` is the monotonic moment of ``claim.claimed_us``."""

    __slots__ = ("claim", "configured", "taken")

    def __init__(self, claimed: Claim, configured: Configured, taken: float) -> None:
        self.claim = claimed
        self.configured = configured
        self.taken = taken

    def at_us(self, moment: float) -> int:
        """Return a monotonic moment by the database's clock."""
        return self.claim.claimed_us + int((moment - self.taken) * 1_000_000)


class Intake:
    """The claiming side of a worker. Used by one thread."""

    def __init__(self, db: sa.Engine, vantage: str, worker_id: str, networks: Sequence[str]) -> None:
        self._db = db
        self._vantage = vantage
        self._worker_id = worker_id
        self._networks = tuple(networks)
        self._known: dict[int, Configured] = {}
        self._fair_until = 0.0
        self._plan: list[int] = []
        self._plan_at = 0.0
        self._last_tenant = 0

    def take(self, room: int, *, rechecks: bool) -> list[tuple[Ticket, Target]]:
        """Claim at most ``room`` due checks and return them with what to probe."""
        claims, taken = self._claim(min(room, AT_ONCE), rechecks)
        if not claims:
            return []
        crashpoint("claim.after_commit")
        self._watch_lateness(claims, taken)
        return self._with_targets(claims, taken)

    def idle_s(self, most_s: float) -> float:
        """Return for how long nothing will be due, at most ``most_s``: new and edited checks come unannounced."""
        with read(self._db) as conn:
            due_in_s = claim.due_in_s(conn, self._vantage)
        return most_s if due_in_s is None else min(max(due_in_s, 0.0), most_s)

    def _claim(self, room: int, rechecks: bool) -> tuple[list[Claim], float]:
        chosen = self._next_chosen(room) if monotonic() < self._fair_until else []
        with write(self._db) as conn:
            taken = monotonic()
            if chosen:
                claims = claim.claim_chosen(conn, self._vantage, self._worker_id, chosen)
                tenants = {c.check_id: c.tenant_id for c in claims}
                self._last_tenant = next((tenants[i] for i in reversed(chosen) if i in tenants), self._last_tenant)
            else:
                claims = claim.claim_due(conn, self._vantage, self._worker_id, room, rechecks=rechecks)
        return claims, taken

    def _next_chosen(self, room: int) -> list[int]:
        # Behind with the work: tenants take turns, so that one tenant's thousand checks do not hold up another's ten.
        began = monotonic()
        if began - self._plan_at > _PLAN_S or not self._plan:
            with read(self._db) as conn:
                self._plan = claim.fair_order(conn, self._vantage, _PLAN_LENGTH, self._last_tenant)
            # A plan that took long to make is used longer.
            self._plan_at = max(began, began + 10 * (monotonic() - began) - _PLAN_S)
        chosen, self._plan = self._plan[:room], self._plan[room:]
        return chosen

    def _watch_lateness(self, claims: list[Claim], taken: float) -> None:
        oldest = min(c.due_us for c in claims)
        if claims[0].claimed_us - oldest > LATE_S * SECOND_US:
            self._fair_until = taken + FAIR_S

    def _with_targets(self, claims: list[Claim], taken: float) -> list[tuple[Ticket, Target]]:
        self._load(claims)
        items: list[tuple[Ticket, Target]] = []
        agents: list[int] = []
        for one in claims:
            configured = self._known.get(one.check_id)
            if configured is None:
                continue  # deleted since; its lease ends by itself
            if configured.target.kind == Kind.AGENT:
                agents.append(len(items))
            items.append((Ticket(one, configured, taken), configured.target))
        if agents:
            with read(self._db) as conn:
                facts = heartbeat_facts(conn, [items[i][1] for i in agents])
            for i in agents:
                ticket, target = items[i]
                items[i] = (ticket, replace(target, heartbeat=facts.get(target.check_id)))
        return items

    def _load(self, claims: Iterable[Claim]) -> None:
        known = self._known
        strange = {}
        for one in claims:
            configured = known.get(one.check_id)
            if configured is None or configured.generation != one.generation:
                strange[one.check_id] = one.generation
        if not strange:
            return
        with read(self._db) as conn:
            loaded = load_targets(conn, strange, self._networks)
        for check_id, generation in strange.items():
            if check_id in loaded:
                # Kept under the claim's generation: if the check was edited meanwhile, the next claim asks again.
                known[check_id] = loaded[check_id]._replace(generation=generation)
