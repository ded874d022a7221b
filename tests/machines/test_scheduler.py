"""The scheduler of the interleavings finds what only some orders show, and nobody waits for ever."""

from collections.abc import Callable

import pytest
import sqlalchemy as sa

from podhealth.store.db import read, write
from tests.machines.interleaving import Scheduler, plans
from tests.support import build

_SEEN = sa.text("SELECT feed_seq FROM tenants")
_SET = sa.text("UPDATE tenants SET feed_seq = :seq")
_ADD = sa.text("UPDATE tenants SET feed_seq = feed_seq + 1")


@pytest.fixture
def ends(engine: sa.Engine) -> Callable[..., set[int]]:
    """``ends(script)``: what a number comes to that two such scripts raise by one, over all orders of two switches."""
    with write(engine) as conn:
        build.a_tenant(conn)

    def play(script: Callable[[], None]) -> set[int]:
        seen = set()
        scheduler = Scheduler(engine, is_coarse=False)
        with scheduler.listening():
            for first, plan in [*plans([5, 5], 1), *plans([5, 5], 2)]:
                with write(engine) as conn:
                    conn.execute(_SET, {"seq": 0})
                actors = scheduler.run({"one": script, "two": script}, plan, first)
                assert [actor.error for actor in actors] == [None, None]
                with read(engine) as conn:
                    seen.add(int(conn.execute(_SEEN).scalar_one()))
        return seen

    return play


def test_an_update_that_is_lost_in_some_orders_is_found(engine: sa.Engine, ends: Callable[..., set[int]]) -> None:
    def careless() -> None:
        with read(engine) as conn:
            seq = conn.execute(_SEEN).scalar_one()
        with write(engine) as conn:
            conn.execute(_SET, {"seq": seq + 1})

    assert ends(careless) == {1, 2}


def test_who_waits_for_the_other_in_the_database_goes_on_after_it(
    engine: sa.Engine, ends: Callable[..., set[int]]
) -> None:
    def careful() -> None:
        with write(engine) as conn:
            conn.execute(_ADD)
            conn.execute(_SEEN)

    assert ends(careful) == {2}


def test_all_plans_of_three_switches_fit_and_differ() -> None:
    found = list(plans([4, 3], 3))

    assert len(set(found)) == len(found)
    assert {plan for first, plan in found if first == 0} >= {(1, 1, 1), (2, 2, 1), (1, 2, 2)}
    assert (0, (3, 1, 1)) not in found
