"""Whatever happens to pods, the product's own acts leave nothing that violates an invariant (hazards §4)."""

import pytest
import sqlalchemy as sa

from podhealth.core.words import Status
from podhealth.models import Transition
from podhealth.store.db import read
from tests.support.invariants import Ledgers, assert_invariants
from tests.support.life import Life


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_what_the_product_does_violates_nothing_at_any_step(engine, seed):
    life = Life(engine, seed)
    for _ in range(150):
        life.step()
        assert_invariants(engine, Ledgers(acked=tuple(life.acked)))
    with read(engine) as conn:
        seen = set(conn.scalars(sa.select(Transition.to_status)))

    # A life in which nothing happens would prove nothing.
    assert seen == set(Status)
