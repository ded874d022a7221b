"""A check's whole life by random steps, beside a second opinion written from the text (told_status.py).

Steps are results (also late ones), edits, disabling, resets, waiting, and the reaper that may or may not come.
"""

from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from podhealth.core.expiry import believed, effective_status, fresh_span_us
from podhealth.core.status import FRESH_START, Counters, advance
from podhealth.core.words import Outcome, Status
from tests.core.told_status import ToldCheck

thresholds = st.integers(1, 4)


class OneCheck(RuleBasedStateMachine):
    """The rules as the store applies them to a row, and the same told by the text."""

    @initialize(ft=thresholds, st=thresholds, interval=st.sampled_from([5, 60, 3600, 86_400]))
    def begin(self, ft: int, st: int, interval: int) -> None:
        self.now = 1_000
        self.interval, self.ft, self.st = interval, ft, st
        self.generation = 1
        self.enabled = True
        self.row: Counters = FRESH_START
        self.fresh_until: int | None = None
        self.told = ToldCheck(interval=interval, ft=ft, st=st)

    @precondition(lambda self: self.enabled)
    @rule(outcome=st.sampled_from([*Outcome, Outcome.FAIL, Outcome.OK]), times=st.integers(1, 3))
    def results(self, outcome: Outcome, times: int) -> None:
        for _ in range(times):
            self._record(outcome, self.generation)
            self.told.result(outcome.value, self.now)

    @rule(outcome=st.sampled_from(Outcome))
    def late_result(self, outcome: Outcome) -> None:
        self._record(outcome, self.generation - 1)

    @rule(ft=thresholds, st=thresholds)
    def edit(self, ft: int, st: int) -> None:
        self.ft, self.st = ft, st
        self.told.ft, self.told.st = ft, st
        self._reset()

    @rule()
    def disable_or_enable(self) -> None:
        self.enabled = not self.enabled
        self._reset()

    @rule()
    def reset(self) -> None:
        self._reset()

    @rule(seconds=st.sampled_from([1, 60, 170, 195, 20_000, 90_000, 300_000]))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds

    @rule()
    def the_reaper_comes(self) -> None:
        # The text's own check is never reaped here: it must come to the same without.
        self.row = believed(self.row, self.fresh_until, self.now)

    @invariant()
    def readers_see_the_same(self) -> None:
        seen = effective_status(self.row.status, self.fresh_until, self.now)

        assert seen.value == self.told.reader_sees(self.now)

    @invariant()
    def counters_are_the_same_while_believed(self) -> None:
        row = believed(self.row, self.fresh_until, self.now)
        told = replace(self.told)
        told.reap(self.now)

        assert (row.status.value, row.failures, row.successes) == (told.status, told.f, told.s)

    @invariant()
    def a_check_without_doubt_has_no_old_failures(self) -> None:
        assert self.row.status not in (Status.HEALTHY, Status.UNKNOWN) or self.row.failures == 0

    def _record(self, outcome: Outcome, generation: int) -> None:
        if generation != self.generation:
            return
        self.row = advance(believed(self.row, self.fresh_until, self.now), outcome, self.ft, self.st)
        if outcome not in (Outcome.ERROR, Outcome.INVALID):
            self.fresh_until = self.now + fresh_span_us(self.interval, 10) // 1_000_000

    def _reset(self) -> None:
        self.generation += 1
        self.row = FRESH_START
        self.told.reset()


OneCheck.TestCase.settings = settings(deadline=None, max_examples=60, stateful_step_count=40)
test_a_check_lives_as_the_text_says = OneCheck.TestCase
