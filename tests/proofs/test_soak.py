"""The short form of ``make soak``: two minutes at a twentieth of its load, with the same faults more often."""

import pytest

from tests.proofs import soak
from tests.proofs.soak_plot import draw
from tests.support.databases import Postgres

SHORT = soak.Plan(minutes=2, rate=50, pods=200, sockets=50, kill_every_s=25, redis_every_s=50, sample_s=2, spare=2)


@pytest.mark.slow
@pytest.mark.postgres
@pytest.mark.timeout(400)
@pytest.mark.fault("F95")
def test_two_minutes_of_load_with_kills_lose_nothing_double_nothing_and_grow_nothing(postgres_server: Postgres) -> None:
    url = postgres_server.create("podhealth_soak", "template1")
    figures, samples = soak.run(SHORT, url)
    postgres_server.drop("podhealth_soak")

    assert soak.faults_of(figures) == []
    assert figures["kills"] == {"probe-2": 2, "worker": 2, "redis": 2}
    assert figures["recordedPerSecond"] == pytest.approx(50, rel=0.15)
    assert figures["framesHeard"] > 0
    assert draw(samples).count("<polyline") == 2 + len(samples[0].held) - 1
