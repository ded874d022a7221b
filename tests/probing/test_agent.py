"""The kind agent: the age of the newest heartbeat against period and grace."""

import pytest

from podhealth.core.probe import HeartbeatFacts
from podhealth.core.words import Kind
from tests.probing.conftest import Asker
from tests.probing.test_http import told

OK, LATE, WAITING = ("ok", None, None), ("fail", "down", "no_heartbeat"), ("error", None, "waiting")


@pytest.mark.parametrize(
    ("age_s", "period_s", "target", "config", "outcome"),
    [
        (0.0, 60, None, {}, OK),
        (120.0, 60, None, {}, OK),
        (120.1, 60, None, {}, LATE),
        (35.0, 5, None, {}, OK),
        (35.1, 5, None, {}, LATE),
        (60.0, 60, "0", {}, OK),
        (60.1, 60, "0", {}, LATE),
        (70.0, 60, "10", {}, OK),
        (70.1, 60, None, {"graceSeconds": 10}, LATE),
    ],
)
def test_a_heartbeat_is_good_for_its_period_and_the_grace(
    asker: Asker, age_s: float, period_s: int, target: str | None, config: dict[str, int], outcome: tuple[str, str, str]
) -> None:
    facts = HeartbeatFacts(age_s, period_s, waiting=False, start_missed=False)

    found = asker.ask(Kind.AGENT, target, config=config, heartbeat=facts)

    assert told(found) == outcome
    assert found.latency_ms is None


def test_before_the_first_heartbeat_the_check_waits(asker: Asker) -> None:
    facts = HeartbeatFacts(None, 60, waiting=True, start_missed=False)

    assert told(asker.ask(Kind.AGENT, heartbeat=facts)) == WAITING


def test_no_heartbeat_after_the_deadline_of_a_start_is_a_failure(asker: Asker) -> None:
    found = asker.ask(Kind.AGENT, heartbeat=HeartbeatFacts(None, 60, waiting=False, start_missed=True))

    assert told(found) == LATE
    assert found.error == "no heartbeat since start"


@pytest.mark.parametrize("grace", ["x", "-1", "86401", "1.5"])
def test_a_stored_grace_that_is_none_is_invalid(asker: Asker, grace: str) -> None:
    facts = HeartbeatFacts(0.0, 60, waiting=False, start_missed=False)

    assert asker.ask(Kind.AGENT, grace, heartbeat=facts).code == "grace"


JOB_OPEN, JOB_FAILED = ("fail", "content", "job_open"), ("fail", "content", "job_failed")


@pytest.mark.parametrize(
    ("job", "grace", "outcome"),
    [
        ({"failed": True, "exit_code": 3}, None, JOB_FAILED),
        ({"job_age_s": 60.0}, None, OK),
        ({"job_age_s": 60.1}, None, JOB_OPEN),
        ({"job_age_s": 60.1}, "7200", OK),
        ({"failed": True, "job_age_s": 1.0}, None, JOB_FAILED),
    ],
    ids=str,
)
def test_what_an_agent_says_of_its_job_is_a_failure_of_the_content(
    asker: Asker, job: dict[str, float], grace: str | None, outcome: tuple[str, str, str]
) -> None:
    facts = HeartbeatFacts(1.0, 60, waiting=False, start_missed=False, **job)  # type: ignore[arg-type]

    assert told(asker.ask(Kind.AGENT, grace, heartbeat=facts)) == outcome


def test_the_exit_code_is_told(asker: Asker) -> None:
    facts = HeartbeatFacts(1.0, 60, waiting=False, start_missed=False, failed=True, exit_code=3)

    assert asker.ask(Kind.AGENT, heartbeat=facts).error == "its job says that it failed, exit code 3"


def test_a_missing_heartbeat_outweighs_what_was_said_before(asker: Asker) -> None:
    facts = HeartbeatFacts(999.0, 60, waiting=False, start_missed=False, failed=True)

    assert told(asker.ask(Kind.AGENT, heartbeat=facts)) == LATE
