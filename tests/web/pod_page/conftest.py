"""The pod that most of these tests look at."""

import pytest
import sqlalchemy as sa

from podhealth.store.db import db_now, write
from tests.support.build import a_policy, an_episode
from tests.support.past import a_sick_pod


@pytest.fixture
def sick(engine: sa.Engine, tenant: int) -> int:
    """A pod that has been unhealthy for ten minutes, with an open episode of the default policy."""
    with write(engine) as conn:
        pod_id, check_id = a_sick_pod(conn, tenant, db_now(conn), name="web-1")
        trigger = [{"check_id": check_id, "generation": 1}]
        an_episode(conn, pod_id, a_policy(conn, tenant, is_default=True), attempts=1, triggers=trigger)
        return pod_id
