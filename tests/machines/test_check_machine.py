"""Two checks of a pod and of its twin through anything (hazards §4, machine 1): I4, I5, I8, I17, I18.

The first pod's results are stored one by one, its twin's together and in another order: both must come to the same
(I18), and that is what the text says, told once more (core/told_status.py). What hung and comes late, or comes twice,
changes nothing (I4, I19). Model and twin are compared after every step; the dearer invariants of tests/support, those
of checks, are asked after every fourth, all after every sixteenth and at the end.
"""

from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
import sqlalchemy as sa
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from podhealth import clock
from podhealth.alerting import relay
from podhealth.core.probe import Finding
from podhealth.core.words import Actor, FailClass, Kind, Outcome, Role
from podhealth.models import CheckState, PodStatus, Result
from podhealth.models.base import to_us
from podhealth.store import checks, claim, expiry, podstate, retention
from podhealth.store.db import db_now, db_now_us, read, write
from podhealth.store.effective import NOW, TRUTH, check_status
from podhealth.store.record import Found, record
from podhealth.store.tenancy import Scope
from tests.core.told_status import ToldCheck
from tests.machines.living import Counted, Databases, Lives, OnDatabase, holds, live
from tests.support import build
from tests.support.invariants import assert_invariants, states, storage
from tests.support.invariants.ledgers import Acked, Ledgers

NAMES = ("api", "page")
PODS = (0, 1)
_EVERY = 4
_QUICK_RULES = (states.checks_are_their_results, states.pods_are_their_checks, storage.claims_are_fenced)
_KEPT = timedelta(days=30)
_FAILED = {"fail_class": FailClass.DOWN, "code": "refused", "error": "connection refused"}
_CODES = {Outcome.FAIL: _FAILED, Outcome.SLOW: {"code": "slow"}, Outcome.ERROR: {"code": "dns"}}
# Made once: to make them takes longer than to ask them.
_CHECKS = sa.select(CheckState.__table__, check_status(NOW).label("shown"))
_AGAIN = TRUTH.again, TRUTH.again.c.pod_id == PodStatus.pod_id
_PODS = sa.select(TRUTH.status).select_from(PodStatus).outerjoin(*_AGAIN).order_by(PodStatus.pod_id)
outcomes = st.sampled_from([*Outcome, Outcome.OK, Outcome.FAIL, Outcome.FAIL])
thresholds = st.integers(1, 4)


@dataclass
class Known:
    """What the model knows of one check of one pod: its newest claim, and whether a result is still awaited."""

    check_id: int
    token: int = 0
    generation: int = 1
    is_awaited: bool = False
    told: ToldCheck = field(default_factory=ToldCheck)
    enabled: bool = True


