"""What policies came to, as it is read from heals, transitions and episodes (behaviour §6, Effect)."""

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from podhealth.core.words import Action, Status
from podhealth.models import Transition
from podhealth.store import effect
from podhealth.store.db import db_now, read, write
from podhealth.store.tenancy import system_scope
from tests.support.build import a_heal, a_pod, a_policy, a_shadow_heal, a_tenant, an_episode

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


class Scene:
    """A tenant with a policy and a pod; heals and changes of status as the test says."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine, self.number = engine, 0
        with write(engine) as conn:
            self.now = db_now(conn)
            self.tenant_id = a_tenant(conn)
            self.policy_id = a_policy(conn, self.tenant_id)
            self.pod_id = a_pod(conn, self.tenant_id, "web-1")
            self.episode_id = an_episode(
                conn, self.pod_id, self.policy_id, opened_at=self.now - 400 * HOUR, closed_at=self.now - 399 * HOUR
            )

    def heal(self, hours_ago: float, state: str = "succeeded", **columns: Any) -> None:
        at = self.now - hours_ago * HOUR
        self.number += 1
        values = {"policy_id": self.policy_id, "policy_version": 1, "state": state, "triggered_at": at}
        values |= {"completed_at": at + 3 * MINUTE, "idempotency_key": f"heal {self.number}", "next_step_at": None}
        with write(self.engine) as conn:
            a_heal(conn, self.pod_id, **(values | columns))

    def turn(self, hours_ago: float, was: Status, becomes: Status, bad_for: timedelta | None = None) -> None:
        at = self.now - hours_ago * HOUR
        values = {"tenant_id": self.tenant_id, "pod_id": self.pod_id, "from_status": was, "to_status": becomes}
        values |= {"at": at, "bad_since": None if bad_for is None else at - bad_for}
        with write(self.engine) as conn:
            conn.execute(sa.insert(Transition).values(**values))

    def came_to(self, policy_id: int | None = None) -> dict[int, effect.PolicyEffect]:
        with read(self.engine) as conn:
            return effect.effects_of(conn, system_scope(self.tenant_id), self.now, policy_id)


@pytest.fixture
def scene(engine: sa.Engine) -> Scene:
    return Scene(engine)


def test_a_policy_that_did_nothing_is_not_there(scene: Scene) -> None:
    assert scene.came_to() == {}


def test_the_time_to_health_runs_from_the_first_fail_to_the_pods_own_health(scene: Scene) -> None:
    scene.turn(10, Status.HEALTHY, Status.UNHEALTHY, 4 * MINUTE)
    scene.heal(10 - 1 / 60)
    scene.turn(10 - 2 / 60, Status.UNKNOWN, Status.HEALTHY)
    total = scene.came_to()[scene.policy_id].effect.total

    assert total is not None
    assert total.mttr == 6 * MINUTE
    assert (total.success_rate, total.relapse_rate) == (1.0, 0.0)


def test_changes_of_its_checks_are_not_the_pods(scene: Scene) -> None:
    scene.turn(10, Status.HEALTHY, Status.UNHEALTHY, 4 * MINUTE)
    scene.heal(9.5)
    with write(scene.engine) as conn:
        conn.execute(sa.update(Transition).values(check_id=1))
    total = scene.came_to()[scene.policy_id].effect.total

    assert total is not None
    assert total.mttr is None


@pytest.mark.parametrize(("next_hours_ago", "relapsed"), [(29, 1), (7, 1), (5, 0)])
def test_a_new_episode_within_a_day_is_a_relapse(scene: Scene, next_hours_ago, relapsed) -> None:
    scene.heal(30)
    with write(scene.engine) as conn:
        an_episode(conn, scene.pod_id, scene.policy_id, opened_at=scene.now - next_hours_ago * HOUR)
    total = scene.came_to()[scene.policy_id].effect.total

    assert total is not None
    assert total.relapsed == relapsed


def test_a_further_heal_within_a_day_is_a_relapse_and_telling_is_none(scene: Scene) -> None:
    scene.heal(60)
    scene.heal(59, action=Action.NOTIFY_ONLY)
    scene.heal(20)
    scene.heal(10)
    restarts = scene.came_to()[scene.policy_id].effect.actions[0]

    assert (restarts.action, restarts.heals, restarts.relapsed) == (Action.RESTART, 3, 1)


def test_thirty_days_count(scene: Scene) -> None:
    scene.heal(24 * 31)
    scene.heal(24 * 29)
    total = scene.came_to()[scene.policy_id].effect.total

    assert total is not None
    assert total.heals == 1


def test_chronic_pods_are_named(scene: Scene) -> None:
    for hours in range(6):
        scene.heal(hours + 1, "failed")

    assert scene.came_to()[scene.policy_id].chronic == ("web-1",)


def test_shadow_is_counted_apart(scene: Scene) -> None:
    with write(scene.engine) as conn:
        for action in (Action.RESTART, Action.NOTIFY_ONLY):
            a_shadow_heal(conn, scene.pod_id, scene.episode_id, scene.policy_id, action=action)
    found = scene.came_to()[scene.policy_id]

    assert (found.effect.total, found.shadow) == (None, 1)


def test_each_policy_and_tenant_has_its_own(scene: Scene) -> None:
    with write(scene.engine) as conn:
        other = a_policy(conn, scene.tenant_id, "other")
        zeta = a_tenant(conn, "zeta")
    scene.heal(3)
    scene.heal(2, policy_id=other)
    with read(scene.engine) as conn:
        theirs = effect.effects_of(conn, system_scope(zeta), scene.now)

    assert set(scene.came_to()) == {scene.policy_id, other}
    assert set(scene.came_to(other)) == {other}
    assert theirs == {}
