"""One pod's healing by random steps over the rules alone, beside a second opinion written from the text (behaviour §6).

The machine keeps what a database would keep and asks core as the product does; whether an action was right is asked of
what was in force at that moment, told once more in plain sentences.
"""

from dataclasses import replace
from datetime import timedelta
from typing import Any, NamedTuple

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from podhealth.core.decide import decide
from podhealth.core.episode import Course, Previous, TriggerFacts, closing, relapse
from podhealth.core.facts import (
    BreakerFacts,
    CheckFacts,
    EpisodeFacts,
    Facts,
    LastHeal,
    OpenHeal,
    ProviderFacts,
    SnoozeFacts,
    Spent,
    Starting,
    Switch,
    Turn,
)
from podhealth.core.judging import healthy_spans, may_open
from podhealth.core.ladder import Ladder, PolicyRules, ladder
from podhealth.core.status import FRESH_START, advance
from podhealth.core.words import (
    Action,
    Answer,
    BreakerScope,
    BreakerState,
    FailClass,
    HealState,
    KillScope,
    Mode,
    Outcome,
    Status,
)
from tests.core.healfacts import NOW
from tests.support.depth import lives

SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
RULES = PolicyRules("web", cooldown_minutes=1, sustained_health_s=300, escalate_after_attempts=2)
RULES = replace(RULES, escalation_action=Action.MIGRATE)
INTERVAL_S, THRESHOLD = 60, 3


class Healed(NamedTuple):
    """One heal: in which episode, as which attempt, when stored, when begun, when over."""

    episode: int
    attempt: int
    action: Action
    stored_at: Any
    acted_at: Any
    ended_at: Any = None


class Episode(NamedTuple):
    """One episode as it would be stored."""

    number: int
    ladder: Ladder
    attempts: int
    opened_at: Any
    is_exhausted: bool = False
    why_closed: str | None = None


