"""Whose sockets the hub takes, how many of them, and when it closes one: access that ended, nonsense, no more room."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from podhealth import clock
from podhealth.live import hub as hubs
from podhealth.live.wire import ACCESS_ENDED, TRY_AGAIN_LATER
from podhealth.models import Session, Tenant, User
from podhealth.store.db import write
from tests.live.conftest import a_place, a_session, opened
from tests.support.wait import wait_for


def _sign_out(conn, place):
    conn.execute(sa.update(Session).where(Session.token_hash == place.session).values(ended_at=clock.utcnow()))


def _expire(conn, place):
    past = clock.utcnow() - timedelta(seconds=1)
    conn.execute(sa.update(Session).where(Session.token_hash == place.session).values(expires_at=past))


def _deactivate(conn, place):
    conn.execute(sa.update(User).where(User.id == place.user_id).values(active=False))


def _move(conn, place):
    other = conn.execute(sa.select(Tenant.id).where(Tenant.name == "zeta")).scalar_one()
    conn.execute(sa.update(User).where(User.id == place.user_id).values(tenant_id=other))


def _delete_tenant(conn, place):
    conn.execute(sa.update(Tenant).where(Tenant.id == place.tenant_id).values(deleted_at=clock.utcnow()))


_WHY = {
    _sign_out: "this session was ended",
    _expire: "the session is over its time",
    _deactivate: "your account was switched off",
    _move: "what you may see has changed",
    _delete_tenant: "what you may see has changed",
}


@pytest.mark.parametrize("end", [_sign_out, _expire, _deactivate, _move, _delete_tenant])
@pytest.mark.attack("A15", "A18")
def test_a_socket_is_closed_when_its_access_ends_and_no_other(engine, place, hub, join, end, monkeypatch):
    monkeypatch.setattr(hubs, "CHECK_ACCESS_EVERY_S", 0.1)  # so that twenty such tests take a moment; 2 s by default
    zeta = a_place(engine, "zeta")
    with write(engine) as conn:
        colleague = place._replace(session=a_session(conn, zeta.user_id), tenant_id=zeta.tenant_id)
    browser, other = join(place, card=[]), join(colleague, card=[])
    browser.until_seq(0)
    other.until_seq(0)

    with write(engine) as conn:
        end(conn, place)

    assert (browser.until_closed(within_s=5), browser.reason) == (ACCESS_ENDED, _WHY[end])
    assert other.closed is None
    assert hub.open_sockets() == 1


def test_access_is_asked_for_often_enough():
    assert hubs.CHECK_ACCESS_EVERY_S <= 4


def test_a_broken_message_closes_the_socket(place, hub, join):
    browser = join(place)

    browser.send('{"seq": "all"}')

    assert browser.until_closed() == 1008


@pytest.mark.attack("A73")
def test_more_sockets_than_there_is_room_for_are_sent_away(engine, place, request):
    hub = hubs.Hub(engine, 10, 2)
    hub.start()
    request.addfinalizer(hub.stop)
    browsers = [opened(hub, place) for _ in range(3)]
    zeta = a_place(engine, "zeta")

    assert browsers[2].until_closed() == TRY_AGAIN_LATER
    assert [b.until_seq(0)["seq"] for b in browsers[:2]] == [0, 0]
    assert [hub.has_room(place.tenant_id), hub.has_room(zeta.tenant_id)] == [False, True]
    browsers[0].close()
    wait_for(lambda: hub.has_room(place.tenant_id))


@pytest.mark.attack("A73")
def test_one_person_cannot_take_all_the_places_of_a_tenant(engine, place, request):
    hub = hubs.Hub(engine, 10, 10, 2)
    hub.start()
    request.addfinalizer(hub.stop)
    first, _, third = [opened(hub, place, person_id=7) for _ in range(3)]
    other = opened(hub, place, person_id=8)

    assert third.until_closed() == TRY_AGAIN_LATER
    assert other.until_seq(0)["seq"] == 0
    assert [hub.has_room(place.tenant_id, 7), hub.has_room(place.tenant_id, 8)] == [False, True]
    first.close()
    wait_for(lambda: hub.has_room(place.tenant_id, 7))
