"""The healer under anything: probes, holds, edits, refusals, silence and crashes in any order (hazards §4, machine 2).

The far end is the process host's own code with its processes left out; it keeps the ledger the invariants are held
against. After every step all invariants are checked, and at each action that nothing was holding it. A zombie is who
held a lease, sleeps, and wakes when others went on: it must change nothing (I10). What calls or judges is done twice
now and then (I19).
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any
from unittest import mock

import pytest
import sqlalchemy as sa
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from podhealth.core.errors import Conflict
from podhealth.core.words import Actor, HealState, KillScope, Role
from podhealth.healing import act, evaluate, steps
from podhealth.healing.providers import process
from podhealth.healing.providers.base import Task
from podhealth.models import Breaker, Heal, Window
from podhealth.models.base import to_us
from podhealth.store import brakes, breakers, heals, healsteps, holds, podstate, policies, windows, windowturns
from podhealth.store.db import db_now, read, write
from podhealth.store.tenancy import Scope
from tests.healing.world import World
from tests.machines.far_end import FarEnd, Killed
from tests.machines.living import Counted, Databases, Lives, OnDatabase, live
from tests.support import build
from tests.support.invariants import assert_invariants
from tests.support.invariants.ledgers import Call, Ledgers
from tests.support.windowing import a_window

MODES = st.sampled_from(["ok", "ok", "ok", "task fails", "lost before", "lost after", "killed", "refuses", "away"])


class Healer(OnDatabase):
    """One pod, its healer, and all that comes between them."""

    def __init__(self) -> None:
        super().__init__()
        self.far = FarEnd(self.engine)
        self.world = World(self.engine, self.far, cooldown_minutes=1, sustained_health_s=60)  # type: ignore[arg-type]
        self.scope = Scope(self.world.tenant_id, Role.PLATFORM, Actor.USER, "op")
        self.zombie: Any = None
        self.patch = mock.patch.object(process, "ask_host", self.far.ask)
        self.patch.start()

    def teardown(self) -> None:
        self.patch.stop()
        super().teardown()

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        with write(self.engine) as conn:
            yield conn

    @rule(outcome=st.sampled_from(["ok", "fail", "error", "slow"]), times=st.integers(1, 4))
    def probe(self, outcome: str, times: int) -> None:
        self.world.probe(outcome, times)

    @rule(mode=MODES, turns=st.integers(1, 6))
    def fall_ill(self, mode: str, turns: int) -> None:
        self.world.probe("fail", times=4)
        self._work(mode, turns)

    @rule(mode=MODES)
    def go_on_failing(self, mode: str) -> None:
        """Long enough for a start deadline and a cooldown to be over."""
        for _ in range(6):
            self.world.probe("fail", times=3)
            self._work(mode, 2)

    @rule()
    def recover(self) -> None:
        self.world.probe("ok", times=4)
        self._work("ok", 3)

    @rule(seconds=st.sampled_from([1, 5, 16, 61, 130]))
    def wait(self, seconds: int) -> None:
        self.world.advance(seconds)

    @rule(days=st.sampled_from([0.25, 1.1]))
    def wait_long(self, days: float) -> None:
        self.world.advance(days * 86_400)

    @rule()
    def judge(self) -> None:
        self.world.judge()

    @rule(mode=MODES, turns=st.integers(1, 4))
    def work(self, mode: str, turns: int) -> None:
        self._work(mode, turns)

    def _work(self, mode: str, turns: int) -> None:
        self.far.mode = mode
        for _ in range(turns):
            try:
                podstate.settle_due(self.engine)
                breakers.watch(self.engine)
                evaluate.judge_due(self.engine)
                steps.run_due(self.engine)
            except Killed:
                self.far.mode = "ok"
                return
            self.world.advance(0.5)
        self.far.mode = "ok"

    @rule(minutes=st.sampled_from([1, 60]))
    def stop_healing(self, minutes: int) -> None:
        with self.writing() as conn:
            holds.set_kill_switch(conn, self.scope, KillScope.TENANT, db_now(conn) + timedelta(minutes=minutes), "fire")

    @rule()
    def end_stops(self) -> None:
        with self.writing() as conn:
            for switch in holds.switches_for(conn, self.world.tenant_id, self.world.pod_id, db_now(conn)):
                holds.end_kill_switch(conn, self.scope, switch.id)

    @rule(minutes=st.sampled_from([1, 60]))
    def snooze(self, minutes: int) -> None:
        with self.writing() as conn:
            holds.snooze(conn, self.scope, self.world.pod_id, db_now(conn) + timedelta(minutes=minutes), "upgrade")

    @rule()
    def end_snooze(self) -> None:
        with self.writing() as conn:
            holds.end_snooze(conn, self.scope, self.world.pod_id)

    @rule()
    def open_breaker(self) -> None:
        """As if many others had fallen ill; they are well, so the count closes it by itself after five minutes."""
        with self.writing() as conn:
            now = db_now(conn)
            stands = {"scope": "tenant", "scope_key": str(self.world.tenant_id), "state": "open", "opened_at": now}
            podstate.lock_pods(conn, [self.world.pod_id])
            if conn.execute(sa.update(Breaker).values(**stands, half_open_at=None, calm_since=None)).rowcount == 0:
                conn.execute(sa.insert(Breaker).values(**stands, updated_at=now))
            podstate.judge_by(conn, [self.world.pod_id], now)

    @rule(cost=st.sampled_from([1, 2, 6]))
    def others_spend(self, cost: int) -> None:
        """Another pod of the tenant is healed, for as much of the budget as is left at the most."""
        with self.writing() as conn:
            now = db_now(conn)
            left = 6 - sum(h.cost for h in self.world.heals() if h.called_at and h.called_at > now - timedelta(hours=1))
            spent = sa.text("SELECT COALESCE(SUM(cost), 0) FROM cloud_pod_auto_heal_events WHERE pod_id <> :own")
            left -= conn.execute(spent, {"own": self.world.pod_id}).scalar_one()
            is_stopped = holds.switches_for(conn, self.world.tenant_id, self.world.pod_id, now)
            if left < 1 or is_stopped or any(heal.completed_at is None for heal in self.world.heals()):
                return
            pod_id = build.a_pod(conn, self.world.tenant_id, f"other-{to_us(now)}")
            done = {"called_at": now, "completed_at": now, "action_ended_at": now, "next_step_at": None}
            build.a_heal(conn, pod_id, state="succeeded", cost=min(cost, left), **done)

    @rule()
    def acknowledge_chronic(self) -> None:
        try:
            with self.writing() as conn:
                brakes.acknowledge_chronic(conn, self.scope, self.world.pod_id, "seen")
        except Conflict:
            return

    @rule(
        fields=st.sampled_from(
            [
                {"enabled": False},
                {"enabled": True},
                {"maxAttempts": 1},
                {"maxAttempts": 3},
                {"mode": "shadow"},
                {"mode": "auto"},
            ]
        )
    )
    def edit_policy(self, fields: dict[str, Any]) -> None:
        with self.writing() as conn:
            policies.save_policy(conn, self.scope, fields, self.world.policy_id)

    @rule()
    def reset(self) -> None:
        with self.writing() as conn:
            heals.reset(conn, self.scope, self.world.pod_id)
        # A reset leaves an open heal alone; the judgement it asks for comes at once.
        self.world.judge()

    @rule()
    def heal_now(self) -> None:
        try:
            with self.writing() as conn:
                heals.heal_now(conn, self.scope, self.world.pod_id, "looks stuck")
        except Conflict:
            return

    @precondition(lambda self: self.world.heals())
    @rule()
    def another_worker_tries_the_same_step(self) -> None:
        steps.step(self.engine, self.world.heals()[-1].id)

    @precondition(lambda self: self.zombie is None and any(heal.completed_at is None for heal in self.world.heals()))
    @rule()
    def a_worker_falls_asleep_with_its_lease(self) -> None:
        with self.writing() as conn:
            now = db_now(conn)
            due = sa.update(Heal).where(Heal.completed_at.is_(None), Heal.lease_until.is_(None))
            conn.execute(due.values(next_step_at=now))
            self.zombie = healsteps.take(conn, self.world.heals()[-1].id, now)

    @precondition(lambda self: self.zombie is not None)
    @rule(what=st.sampled_from(["keeps a task", "ends it", "waits"]))
    def the_zombie_wakes(self, what: str) -> None:
        """Its lease may be its own still; where it is not, what it does is nothing."""
        zombie, self.zombie = self.zombie, None
        before = self.world.heals()
        is_own = next(heal.fence for heal in before if heal.id == zombie.id) == zombie.fence
        if is_own:
            self.world.advance(16)  # it goes on too late, and somebody else takes over first
            with self.writing() as conn:
                healsteps.take(conn, zombie.id, db_now(conn))
            before = self.world.heals()
        if what == "keeps a task":
            act.keep_task(self.engine, zombie, Task("zombie"))
        elif what == "ends it":
            act.end(self.engine, zombie, HealState.FAILED, "the zombie says so")
        else:
            act.wait(self.engine, zombie, "the zombie waits", timedelta(seconds=5))
        assert self.world.heals() == before

    @rule(minutes=st.sampled_from([2, 30]))
    def a_window_begins(self, minutes: int) -> None:
        with self.writing() as conn:
            a_window(conn, self.scope, minutes=minutes, name=f"w{to_us(db_now(conn))}")
        windowturns.due(self.engine)

    @rule()
    def windows_end(self) -> None:
        with self.writing() as conn:
            for row in conn.execute(sa.select(Window.__table__).where(Window.open_until.is_not(None))).all():
                with suppress(Conflict):
                    windows.end_now(conn, self.scope, row.id)
        windowturns.due(self.engine)

    @invariant()
    def nothing_was_done_while_held(self) -> None:
        assert self.far.acted_while_held == []

    @invariant()
    def every_invariant_holds(self) -> None:
        assert_invariants(self.engine, Ledgers(tuple(Call(key, at) for key, at in self.far.done.items())))

    @invariant()
    def nothing_is_open_without_a_next_look(self) -> None:
        for heal in self.world.heals():
            assert (heal.next_step_at is not None) == (heal.completed_at is None)

    @invariant()
    def a_hold_with_an_end_is_judged_by_then(self) -> None:
        decisions = self.world.decisions()
        if decisions and decisions[-1].answer == "hold" and decisions[-1].until is not None:
            judge_at = self.world.status().judge_at
            assert judge_at is not None
            # The end of a heal, too, asks for a judgement: that is due at once.
            with read(self.engine) as conn:
                assert judge_at <= max(decisions[-1].until, decisions[-1].at, db_now(conn))


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_healer_keeps_its_promises_whatever_happens(databases: Databases, counted: Counted) -> None:
    Healer.databases = staticmethod(databases)

    live(Healer, counted, short=Lives(12, 14), long=Lives(45, 56))
