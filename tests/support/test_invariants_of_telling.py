"""The checker of what is told, checked: what the product made passes, and each violation is found."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from podhealth.core.words import NoticeKind
from podhealth.models import Incident, IncidentMember, Notice, Transition
from podhealth.store.db import write
from tests.support.invariants import check_invariants
from tests.support.told import Fleet


@pytest.fixture
def fleet(engine: sa.Engine) -> Iterator[Fleet]:
    fleet = Fleet(engine)
    fleet.add("web-1", "web-2")
    fleet.fall_ill("web-1", "web-2")
    fleet.recover("web-2")
    fleet.pass_time(seconds=61)
    yield fleet
    fleet.close()


def broken(fleet: Fleet, statement: sa.Executable) -> list[str]:
    with write(fleet.engine) as conn:
        conn.execute(statement)
    return [violation.split(":")[0] for violation in check_invariants(fleet.engine)]


def test_what_the_product_made_is_in_order(fleet) -> None:
    assert check_invariants(fleet.engine) == []


def test_i6_a_trouble_that_was_told_to_nobody(fleet) -> None:
    assert broken(fleet, sa.delete(IncidentMember).where(IncidentMember.left_at.is_(None)))[0] == "I6"


def test_i6_a_trouble_of_which_the_incident_knows_less(fleet) -> None:
    update = sa.update(IncidentMember).where(IncidentMember.left_at.is_(None))

    assert broken(fleet, update.values(told=NoticeKind.DEGRADED)) == ["I6"]


def test_i6_a_notice_without_its_transition(fleet) -> None:
    key = sa.literal("transition:99") + sa.cast(Notice.id, sa.String)
    update = sa.update(Notice).where(Notice.kind == NoticeKind.UNHEALTHY).values(cause_key=key)

    assert broken(fleet, update) == ["I6", "I6"]


def test_i6_a_notice_of_another_kind_of_transition(fleet) -> None:
    others = sa.select(sa.func.min(Transition.id)).where(
        Transition.to_status == "healthy", Transition.check_id.is_(None)
    )
    key = sa.literal("transition:") + sa.cast(others.scalar_subquery(), sa.String)
    first = Notice.id == sa.select(sa.func.min(Notice.id)).scalar_subquery()

    assert broken(fleet, sa.update(Notice).where(first).values(cause_key=key)) == ["I6"]


def test_i6_an_end_that_is_told_of_an_open_incident(fleet) -> None:
    with fleet.engine.connect() as conn:
        is_open = conn.scalar(sa.select(Incident.id).where(Incident.recovered_at.is_(None)))
    recovered = Notice.kind == NoticeKind.RECOVERED

    assert broken(fleet, sa.update(Notice).where(recovered).values(cause_key=f"incident:{is_open}:over")) == ["I6"]


def test_i7_an_incident_that_is_over_with_somebody_in_it(fleet) -> None:
    over = sa.select(Incident.id).where(Incident.recovered_at.is_not(None))

    assert broken(
        fleet, sa.update(IncidentMember).where(IncidentMember.incident_id.in_(over)).values(left_at=None)
    ) == ["I7"]


def test_i7_an_open_incident_with_nobody_in_it(fleet) -> None:
    reopened = sa.update(Incident).where(Incident.recovered_at.is_not(None)).values(recovered_at=None)

    assert "I7" in broken(fleet, reopened)
