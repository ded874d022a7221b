"""The figures of PodHealth's own operation, and from when on somebody should look at them."""

from dataclasses import replace

import pytest

from podhealth.core.operation import Alarms, DeadMan, Running, broken, figures
from podhealth.core.words import Status

WELL = Running(
    tick_age_s=0.4,
    failing_steps=0,
    probers=2,
    in_flight=31,
    lag_p99_ms=310.0,
    overdue=0,
    overdue_s=0.0,
    outbox_s=0.0,
    waiting=0,
    dead_letters=0,
    blind=(),
    unmanned=(),
    is_redis_there=True,
)


def _of(running: Running, key: str):
    return next(one for one in figures(running) if one.key == key)


def test_where_all_is_well_no_figure_asks_to_be_looked_at():
    assert {one.status for one in figures(WELL)} == {Status.HEALTHY}


@pytest.mark.parametrize(
    ("changed", "key", "status"),
    [
        ({"tick_age_s": None}, "tick", Status.UNHEALTHY),
        ({"tick_age_s": 15.0}, "tick", Status.HEALTHY),
        ({"tick_age_s": 15.1}, "tick", Status.UNHEALTHY),
        ({"failing_steps": 1}, "tick", Status.DEGRADED),
        ({"probers": 0}, "probers", Status.UNHEALTHY),
        ({"unmanned": ("dc2",)}, "probers", Status.UNHEALTHY),
        ({"blind": ("dc1",)}, "probers", Status.DEGRADED),
        ({"lag_p99_ms": 5_000.0}, "lag", Status.HEALTHY),
        ({"lag_p99_ms": 5_001.0}, "lag", Status.DEGRADED),
        ({"overdue": 1, "overdue_s": 16.0}, "lag", Status.UNHEALTHY),
        ({"outbox_s": 60.0, "waiting": 3}, "outbox", Status.HEALTHY),
        ({"outbox_s": 61.0, "waiting": 3}, "outbox", Status.UNHEALTHY),
        ({"dead_letters": 1}, "dead", Status.DEGRADED),
        ({"is_redis_there": False}, "redis", Status.DEGRADED),
        ({"step_late_s": 301.0}, "tick", Status.DEGRADED),
        ({"longest_queue": ("heal", 5_000)}, "queues", Status.HEALTHY),
        ({"longest_queue": ("heal", 5_001)}, "queues", Status.DEGRADED),
        ({"fullest": ("dc1", 90, 100)}, "capacity", Status.HEALTHY),
        ({"fullest": ("dc1", 91, 100)}, "capacity", Status.DEGRADED),
        ({"dead_man": DeadMan(40.0, None)}, "dead_man", Status.HEALTHY),
        ({"dead_man": DeadMan(None, None)}, "dead_man", Status.HEALTHY),
        ({"dead_man": DeadMan(400.0, "it answered 503")}, "dead_man", Status.DEGRADED),
    ],
)
def test_a_figure_says_when_to_look(changed, key, status):
    assert _of(replace(WELL, **changed), key).status == status


def test_what_is_wrong_is_named():
    assert _of(replace(WELL, unmanned=("dc2", "dc3")), "probers").value == "none at dc2, dc3"
    assert "dc1" in _of(replace(WELL, blind=("dc1",)), "probers").meaning
    assert _of(replace(WELL, failing_steps=2), "tick").value == "0 s ago, 2 steps failed"
    assert _of(replace(WELL, overdue=1200, overdue_s=20.0), "lag").value == "p99 0.3 s, 1,200 wait, the first for 20 s"


def test_an_operator_chooses_from_when_on_to_look():
    tight = Alarms(1.0, 1.0, 100.0, 1.0, 1.0, 10, 5)
    at = replace(WELL, tick_age_s=2.0, outbox_s=2.0, waiting=1, longest_queue=("heal", 11), fullest=("dc1", 6, 100))

    assert {one.key for one in figures(at, tight) if one.status != Status.HEALTHY} == {
        *("tick", "lag", "outbox", "queues", "capacity")
    }


def test_only_what_is_broken_keeps_others_from_being_told_that_all_is_well():
    assert broken(figures(replace(WELL, tick_age_s=20.0, dead_man=DeadMan(None, "it answered 503")))) == ["Tick"]
    assert broken(figures(replace(WELL, dead_letters=3, is_redis_there=False))) == []