class Checks(OnDatabase):
    """The life of both pods."""

    @initialize(ft=thresholds, st=thresholds, interval=st.sampled_from([5, 60, 3600, 86_400]))
    def begin(self, ft: int, st: int, interval: int) -> None:
        self.interval = interval
        self.known: dict[tuple[int, str], Known] = {}
        self.acked: dict[Acked, int] = {}
        self.cut = 0
        self.hung: list[Found] = []
        self.newest: Found | None = None
        self.has_late = False
        self.ledgers = Ledgers()
        rules = {
            "interval_seconds": interval,
            "timeout_seconds": 10.0,
            "failure_threshold": ft,
            "success_threshold": st,
        }
        with write(self.engine) as conn:
            tenant_id = build.a_tenant(conn)
            self.scope = Scope(tenant_id, Role.ADMIN, Actor.USER, "ann")
            self.pods = [build.a_pod(conn, tenant_id, name) for name in ("first", "twin")]
            for pod in PODS:
                for name in NAMES:
                    check_id = build.a_check(conn, self.pods[pod], Kind.HTTP, name, **rules)
                    told = ToldCheck(interval=interval, timeout=10, ft=ft, st=st)
                    self.known[pod, name] = Known(check_id, told=told)

    # Probes

    @rule(found=st.dictionaries(st.sampled_from(NAMES), outcomes, min_size=1))
    def results(self, found: dict[str, Outcome]) -> None:
        wanted = {name: outcome for name, outcome in found.items() if self.known[0, name].enabled}
        for name in sorted(wanted):
            with write(self.engine) as conn:
                self._record(conn, self._claim(conn, [(0, name)], wanted))
        with write(self.engine) as conn:
            self._record(conn, self._claim(conn, [(1, name) for name in sorted(wanted, reverse=True)], wanted))
        now = self._now()
        for (_, name), known in self.known.items():
            if name in wanted:
                known.told.result(wanted[name].value, now)

    @rule(outcome=outcomes, times=st.integers(2, 6))
    def the_same_again_and_again(self, outcome: Outcome, times: int) -> None:
        for _ in range(times):
            self._pass(self.interval / 2)
            self.results(dict.fromkeys(NAMES, outcome))

    @rule(name=st.sampled_from(NAMES), outcome=outcomes)
    def a_worker_hangs_with_its_claim(self, name: str, outcome: Outcome) -> None:
        if not self.known[0, name].enabled:
            return
        with write(self.engine) as conn:
            self.hung += self._claim(conn, [(pod, name) for pod in PODS], {name: outcome})

    @precondition(lambda self: self.hung)
    @rule(data=st.data())
    def what_hung_comes_late(self, data: st.DataObject) -> None:
        nth = data.draw(st.integers(0, len(self.hung) // 2 - 1)) * 2
        late, self.hung[nth : nth + 2] = self.hung[nth : nth + 2], []
        with write(self.engine) as conn:
            now = db_now_us(conn)
            is_current = self._record(conn, [one._replace(begun_us=now, ended_us=now) for one in late])
        self.has_late = True
        for one in late:
            if one[:2] in is_current:
                self._of(one.check_id).told.result(one.finding.outcome.value, self._now())

    @precondition(lambda self: self.newest)
    @rule()
    def the_newest_comes_once_more(self) -> None:
        assert self.newest is not None
        with write(self.engine) as conn:
            assert record(conn, [self.newest]).applied == 0

    @rule()
    def the_dead_workers_claims_are_freed(self) -> None:
        with write(self.engine) as conn:
            claim.free_claims(conn, "worker")
        for known in self.known.values():
            known.is_awaited = False

    # People

    @rule(name=st.sampled_from(NAMES), ft=thresholds, st=thresholds)
    def edit(self, name: str, ft: int, st: int) -> None:
        for pod in PODS:
            known = self.known[pod, name]
            with write(self.engine) as conn:
                row = checks.by_name(conn, self.pods[pod], name)
                rules = replace(checks.rules_of(row), failure_threshold=ft, success_threshold=st)
                checks.put_check(conn, self.scope, self.pods[pod], rules)
            if (known.told.ft, known.told.st) != (ft, st):
                known.told.ft, known.told.st = ft, st
                self._is_new(known)

    @rule(name=st.sampled_from(NAMES))
    def disable_or_enable(self, name: str) -> None:
        for pod in PODS:
            known = self.known[pod, name]
            switch = checks.disable_check if known.enabled else checks.enable_check
            with write(self.engine) as conn:
                switch(conn, self.scope, self.pods[pod], name)
            known.enabled = not known.enabled
            self._is_new(known)

    @rule()
    def reset(self) -> None:
        with write(self.engine) as conn:
            for pod_id in self.pods:
                podstate.lock_pods(conn, [pod_id])
                podstate.reset_checks(conn, pod_id, db_now(conn), "reset")
        for known in self.known.values():
            self._is_forgotten(known)

    # Time, and who tidies up

    @rule(seconds=st.sampled_from([1, 60, 170, 197, 20_011, 90_011, 300_011]))
    def time_passes(self, seconds: int) -> None:
        self._pass(seconds)

    @rule(seconds=st.sampled_from([0.5, 4]))
    def the_clock_steps_back(self, seconds: float) -> None:
        self.ledgers = Ledgers(clock_went_back=True)
        self._pass(-seconds)  # as far as a clock drifts; further is told to all (store/setback, fault F44)

    @rule()
    def the_reaper_comes(self) -> None:
        expiry.expire_stale(self.engine)

    @rule(days=st.sampled_from([1, 12, 31]))
    def what_is_old_is_removed(self, days: int) -> None:
        """As the tick does it, relay included; results without which a count cannot be told again are counted anew.

        One that came late is as old as the moment for which it was claimed, and goes before those that came with it.
        """
        if self.has_late or any(known.told.status == "unknown" for known in self.known.values()):
            self.reset()
            self.has_late = False
        self._pass(days * 86_400)
        expiry.expire_stale(self.engine)
        relay.run(self.engine)
        retention.clean(self.engine)
        self.engine.dispose()  # no connection lives for days: it would believe in a day's table that is gone
        with read(self.engine) as conn:
            self.cut = to_us(db_now(conn) - _KEPT)

    # What must hold

    @invariant()
    def all_read_what_the_text_says(self) -> None:
        with read(self.engine) as conn:
            now = db_now(conn)
            rows = {row.check_id: row for row in conn.execute(_CHECKS, {"now": now})}
            shown = list(conn.scalars(_PODS, {"tenant_id": self.scope.tenant_id, "now": now}))
        for known in self.known.values():
            row, told = rows[known.check_id], replace(known.told)
            at = to_us(now) / 1e6
            assert row.shown.value == told.reader_sees(at)
            if row.shown.value != "unknown":
                assert (row.failures, row.successes) == (told.f, told.s)
            assert (row.claim_token, row.generation) == (known.token, known.generation)
        same = ("status", "failures", "successes", "slow_run", "recent_bits", "recent_count", "is_flapping")
        for name in NAMES:
            first, twin = (rows[self.known[pod, name].check_id] for pod in PODS)
            assert [getattr(first, of) for of in same] == [getattr(twin, of) for of in same], "I18"
        assert shown[0] == shown[1], "I18"

    @invariant()
    def what_was_acknowledged_is_there_once(self) -> None:
        with read(self.engine) as conn:
            stored = [Acked(*row) for row in conn.execute(sa.select(Result.check_id, Result.claim_token))]
        assert len(stored) == len({*stored})
        assert {*stored} <= {*self.acked}
        assert {*stored} >= {key for key, due in self.acked.items() if due >= self.cut}

    @invariant()
    def the_invariants_hold(self) -> None:
        if self.nth % _EVERY == 0:
            assert holds(self.engine, _QUICK_RULES, self.ledgers) == []
        if self.nth % (4 * _EVERY) == _EVERY - 1:
            assert_invariants(self.engine, self.ledgers)

    def teardown(self) -> None:
        try:
            assert_invariants(self.engine, self.ledgers)
        finally:
            super().teardown()

    # Helpers

    def _now(self) -> float:
        with read(self.engine) as conn:
            return db_now_us(conn) / 1e6

    def _pass(self, seconds: float) -> None:
        clock.shift(clock.shifted() + timedelta(seconds=seconds))

    def _of(self, check_id: int) -> Known:
        return next(known for known in self.known.values() if known.check_id == check_id)

    def _is_new(self, known: Known) -> None:
        known.generation += 1
        self._is_forgotten(known)

    def _is_forgotten(self, known: Known) -> None:
        known.told.reset()
        known.token += 1  # whoever probes it just now comes late
        known.is_awaited = False

    def _claim(self, conn: sa.Connection, wanted: list[tuple[int, str]], outcomes: dict[str, Outcome]) -> list[Found]:
        ids = {self.known[key].check_id: key for key in wanted}
        conn.execute(sa.update(CheckState).where(CheckState.check_id.in_(ids)).values(next_at=db_now(conn)))
        claims = {one.check_id: one for one in claim.claim_chosen(conn, "local", "worker", list(ids))}
        now, found = db_now_us(conn), []
        assert {*claims} == {*ids}
        for check_id, key in ids.items():
            one, known, outcome = claims[check_id], self.known[key], outcomes[key[1]]
            known.token += 1
            known.is_awaited = True
            assert (one.token, one.generation) == (known.token, known.generation)
            finding = Finding(outcome, **({"code": None} | _CODES.get(outcome, {})))
            found.append(Found(check_id, one.token, one.generation, one.due_us, now, now, finding, "worker"))
        return found

    def _record(self, conn: sa.Connection, found: list[Found]) -> set[tuple[int, int]]:
        """Record; return those of which the model says that they count, and compare how many do."""
        counts = set()
        for one in found:
            known = self._of(one.check_id)
            if known.is_awaited and (known.token, known.generation) == (one.token, one.generation):
                counts.add(one[:2])
                known.is_awaited = False
            self.acked[Acked(*one[:2])] = one.due_us
            self.newest = one
        done = record(conn, found)
        assert (done.applied, done.late) == (len(counts), len(found) - len(counts))
        return counts


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_two_checks_live_as_the_text_says_whatever_happens(databases: Databases, counted: Counted) -> None:
    Checks.databases = staticmethod(databases)

    live(Checks, counted, short=Lives(10, 40), long=Lives(160, 100))