class OnePod(RuleBasedStateMachine):
    """A pod with one check and one policy, what holds it, and the provider's own ledger."""

    def __init__(self) -> None:
        super().__init__()
        self.now, self.rules = NOW, RULES
        self.counters, self.bad_since, self.last, self.last_at = FRESH_START, None, None, NOW
        self.results: list[tuple[Any, Outcome]] = []
        self.changes: list[tuple[Any, str, str]] = []
        self.since = NOW
        self.episodes: list[Episode] = []
        self.heals: list[Healed] = []
        self.others_spent: list[Spent] = []
        self.cleared_at = None
        self.held: dict[str, Any] = {}  # by kind of hold: until when
        self.is_locked = False
        self.breaker: BreakerState = BreakerState.CLOSED

    # What happens to the pod

    @rule(outcome=st.sampled_from([Outcome.OK, Outcome.FAIL, Outcome.FAIL, Outcome.ERROR]), times=st.integers(1, 4))
    def probe(self, outcome: Outcome, times: int) -> None:
        for _ in range(times):
            self._pass(INTERVAL_S * SECOND)
            self._take_in(outcome)

    @rule(times=st.integers(5, 12))
    def be_ill_for_long(self, times: int) -> None:
        for _ in range(times):
            self.probe(Outcome.FAIL, 2)
            self.judge()
            self.finish(is_up=False)

    @rule(hours=st.sampled_from([0.2, 7, 25]))
    def be_well_for_long(self, hours: float) -> None:
        self.probe(Outcome.OK, 2)
        self._pass(hours * HOUR)
        self.probe(Outcome.OK, 2)
        self.judge()

    @rule(hours=st.sampled_from([0.2, 7, 13, 25]))
    def fall_ill_again(self, hours: float) -> None:
        """Up with a heal or by itself, well for a while, and ill once more."""
        self.be_ill_for_long(5)
        self.be_well_for_long(hours)
        self.be_ill_for_long(5)

    def _pass(self, span: timedelta) -> None:
        self.now += span
        self.held = {what: until for what, until in self.held.items() if until > self.now}

    def _take_in(self, outcome: Outcome) -> None:
        self.last, self.last_at = outcome, self.now
        if "starting" in self.held and outcome is Outcome.OK:
            del self.held["starting"]
        if outcome is Outcome.ERROR or ("starting" in self.held and outcome is Outcome.FAIL):
            return
        self.results.append((self.now, outcome))
        was = self.counters.status
        self.counters = advance(self.counters, outcome, THRESHOLD, 1)
        if outcome is Outcome.FAIL:
            self.bad_since = self.bad_since or self.now
        elif not self.counters.failures:
            self.bad_since = None
        self._changed(was)

    def _changed(self, was: Status) -> None:
        if self.counters.status != was:
            self.changes.append((self.now, was.value, self.counters.status.value))
            self.since = self.now

    def _reset_check(self) -> None:
        was, self.counters, self.bad_since = self.counters.status, FRESH_START, None
        self._changed(was)

    # What people and the fleet do

    @rule(what=st.sampled_from(["switch", "snooze"]), minutes=st.sampled_from([1, 90]))
    def hold(self, what: str, minutes: int) -> None:
        self.held[what] = self.now + minutes * 60 * SECOND

    @rule(what=st.sampled_from(["switch", "snooze"]))
    def end_hold(self, what: str) -> None:
        self.held.pop(what, None)

    @rule(state=st.sampled_from([BreakerState.CLOSED, *BreakerState]))
    def move_breaker(self, state: BreakerState) -> None:
        self.breaker = state

    @rule(cost=st.integers(1, 6))
    def others_spend(self, cost: int) -> None:
        if _used(self._spent(), self.now) + cost <= 6:
            self.others_spent.append(Spent(self.now, cost))

    @rule(is_locked=st.sampled_from([False, False, True]))
    def lock_or_unlock(self, is_locked: bool) -> None:
        self.is_locked = is_locked

    @rule(mode=st.sampled_from([Mode.AUTO, Mode.AUTO, Mode.SHADOW, Mode.OFF]))
    def set_mode(self, mode: Mode) -> None:
        self.rules = replace(self.rules, mode=mode)

    @rule(is_meant=st.sampled_from([False, False, True]))
    def reset(self, is_meant: bool) -> None:
        if not is_meant:
            return
        self._close("reset")
        self.cleared_at = self.now
        self._reset_check()

    # What the product does

    @rule()
    def judge(self) -> None:
        self._follow()
        facts = self._facts()
        decided = decide(facts)
        if decided.gate is not None and decided.gate.value == "ladder" and self._episode() is not None:
            self._change_episode(is_exhausted=True)
        if decided.answer is Answer.ACT:
            self._act(decided.rung)

    def _act(self, rung: Any) -> None:
        assert rung is not None
        episode = self._episode()
        assert episode is not None
        assert self._forbidden_by() == []
        self._change_episode(attempts=episode.attempts + 1)
        stored_at = self.now
        self._pass(SECOND)  # what is stored is committed before the provider hears of it
        self.heals.append(Healed(episode.number, rung.attempt, rung.step.action, stored_at, self.now))

    def _forbidden_by(self) -> list[str]:
        """The text's own words: what forbids an action at this moment."""
        episode = self._episode()
        last = max((h.ended_at for h in self.heals if self._is_waited_for(h)), default=None)
        rungs = sum(step.attempts for step in episode.ladder) if episode else 0
        forbids = {
            "no open episode": episode is None,
            "exhausted": episode is not None and (episode.is_exhausted or episode.attempts >= rungs),
            "a heal is open": any(h.ended_at is None for h in self.heals),
            "it answers": self.last is Outcome.OK,
            "too few failures": self.counters.failures < max(THRESHOLD, self.rules.trigger_after_failures),
            "not settled": self.bad_since is None or self.now < self.bad_since + INTERVAL_S * SECOND,
            "the last heal is less than a minute ago": last is not None and self.now < last + 60 * SECOND,
            "a lock": self.is_locked,
            "the breaker is open": self.breaker is BreakerState.OPEN,
            "the policy may not act": self.rules.mode is not Mode.AUTO,
            "the budget": _used(self._spent(), self.now) + 1 > 6,
        }
        return [why for why, holds in forbids.items() if holds] + sorted(self.held)

    @rule(is_up=st.booleans())
    def finish(self, is_up: bool) -> None:
        if self._open_heal() is None:
            return
        self._pass(5 * SECOND)
        self._reset_check()
        self.held["starting"] = self.now + 120 * SECOND
        for outcome in (Outcome.OK, Outcome.OK) if is_up else (Outcome.FAIL,) * 5:
            self._pass(INTERVAL_S * SECOND)
            self._take_in(outcome)
        open_heal = self._open_heal()
        assert open_heal is not None
        self.heals[self.heals.index(open_heal)] = open_heal._replace(ended_at=self.now)

    # What would be stored

    def _episode(self) -> Episode | None:
        return self.episodes[-1] if self.episodes and self.episodes[-1].why_closed is None else None

    def _change_episode(self, **values: Any) -> None:
        self.episodes[-1] = self.episodes[-1]._replace(**values)

    def _close(self, why: str) -> None:
        if self._episode() is not None:
            self._change_episode(why_closed=why)

    def _open_heal(self) -> Healed | None:
        return next((h for h in self.heals if h.ended_at is None), None)

    def _is_waited_for(self, heal: Healed) -> bool:
        return heal.ended_at is not None and (self.cleared_at is None or heal.ended_at > self.cleared_at)

    def _follow(self) -> None:
        episode = self._episode()
        if episode is not None:
            ends = closing(self._course(episode), self.now)
            if ends.reason is not None:
                self._close(ends.reason)
        if self._episode() is None and may_open(self._facts()):
            goes_on = relapse(self._previous(), 1, self.now, self._spans())
            steps, _, spent = goes_on or (ladder(self.rules), 1, 0)
            self.episodes.append(Episode(len(self.episodes), steps, spent, self.now))

    def _previous(self) -> Previous | None:
        done = [h for h in self.heals if h.ended_at and (self.cleared_at is None or h.stored_at > self.cleared_at)]
        if not done:
            return None
        was = self.episodes[done[-1].episode]
        return Previous(1, 1, was.ladder, was.attempts, done[-1].ended_at)

    def _spans(self) -> list[timedelta]:
        last = max((h.ended_at for h in self.heals if h.ended_at), default=NOW)
        return healthy_spans([change for change in self.changes if change[0] >= last], last)

    def _course(self, episode: Episode) -> Course:
        span = timedelta(seconds=max(self.rules.sustained_health_s, 2 * INTERVAL_S))
        recent = [(at, outcome) for at, outcome in self.results if at >= self.now - span]
        failed = max((at for at, outcome in recent if outcome is Outcome.FAIL), default=None)
        left = max((at for at, was, _ in self.changes if was == "unhealthy"), default=None)
        return Course(
            opened_at=episode.opened_at,
            policy_id=1,
            bound_policy_id=1,
            triggers=[TriggerFacts(1, None, INTERVAL_S, failed, len(recent))],
            status=self.counters.status,
            status_since=self.since,
            last_unhealthy_at=left,
            sustained_health_s=self.rules.sustained_health_s,
            has_open_heal=self._open_heal() is not None,
        )

    def _spent(self) -> list[Spent]:
        return [*self.others_spent, *(Spent(h.acted_at, 1, h.action is Action.MIGRATE) for h in self.heals)]

    def _facts(self) -> Facts:
        episode, heal, until = self._episode(), self._open_heal(), self.held.get
        done = [h for h in self.heals if self._is_waited_for(h)]
        steps = episode.ladder if episode else ladder(self.rules)
        spent = episode.attempts if episode else 0
        check = CheckFacts(
            1,
            "http",
            self.counters.status,
            self.counters.status,
            failures=self.counters.failures,
            failure_threshold=THRESHOLD,
            interval_s=INTERVAL_S,
            bad_since=self.bad_since,
            last_outcome=self.last,
            last_class=FailClass.DOWN if self.last is Outcome.FAIL else None,
            last_at=self.last_at,
            fresh_until=self.now + HOUR,
        )
        facts = Facts(self.now, self.counters.status, checks=(check,), policy=self.rules, ladder=steps, spent=spent)
        breaker = BreakerFacts(BreakerScope.TENANT, "acme", self.breaker, self.now, 9, 2)
        breaker = replace(breaker, is_next=self.breaker is BreakerState.HALF_OPEN)
        return replace(
            facts,
            switch=Switch(KillScope.TENANT, "acme", "op", "fire", until("switch")) if until("switch") else None,
            snooze=SnoozeFacts("ann", "upgrade", until("snooze")) if until("snooze") else None,
            starting=Starting(self.now, until("starting"), None) if until("starting") else None,
            episode=EpisodeFacts(episode.number, frozenset({1}), episode.opened_at, None) if episode else None,
            open_heal=OpenHeal(1, heal.action, 1, 1, HealState.RUNNING, None) if heal else None,
            last_heal=LastHeal(done[-1].ended_at, None) if done else None,
            provider=ProviderFacts(lock="backup" if self.is_locked else None),
            recent_heals=tuple(h.stored_at for h in self.heals),
            breakers=() if self.breaker is BreakerState.CLOSED else (breaker,),
            spent_by_tenant=tuple(self._spent()),
            turn=Turn(),
        )

    # What must be true at any time

    @invariant()
    def one_heal_at_a_time(self) -> None:
        assert sum(heal.ended_at is None for heal in self.heals) <= 1
        for one, other in zip(self.heals, self.heals[1:], strict=False):
            assert one.ended_at is not None
            assert one.ended_at <= other.stored_at

    @invariant()
    def attempts_stay_on_the_ladder_and_are_stored_first(self) -> None:
        for episode in self.episodes:
            own = [heal for heal in self.heals if heal.episode == episode.number]
            rungs = [step.action for step in episode.ladder for _ in range(step.attempts)]
            assert len(own) <= episode.attempts <= len(rungs)
            assert [heal.action for heal in own] == [rungs[heal.attempt - 1] for heal in own]
        assert all(heal.stored_at < heal.acted_at for heal in self.heals)

    @invariant()
    def what_follows_goes_on_or_starts_clean(self) -> None:
        for was, episode in zip(self.episodes, self.episodes[1:], strict=False):
            before = [h for h in self.heals if h.ended_at is not None and h.ended_at <= episode.opened_at]
            is_relapse = bool(before) and before[-1].ended_at > episode.opened_at - 24 * HOUR
            is_reset = any(e.why_closed == "reset" for e in self.episodes[(before[-1].episode if before else 0) :][:-1])
            own = [heal for heal in self.heals if heal.episode == episode.number]
            if not is_relapse:
                assert episode.attempts == len(own)
            elif not is_reset and before[-1].episode == was.number and self.cleared_at is None:
                lost = (episode.opened_at - before[-1].ended_at) // (6 * HOUR)
                assert episode.attempts >= was.attempts - lost + len(own)

    @invariant()
    def exhausted_is_left_by_health_or_by_people(self) -> None:
        for episode in self.episodes:
            if episode.is_exhausted:
                assert episode.why_closed in (None, "recovered", "reset", "lost")

    @invariant()
    def every_sliding_hour_keeps_the_budget(self) -> None:
        spent = self._spent()
        for one in spent:
            assert _used(spent, one.at) <= 6
            assert sum(s.is_migration for s in spent if one.at - HOUR < s.at <= one.at) <= 1


def _used(spent: list[Spent], at: Any) -> int:
    return sum(one.cost for one in spent if at - HOUR < one.at <= at)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_pod_is_healed_as_the_text_says_whatever_happens() -> None:
    run_state_machine_as_test(OnePod, settings=lives(OnePod, 120, steps=40, deep=3000))
