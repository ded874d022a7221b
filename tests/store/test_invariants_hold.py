"""Whatever happens to pods, the product's own acts leave nothing that violates an invariant (hazards §4)."""

import pytest
import sqlalchemy as sa

from podhealth.core.words import Status
from podhealth.models import Transition
from podhealth.store.db import read
from tests.support.invariants import Ledgers, assert_invariants
from tests.support.life import Life

LEAST, MOST = 150, 600


def _statuses_seen(engine):
    with read(engine) as conn:
        return set(conn.scalars(sa.select(Transition.to_status)))


@pytest.mark.slow
@pytest.mark.parametrize(("engine", "seed"), [("sqlite", 0), ("postgres", 1)], indirect=["engine"])
def test_what_the_product_does_violates_nothing_at_any_step(engine, seed):
    life = Life(engine, seed)
    # What is due when depends on the real clock too, so one seed lives many lives: each goes on until it has seen all.
    for step in range(MOST):
        life.step()
        assert_invariants(engine, Ledgers(acked=tuple(life.acked)))
        if step >= LEAST and _statuses_seen(engine) == set(Status):
            break

    # A life in which nothing happens would prove nothing.
    assert _statuses_seen(engine) == set(Status)
