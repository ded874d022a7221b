"""Facts about a pod that is ill enough to be healed at once; tests change what they are about."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from podhealth.core.facts import CheckFacts, EpisodeFacts, Facts, ProviderFacts
from podhealth.core.ladder import PolicyRules, Step
from podhealth.core.words import Action, FailClass, Outcome, Status

NOW = datetime(2026, 11, 24, 10, 2, 11, tzinfo=UTC)


def ago(**span: float) -> datetime:
    return NOW - timedelta(**span)


def ahead(**span: float) -> datetime:
    return NOW + timedelta(**span)


def a_sick_check(**changed: Any) -> CheckFacts:
    check = CheckFacts(
        check_id=1,
        name="http",
        status=Status.UNHEALTHY,
        stored_status=Status.UNHEALTHY,
        interval_s=60,
        failure_threshold=3,
        failures=4,
        bad_since=ago(minutes=4),
        last_outcome=Outcome.FAIL,
        last_class=FailClass.DOWN,
        last_at=ago(seconds=5),
        fresh_until=ahead(minutes=3),
    )
    return replace(check, **changed)


def a_healthy_check(**changed: Any) -> CheckFacts:
    healthy = {"status": Status.HEALTHY, "stored_status": Status.HEALTHY, "failures": 0, "bad_since": None}
    return a_sick_check(**(healthy | {"last_outcome": Outcome.OK, "last_class": None} | changed))


def ready(**changed: Any) -> Facts:
    """Facts with which every gate is open."""
    facts = Facts(
        now=NOW,
        status=Status.UNHEALTHY,
        checks=(a_sick_check(),),
        policy=PolicyRules("web"),
        policy_why="the tenant's default",
        episode=EpisodeFacts(7, frozenset({1}), ago(minutes=1), None),
        ladder=(Step(Action.RESTART, 3),),
        spent=0,
        provider=ProviderFacts(),
    )
    return replace(facts, **changed)
