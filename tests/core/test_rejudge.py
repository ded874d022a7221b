"""Which results have their pod judged again, and that no gate sees a difference where one is passed over."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podhealth.core.decide import decide
from podhealth.core.judging import may_open, triggers
from podhealth.core.rejudge import Evidence, is_news
from podhealth.core.words import FailClass, Outcome, Severity, Status
from tests.core.healfacts import a_sick_check, ready

DOWN = ("fail", "down")
FINE = ("ok", None)


@pytest.mark.parametrize(
    ("before", "after", "wanted"),
    [
        pytest.param(("healthy", 0, *FINE), ("healthy", 0, *FINE), False, id="one success more"),
        pytest.param(("healthy", 0, *FINE), ("healthy", 0, "slow", None), False, id="a slow one"),
        pytest.param(("healthy", 0, *FINE), ("degraded", 1, *DOWN), True, id="the first fail"),
        pytest.param(("degraded", 1, *DOWN), ("degraded", 2, *DOWN), False, id="a fail on the way"),
        pytest.param(("degraded", 2, *DOWN), ("unhealthy", 3, *DOWN), True, id="the threshold"),
        pytest.param(("unhealthy", 3, *DOWN), ("unhealthy", 4, *DOWN), True, id="on the way to the policy's level"),
        pytest.param(("unhealthy", 4, *DOWN), ("unhealthy", 5, *DOWN), True, id="the policy's level"),
        pytest.param(("unhealthy", 5, *DOWN), ("unhealthy", 6, *DOWN), False, id="beyond it"),
        pytest.param(("unhealthy", 9, *DOWN), ("unhealthy", 10, "fail", "tls"), True, id="another class"),
        pytest.param(("unhealthy", 9, *DOWN), ("unhealthy", 9, "error", None), True, id="no fail any more"),
        pytest.param(("unhealthy", 9, "error", None), ("unhealthy", 9, "error", None), False, id="our trouble again"),
        pytest.param(("unhealthy", 9, *DOWN), ("healthy", 0, *FINE), True, id="recovered"),
    ],
)
def test_a_result_is_news_where_a_gate_may_see_a_difference(before, after, wanted) -> None:
    assert is_news(Evidence(*before), Evidence(*after), 3, 5) is wanted


@given(
    failures=st.integers(0, 12),
    asked=st.integers(1, 10),
    status=st.sampled_from(["unhealthy", "degraded"]),
    fail_class=st.sampled_from(list(FailClass)),
    severity=st.sampled_from(list(Severity)),
    policys=st.integers(1, 10),
)
def test_what_is_no_news_is_decided_as_before(failures, asked, status, fail_class, severity, policys) -> None:
    check = a_sick_check(
        status=Status(status),
        stored_status=Status(status),
        failures=failures + 1,
        last_outcome=Outcome.FAIL,
        last_class=fail_class,
        severity=severity,
    )
    more = replace(check, failures=failures + 2)
    was = Evidence(status, failures + 1, "fail", fail_class.value)
    becomes = was._replace(failures=failures + 2)
    if is_news(was, becomes, check.failure_threshold, max(asked, policys)):
        return
    one, other = (_judged(c, policys) for c in (check, more))

    assert one == other


def _judged(check, after: int):
    base = ready(checks=(check,))
    known = replace(base, status=check.status, policy=replace(base.policy, trigger_after_failures=after))
    decided = decide(known)
    return decided.answer, decided.gate, decided.same_as, decided.judge_at, may_open(known), len(triggers(known))
