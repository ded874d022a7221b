"""A tenant with pods, its people signed in, and a hub in this process whose sockets are pairs: no web server needed."""

import hashlib
import secrets
import socket
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import NamedTuple

import pytest
import sqlalchemy as sa

from podhealth import clock
from podhealth.core.words import FeedKind
from podhealth.live.hub import Hub
from podhealth.models import Session
from podhealth.store import feed
from podhealth.store.db import write
from podhealth.store.feed import FeedNote
from tests.support.browsers import Browser
from tests.support.build import a_check, a_pod, a_tenant, a_user


class Place(NamedTuple):
    """A tenant, its pods, and the hash of a living session of one of its people."""

    tenant_id: int
    pods: tuple[int, ...]
    user_id: int
    session: str


def a_session(conn: sa.Connection, user_id: int) -> str:
    """A living session; returns the hash it is known by."""
    key = hashlib.sha256(secrets.token_bytes(16)).hexdigest()
    now = clock.utcnow()
    conn.execute(
        sa.insert(Session).values(user_id=user_id, token_hash=key, created_at=now, expires_at=now + timedelta(hours=1))
    )
    return key


def a_place(engine: sa.Engine, name: str = "acme", pods: int = 3) -> Place:
    """A tenant with healthy pods and a viewer who is signed in."""
    with write(engine) as conn:
        tenant_id = a_tenant(conn, name)
        fresh = clock.utcnow() + timedelta(hours=1)
        ids = [a_pod(conn, tenant_id, f"{name}-{number}", status="healthy") for number in range(pods)]
        for pod_id in ids:
            a_check(conn, pod_id, status="healthy", fresh_until=fresh)
        user_id = a_user(conn, tenant_id, f"ann-{name}")
        return Place(tenant_id, tuple(ids), user_id, a_session(conn, user_id))


def tell(engine: sa.Engine, tenant_id: int, *pod_ids: int | None, kind: FeedKind = FeedKind.POD) -> int:
    """Commit a change of each of these pods and return the newest feed number."""
    with write(engine) as conn:
        return feed.append(conn, [FeedNote(tenant_id, kind, pod_id) for pod_id in pod_ids])[tenant_id]


def opened(hub: Hub, place: Place, person_id: int | None = None, **watch: object) -> Browser:
    """Give ``hub`` a socket of somebody of this place; return the browser's end."""
    near, far = socket.socketpair()
    hub.add(near, place.tenant_id, place.session, person_id)
    return Browser(far).watch(**watch)


Join = Callable[..., Browser]


@pytest.fixture
def place(engine: sa.Engine) -> Place:
    return a_place(engine)


@pytest.fixture
def hub(engine: sa.Engine) -> Iterator[Hub]:
    hub = Hub(engine, max_sockets=700, max_of_tenant=700)
    hub.start()
    yield hub
    hub.stop()


@pytest.fixture
def join(hub: Hub) -> Iterator[Join]:
    """``join(place, seq=0, card=[7])``: open a socket that shows this and return the browser's end."""
    opened: list[Browser] = []

    def joining(place: Place, **watch: object) -> Browser:
        near, far = socket.socketpair()
        hub.add(near, place.tenant_id, place.session)
        opened.append(Browser(far))
        return opened[-1].watch(**watch) if watch else opened[-1]

    yield joining
    for browser in opened:
        browser.close()
