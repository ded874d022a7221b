"""Questions to people as they are stored: what an answer counts for, and for how long (behaviour §6)."""

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from podhealth.core.errors import Conflict, InputError, NotFound
from podhealth.core.facts import Approved
from podhealth.core.words import Actor, ApprovalState, Role
from podhealth.models import Approval, AuditEntry, Episode, Heal
from podhealth.store import approvals
from podhealth.store.db import db_now, read, write
from podhealth.store.tenancy import Scope
from tests.support.build import a_heal, a_pod, a_policy, a_tenant, an_approval, an_episode

HOUR = timedelta(hours=1)


class Scene:
    """A pod with an open episode and, once asked, a question about its first attempt."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine
        with write(engine) as conn:
            self.now = db_now(conn)
            tenant_id = a_tenant(conn)
            self.pod_id = a_pod(conn, tenant_id)
            self.episode_id = an_episode(conn, self.pod_id, a_policy(conn, tenant_id))
            zeta = a_tenant(conn, "zeta")
        self.ann = Scope(tenant_id, Role.OPERATOR, Actor.USER, "ann")
        self.zoe = Scope(zeta, Role.ADMIN, Actor.USER, "zoe")

    def ask(self, **columns: Any) -> int:
        with write(self.engine) as conn:
            return an_approval(conn, self.pod_id, self.episode_id, **columns)

    def said(self, after: timedelta = timedelta(0), heal_id: int | None = None) -> Approved | None:
        with read(self.engine) as conn:
            episode = conn.execute(sa.select(Episode.__table__)).one()
            heal = conn.execute(sa.select(Heal.__table__).where(Heal.id == (heal_id or 0))).one_or_none()
            return approvals.facts_of(conn, episode, heal, self.now + after)

    def row(self, approval_id: int) -> Any:
        with read(self.engine) as conn:
            return conn.execute(sa.select(Approval.__table__).where(Approval.id == approval_id)).one()


@pytest.fixture
def scene(engine: sa.Engine) -> Scene:
    return Scene(engine)


def test_without_a_question_nobody_has_said_anything(scene: Scene) -> None:
    assert scene.said() is None
    with read(scene.engine) as conn:
        assert approvals.facts_of(conn, None, None, scene.now) is None


def test_an_open_question_says_until_when(scene: Scene) -> None:
    scene.ask(lapses_at=scene.now + HOUR)

    assert scene.said() == Approved(attempt=1, wanted_until=scene.now + HOUR)


@pytest.mark.parametrize(("minutes", "counts"), [(0, True), (59.9, True), (60, False), (90, False)])
def test_a_yes_counts_until_the_question_would_have_lapsed(scene: Scene, minutes, counts) -> None:
    yes = {"state": "approved", "answered_by": "ann", "answered_at": scene.now + timedelta(minutes=50)}
    scene.ask(lapses_at=scene.now + HOUR, **yes)
    said = scene.said(timedelta(minutes=minutes))

    assert (said is not None and said.by == "ann") == counts


@pytest.mark.parametrize(("heal", "counts"), [("its own", True), ("another", False), ("none", False)])
def test_a_used_yes_counts_for_its_own_open_heal_only(scene: Scene, heal, counts) -> None:
    with write(scene.engine) as conn:
        heal_id = a_heal(conn, scene.pod_id)
    used_for = heal_id if heal != "another" else heal_id + 1
    yes = {"state": "approved", "answered_by": "ann", "answered_at": scene.now, "heal_id": used_for}
    scene.ask(lapses_at=scene.now + HOUR, **yes)
    said = scene.said(2 * HOUR, heal_id if heal != "none" else None)

    assert (said is not None) == counts


@pytest.mark.parametrize(("minutes", "holds"), [(0, True), (59, True), (60, False)])
def test_a_no_holds_its_attempt_for_an_hour(scene: Scene, minutes, holds) -> None:
    scene.ask(state="rejected", answered_by="ann", answered_at=scene.now)
    said = scene.said(timedelta(minutes=minutes))

    assert said == (Approved(attempt=1, rejected_by="ann", asked_again_at=scene.now + HOUR) if holds else None)


def test_a_lapsed_question_says_nothing_any_more(scene: Scene) -> None:
    scene.ask(state="lapsed", note="the pod has recovered.")

    assert scene.said() is None


def test_the_newest_question_of_the_episode_counts(scene: Scene) -> None:
    scene.ask(state="rejected", answered_by="ann", answered_at=scene.now)
    scene.ask(attempt=2, lapses_at=scene.now + HOUR)

    assert scene.said() == Approved(attempt=2, wanted_until=scene.now + HOUR)


def test_a_pod_is_asked_about_once_at_a_time(scene: Scene) -> None:
    scene.ask()

    with pytest.raises(sa.exc.IntegrityError):
        scene.ask(attempt=2)


def test_lapsing_ends_an_open_question_and_an_unused_yes_and_leaves_the_rest(scene: Scene) -> None:
    wanted = scene.ask()
    yes = {"state": "approved", "answered_by": "ann", "answered_at": scene.now}
    unused, used = scene.ask(**yes), scene.ask(**yes, heal_id=7)
    no = scene.ask(state="rejected", answered_by="ann", answered_at=scene.now)
    with write(scene.engine) as conn:
        was_any = approvals.lapse(conn, scene.episode_id, "the pod has recovered.")
        is_any = approvals.lapse(conn, scene.episode_id, "again")

    assert (was_any, is_any) == (True, False)
    assert [scene.row(one).state for one in (wanted, unused, used, no)] == ["lapsed", "lapsed", "approved", "rejected"]
    assert scene.row(wanted).note == "the pod has recovered."


def test_a_yes_is_used_by_the_heal_of_its_attempt(scene: Scene) -> None:
    yes = {"state": "approved", "answered_by": "ann", "answered_at": scene.now}
    first, second = scene.ask(**yes), scene.ask(**yes, attempt=2)
    with write(scene.engine) as conn:
        approvals.use(conn, scene.episode_id, 2, 77)

    assert [scene.row(one).heal_id for one in (first, second)] == [None, 77]


@pytest.mark.parametrize("answer", [approvals.approve, approvals.reject])
def test_nobody_answers_for_another_tenant(scene: Scene, answer) -> None:
    asked = scene.ask()

    with pytest.raises(NotFound), write(scene.engine) as conn:
        answer(conn, scene.zoe, asked)
    assert scene.row(asked).state == ApprovalState.WANTED


def test_an_answer_is_audited_with_its_note(scene: Scene) -> None:
    asked = scene.ask()
    with write(scene.engine) as conn:
        approvals.approve(conn, scene.ann, asked, "go on")
    with read(scene.engine) as conn:
        entry = conn.execute(sa.select(AuditEntry.__table__)).one()

    assert (entry.what, entry.actor_name, entry.object_type, entry.object_id) == (
        "heal approved",
        "ann",
        "approval",
        str(asked),
    )
    assert entry.after == {"pod": scene.pod_id, "action": "restart", "attempt": 1, "note": "go on"}


@pytest.mark.parametrize("note", ["x" * 201, "a\nb", "a\0b"])
def test_a_bad_note_answers_nothing(scene: Scene, note) -> None:
    asked = scene.ask()

    with pytest.raises(InputError, match="note"), write(scene.engine) as conn:
        approvals.reject(conn, scene.ann, asked, note)
    assert scene.row(asked).state == ApprovalState.WANTED


def test_a_question_past_its_end_is_not_listed_as_wanted_and_takes_no_answer(scene: Scene) -> None:
    asked = scene.ask(lapses_at=scene.now - timedelta(seconds=1))
    with read(scene.engine) as conn:
        wanted = approvals.listed(conn, scene.ann, ApprovalState.WANTED, 9)
        of_pod = approvals.wanted_of_pod(conn, scene.pod_id, scene.now)

    assert (list(wanted), of_pod) == ([], None)
    with pytest.raises(Conflict, match="Nobody answered"), write(scene.engine) as conn:
        approvals.approve(conn, scene.ann, asked)


def test_the_list_is_the_tenants_own_newest_first(scene: Scene) -> None:
    old = scene.ask(state="lapsed", note="x")
    new = scene.ask()
    with read(scene.engine) as conn:
        all_of_it = [row.id for row in approvals.listed(conn, scene.ann, None, 9)]
        before = [row.id for row in approvals.listed(conn, scene.ann, None, 9, new)]
        theirs = list(approvals.listed(conn, scene.zoe, None, 9))

    assert (all_of_it, before, theirs) == ([new, old], [old], [])
