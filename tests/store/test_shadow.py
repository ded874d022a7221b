"""What shadow counts: its own rows in place of heals, and nothing of it for anybody else (behaviour §6)."""

from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from podhealth.core.words import Action, Mode
from podhealth.models import Episode
from podhealth.store import brakes, shadow
from podhealth.store.db import db_now, read, write
from podhealth.store.healfacts import Gathered, gather
from tests.support.build import a_heal, a_pod, a_policy, a_shadow_heal, a_tenant, an_episode

MINUTE = timedelta(minutes=1)


class Scene:
    """A pod in shadow with an open episode, and a pod beside it in mode auto."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine
        with write(engine) as conn:
            self.now = db_now(conn)
            self.tenant_id = a_tenant(conn)
            self.policy_id = a_policy(conn, self.tenant_id, mode=Mode.SHADOW, start_deadline_s=90)
            auto = a_policy(conn, self.tenant_id, "auto", is_default=True)
            self.pod_id = a_pod(conn, self.tenant_id, "web", policy_id=self.policy_id)
            self.other_id = a_pod(conn, self.tenant_id, "db")
            self.episode_id = an_episode(conn, self.pod_id, self.policy_id, shadow_attempts=2, attempts=1)
            an_episode(conn, self.other_id, auto)

    def would(self, ago: timedelta, **columns: Any) -> int:
        with write(self.engine) as conn:
            episode_id = columns.pop("episode_id", self.episode_id)
            return a_shadow_heal(conn, self.pod_id, episode_id, self.policy_id, at=self.now - ago, **columns)

    def healed(self, pod_id: int, ago: timedelta, **columns: Any) -> None:
        at = self.now - ago
        with write(self.engine) as conn:
            done = {"state": "failed", "triggered_at": at, "called_at": at, "completed_at": at}
            a_heal(conn, pod_id, idempotency_key=f"{pod_id} {at}", **(done | columns))

    def gathered(self, pod_id: int | None = None, now: datetime | None = None) -> Gathered:
        with read(self.engine) as conn:
            g = gather(conn, pod_id or self.pod_id, now or self.now)
        assert g is not None
        return g


@pytest.fixture
def scene(engine: sa.Engine) -> Scene:
    return Scene(engine)


def test_attempts_are_those_of_shadow_and_the_real_ones_stand_beside(scene: Scene) -> None:
    g = scene.gathered()

    assert (g.facts.spent, g.real.spent) == (2, 1)


def test_the_pause_counts_from_what_would_have_been_done(scene: Scene) -> None:
    scene.healed(scene.pod_id, 2 * MINUTE)
    scene.would(7 * MINUTE)
    last, real = scene.gathered().facts.last_heal, scene.gathered().real.last_heal

    assert last is not None
    assert (last.ended_at, last.start_deadline_at) == (
        scene.now - 7 * MINUTE,
        scene.now - 7 * MINUTE + timedelta(seconds=90),
    )
    assert real is not None
    assert real.ended_at == scene.now - 2 * MINUTE


def test_a_real_heal_makes_shadow_wait_for_nothing(scene: Scene) -> None:
    scene.healed(scene.pod_id, 2 * MINUTE)

    assert scene.gathered().facts.last_heal is None


def test_telling_people_in_shadow_starts_nothing(scene: Scene) -> None:
    scene.would(7 * MINUTE, action=Action.NOTIFY_ONLY)
    last = scene.gathered().facts.last_heal

    assert last is not None
    assert last.start_deadline_at is None


def test_a_reset_clears_the_pause_of_shadow(scene: Scene) -> None:
    scene.would(7 * MINUTE)
    with write(scene.engine) as conn:
        conn.execute(sa.text("UPDATE cloud_pod_health_status SET cooldown_cleared_at = 9000000000000000"))

    assert scene.gathered().facts.last_heal is None


def test_the_day_of_a_chronic_pod_and_the_hour_of_the_budget_are_those_of_shadow(scene: Scene) -> None:
    scene.healed(scene.pod_id, 5 * MINUTE)
    for ago in (90, 30, 20):
        scene.would(ago * MINUTE, cost=2 if ago == 20 else 1)
    scene.would(10 * MINUTE, action=Action.MIGRATE)
    scene.would(5 * MINUTE, action=Action.NOTIFY_ONLY)
    facts = scene.gathered().facts

    assert facts.recent_heals == tuple(scene.now - ago * MINUTE for ago in (90, 30, 20, 10))
    assert [(one.cost, one.is_migration) for one in facts.spent_by_tenant] == [(1, False), (2, False), (1, True)]


def test_nobody_else_pays_for_what_shadow_would_do(scene: Scene) -> None:
    for ago in range(1, 9):
        scene.would(ago * MINUTE)
    with read(scene.engine) as conn:
        spent = brakes.spent_of(conn, scene.tenant_id, scene.now)
    other = scene.gathered(scene.other_id)

    assert spent == ()
    assert (other.facts.spent_by_tenant, other.facts.last_heal, other.facts.recent_heals) == ((), None, ())


def test_in_another_mode_nothing_of_shadow_counts(scene: Scene) -> None:
    scene.would(7 * MINUTE)
    scene.healed(scene.pod_id, 30 * MINUTE)
    with write(scene.engine) as conn:
        conn.execute(sa.text("UPDATE cloud_pod_auto_heal_policies SET mode = 'auto'"))
    g = scene.gathered()

    assert g.facts == g.real
    assert g.facts.spent == 1
    assert g.facts.last_heal is not None
    assert g.facts.last_heal.ended_at == scene.now - 30 * MINUTE


@pytest.mark.parametrize(("hours", "is_previous"), [(1, True), (23.9, True), (24, False), (30, False)])
def test_a_relapse_goes_on_within_a_day_of_what_would_have_been_done(scene: Scene, hours, is_previous) -> None:
    scene.would(timedelta(hours=hours))
    with read(scene.engine) as conn:
        pod = scene.gathered().pod
        found = shadow.previous(conn, pod, scene.now)

    assert (found is not None) == is_previous
    assert found is None or (found.attempts, found.policy_id) == (2, scene.policy_id)


def test_the_log_and_the_line_of_the_page_tell_the_newest_first(scene: Scene) -> None:
    scene.would(7 * MINUTE)
    scene.would(2 * MINUTE, nth_of_action=2, attempt=2)
    with read(scene.engine) as conn:
        newest = shadow.newest_of(conn, scene.episode_id)
        log = shadow.log(conn, scene.tenant_id, scene.now - timedelta(hours=1), 10)
        others = shadow.log(conn, scene.tenant_id + 1, scene.now - timedelta(hours=1), 10)

    assert newest == shadow.ShadowLine(scene.now - 2 * MINUTE, Action.RESTART, 2, 3)
    assert [row.nth_of_action for row in log] == [2, 1]
    assert others == []


def test_an_episode_opens_with_no_attempt_of_shadow_spent(engine: sa.Engine, scene: Scene) -> None:
    with read(engine) as conn:
        spent = conn.execute(sa.select(Episode.shadow_attempts).where(Episode.pod_id == scene.other_id)).scalar_one()

    assert spent == 0
