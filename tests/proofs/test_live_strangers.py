"""Sockets of a real web process in the hands of somebody who is not our page."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import sqlalchemy as sa

from podhealth import clock
from podhealth.core.words import FeedKind
from podhealth.live import parts
from podhealth.models import db
from podhealth.store import feed
from podhealth.store.db import make_engine, read, write
from podhealth.store.feed import FeedNote
from tests.support.cast import Cast, House, a_cast
from tests.support.corpora import corpus
from tests.support.databases import sqlite_template
from tests.support.depth import is_deep
from tests.support.webserver import WebServer, running_web, sign_in

pytestmark = pytest.mark.slow


class World(NamedTuple):
    """A web process and two tenants, with a person of each signed in."""

    engine: sa.Engine
    web: WebServer
    cast: Cast
    adam: str
    zoe: str


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, _redis_socket: Path) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("live")
    url = f"sqlite:///{sqlite_template(folder)}"
    engine = make_engine(url)
    cast = a_cast(engine)
    with running_web(url, f"unix://{_redis_socket}", folder) as web:
        tokens = sign_in(engine, cast.acme.people["adam"]), sign_in(engine, cast.zeta.people["zoe"])
        yield World(engine, web, cast, *tokens)
    engine.dispose()


@pytest.mark.attack("A33", "A66")
def test_each_message_that_no_page_of_ours_sends_closes_its_socket(world: World) -> None:
    browsers = {text: world.web.open(world.adam) for text in corpus("W")}
    for text, browser in browsers.items():
        browser.send(text)

    closed = {text: browser.until_closed() for text, browser in browsers.items()}

    assert closed == dict.fromkeys(closed, 1008)
    assert world.web.ask(world.adam) == 101


@pytest.mark.attack("A32")
def test_no_token_in_an_address_or_a_protocol_opens_a_socket(world: World) -> None:
    token = world.cast.acme.tokens["admin"]
    tried = [world.web.ask(None, **{"Sec-WebSocket-Protocol": f"bearer, {token}"})]
    tried += [
        _asked(world.web, f"/live?{name}={value}")
        for name in ("token", "access_token", "authorization", "sid", f"podhealth_{world.web.port}")
        for value in (token, world.adam)
    ]

    assert set(tried) == {401}


def _asked(web: WebServer, path: str) -> int:
    from tests.support.browsers import shake_hands

    status, sock, _ = shake_hands(web.port, {"Origin": web.origin}, path)
    sock.close()
    return status


def _ids(engine: sa.Engine, house: House) -> list[int]:
    tables = [t for t in db.metadata.sorted_tables if "tenant_id" in t.c and "id" in t.c]
    with read(engine) as conn:
        return sorted(
            {i for t in tables for i in conn.scalars(sa.select(t.c.id).where(t.c.tenant_id == house.tenant_id))}
        )


@pytest.mark.attack("A5")
def test_whatever_is_asked_for_nothing_of_another_tenant_is_heard_while_it_changes_all_the_time(world: World) -> None:
    acme, zeta = world.cast
    theirs = _ids(world.engine, zeta)[:12]
    with read(world.engine) as conn:
        seq = feed.newest(conn, [acme.tenant_id])[acme.tenant_id]
    spies = [world.web.open(world.adam, seq=seq, **{name: theirs}) for name in parts.ALL]
    witness = world.web.open(world.zoe, seq=0, card=[zeta.pod_id])
    until = clock.monotonic() + (600 if is_deep() else 1)
    while clock.monotonic() < until:
        with write(world.engine) as conn:
            note = {"text": f"{zeta.canary} is unhealthy", "tone": "unhealthy"}
            notes = [FeedNote(zeta.tenant_id, kind, i, None, note) for kind in FeedKind for i in theirs[:3]]
            newest = feed.append(conn, notes)[zeta.tenant_id]
        witness.until_seq(newest)
    with write(world.engine) as conn:
        ours = feed.append(conn, [FeedNote(acme.tenant_id, FeedKind.POD, acme.pod_id)])[acme.tenant_id]
    for spy in spies:
        spy.until_seq(ours)

    assert zeta.canary in str(witness.frames)
    assert [name for name, spy in zip(parts.ALL, spies, strict=True) if zeta.canary in str(spy.frames)] == []
    assert [spy.closed for spy in spies] == [None] * len(spies)
