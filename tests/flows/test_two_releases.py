"""This release and the next one side by side while the one is replaced by the other (hazards F89).

The database is migrated under the feet of the old programs. Nothing is lost: each request of a prober, old or new, has
its result.
"""

from contextlib import ExitStack
from pathlib import Path

import pytest
import sqlalchemy as sa

from podhealth.core.words import Status
from podhealth.models import PodStatus
from podhealth.store import revision, schema
from podhealth.store.db import make_engine, read
from tests.support import nextrelease
from tests.support.cluster import ROOT, Cluster, Program, Witness
from tests.support.fleet import a_fleet, results
from tests.support.invariants import Ledgers, assert_invariants
from tests.support.ledger import running_target
from tests.support.wait import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

CHECKS = 40
ROLES = (("worker", "probe.local"), ("worker", "heal", "tick", "alert"))


def _started(cluster: Cluster) -> list[Program]:
    programs = [cluster.start(*words) for words in ROLES]
    for program in programs:
        wait_for(lambda p=program: p.said("worker started"), 60, what=f"{program.name} is at work")
    return programs


@pytest.mark.fault("F89")
def test_the_old_one_works_on_the_new_schema_and_the_new_one_refuses_the_old(
    empty_url: str, stack: ExitStack, redis_url: str, tmp_path: Path
) -> None:
    schema.migrate(empty_url)
    engine = make_engine(empty_url)
    stack.callback(engine.dispose)
    checkout = nextrelease.make(tmp_path / "next")
    target = stack.enter_context(running_target(tmp_path, 10))
    checks = a_fleet(engine, target, CHECKS)
    witness = stack.enter_context(Witness(engine))
    old = stack.enter_context(Cluster(empty_url, redis_url, tmp_path))
    new = stack.enter_context(Cluster(empty_url, redis_url, checkout, root=checkout))
    old.start("scheduler")
    _started(old)
    witness.wait_for_more(CHECKS, 40)

    too_early = nextrelease.command(checkout, old.environment, "worker", "probe.local")
    migrated = nextrelease.command(checkout, old.environment, "migrate")
    assert migrated.returncode == 0, migrated.stderr
    witness.wait_for_more(CHECKS)
    too_old = nextrelease.command(ROOT, old.environment, "migrate")
    again = _started(old)
    witness.wait_for_more(CHECKS)
    _started(new)
    codes = old.stop()
    witness.wait_for_more(2 * CHECKS)
    codes += new.stop()
    stored = results(engine)
    counted = {name: sum(row.check_id == check_id for row in stored) for name, check_id in checks.items()}
    with read(engine) as conn:
        statuses = set(conn.scalars(sa.select(PodStatus.status)))
        at, shade = revision.current(conn), conn.execute(sa.text("SELECT min(shade) FROM check_states")).scalar()

    assert (too_early.returncode, "podhealth migrate" in too_early.stderr) == (2, True), too_early.stderr
    assert (too_old.returncode, "too new" in too_old.stderr) == (2, True), too_old.stderr
    assert codes == [0] * (3 + len(again) + 2)
    assert (at, shade) == (f"{int(revision.newest()) + 1:04d}", 7)
    assert counted == dict(target.counts())
    assert {row.outcome for row in stored} == {"ok"}
    assert statuses == {Status.HEALTHY}
    assert_invariants(engine, Ledgers(acked=witness.acked))
