"""Live sockets of real web processes: who may open one, and what they hear."""

import re
import shutil
from contextlib import closing, suppress
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest
import sqlalchemy as sa

from podhealth import clock
from podhealth.core.words import Status
from podhealth.live.publish import publish
from podhealth.live.wire import SEND_WITHIN_S
from podhealth.models import PodStatus, Session, Tenant
from podhealth.store import feed, workers
from podhealth.store.db import make_engine, read, write
from podhealth.web.sockets import origin_of
from tests.live.conftest import Place, a_place, tell
from tests.support.wait import wait_for
from tests.support.webserver import WebServer, running_web, sign_in

pytestmark = pytest.mark.slow

AGE = re.compile(r"\b\d+ s\b")


class World(NamedTuple):
    """Two web processes on one database, and two tenants with one viewer each."""

    engine: sa.Engine
    webs: tuple[WebServer, WebServer]
    acme: Place
    zeta: Place
    ann: str
    zoe: str


@pytest.fixture(scope="module")
def world(tmp_path_factory, _sqlite_template, _redis_socket):
    folder: Path = tmp_path_factory.mktemp("world")
    shutil.copyfile(_sqlite_template, folder / "podhealth.db")
    url, redis_url = f"sqlite:///{folder}/podhealth.db", f"unix://{_redis_socket}"
    engine = make_engine(url)
    acme, zeta = a_place(engine, "acme", pods=5), a_place(engine, "zeta")
    with running_web(url, redis_url, folder) as one, running_web(url, redis_url, folder) as two:
        tokens = sign_in(engine, acme.user_id), sign_in(engine, zeta.user_id)
        yield World(engine, (one, two), acme, zeta, *tokens)
    engine.dispose()


@pytest.fixture
def web(world):
    return world.webs[0]


@pytest.fixture
def seq(world):
    """The newest number of acme's feed before the test."""
    with read(world.engine) as conn:
        return feed.newest(conn, [world.acme.tenant_id])[world.acme.tenant_id]


def test_our_own_page_may_open_a_socket(world, web):
    assert web.ask(world.ann) == 101


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "null",
        None,
        "",
        "http://127.0.0.1",
        "http://127.0.0.1:1",
        "https://127.0.0.1:{port}",
        "HTTP://127.0.0.1:{port}",
        "http://sub.127.0.0.1:{port}",
        "http://127.0.0.1:{port}.evil.example",
        "http://127.0.0.1:{port}/",
        "http://127.0.0.1:{port} https://evil.example",
        "http://localhost:{port}",
        "http://evil.example:{port}",
    ],
)
@pytest.mark.attack("A31")
def test_a_page_of_another_origin_may_not(world, web, origin):
    refused = origin.replace("{port}", str(web.port)) if origin else origin

    assert web.ask(world.ann, refused) == 403


@pytest.mark.attack("A31")
def test_the_host_a_request_names_makes_no_origin_ours(world, web):
    assert web.ask(world.ann, f"http://evil.example:{web.port}", Host=f"evil.example:{web.port}") == 403


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://Health.Example.org/", "https://health.example.org"),
        ("https://health.example.org:443", "https://health.example.org"),
        ("http://health.example.org:80/x", "http://health.example.org"),
        ("http://health.example.org:443", "http://health.example.org:443"),
        ("http://[::1]:8700", "http://[::1]:8700"),
    ],
)
def test_the_origin_of_an_address_is_what_a_browser_sends(url, origin):
    assert origin_of(url) == origin


@pytest.mark.attack("A32")
def test_without_a_session_there_is_no_socket(web):
    assert [web.ask(None), web.ask("of-nobody")] == [401, 401]


@pytest.mark.attack("A32")
def test_an_ended_session_opens_no_socket(world, web):
    token = sign_in(world.engine, world.acme.user_id)
    with write(world.engine) as conn:
        conn.execute(sa.update(Session).where(Session.user_id == world.acme.user_id).values(expires_at=clock.utcnow()))

    answered = web.ask(token)

    with write(world.engine) as conn:
        later = clock.utcnow().replace(year=clock.utcnow().year + 1)
        conn.execute(sa.update(Session).where(Session.user_id == world.acme.user_id).values(expires_at=later))
    assert answered == 401


@pytest.mark.attack("A32")
def test_no_token_of_a_program_opens_a_socket(world, web):
    assert web.ask(None, Authorization="Bearer ph_anything") == 401


def test_beside_a_session_no_token_counts(world, web):
    assert web.ask(world.ann, Authorization="Bearer ph_of_somebody_else") == 101


@pytest.mark.parametrize(
    "headers", [{"Sec-WebSocket-Version": "8"}, {"Sec-WebSocket-Key": None}, {"Upgrade": None, "Connection": None}]
)
def test_half_a_handshake_is_answered_as_a_bad_request(world, web, headers):
    assert web.ask(world.ann, **headers) == 400


def test_a_change_reaches_the_sockets_of_both_processes(world, seq, redis_server):
    pod_id = world.acme.pods[0]
    browsers = [web.open(world.ann, seq=seq, card=list(world.acme.pods)) for web in world.webs]
    for browser in browsers:
        browser.until_seq(seq)

    with write(world.engine) as conn:
        conn.execute(sa.update(PodStatus).where(PodStatus.pod_id == pod_id).values(status=Status.UNHEALTHY))
    new = tell(world.engine, world.acme.tenant_id, pod_id)
    publish(redis_server, {world.acme.tenant_id: new})

    for browser in browsers:
        browser.until_seq(new, within_s=2)
    # Not the same bytes: each draws the card at its own moment, and a sparkline moves on with time.
    assert browsers[0].elements().keys() == browsers[1].elements().keys()
    for browser in browsers:
        assert 'data-status="unhealthy"' in browser.elements()[f"pod-card-{pod_id}"]


def test_each_web_process_says_that_it_is_alive_and_how_many_sockets_it_has(world, redis_url, tmp_path):
    def beats():
        with read(world.engine) as conn:
            return {worker.pid: worker.in_flight for worker in workers.living(conn, "web")}

    with running_web(world.engine.url.render_as_string(False), redis_url, tmp_path) as web:
        own = {process.pid for process in web.processes()}
        with closing(web.open(world.ann)), closing(web.open(world.ann)):
            wait_for(lambda: [beats()[pid] for pid in own & beats().keys()] == [2], 10, what="two sockets are told")
        others = len(beats()) - 1
    assert not own & beats().keys()
    assert others == 2


@pytest.mark.fault("F27")
def test_a_lost_message_costs_two_seconds_at_most(world, web, seq):
    browser = web.open(world.ann, seq=seq, card=list(world.acme.pods))
    browser.until_seq(seq)

    new = tell(world.engine, world.acme.tenant_id, world.acme.pods[1])

    browser.until_seq(new, within_s=2)


@pytest.mark.attack("A5")
def test_another_tenants_changes_never_arrive(world, web, seq):
    mine = web.open(world.ann, seq=seq, card=[*world.acme.pods, *world.zeta.pods], page=[world.zeta.pods[0]])
    hers = web.open(world.zoe, seq=0, card=list(world.zeta.pods))
    new = tell(world.engine, world.zeta.tenant_id, *world.zeta.pods)
    hers.until_seq(new)
    ours = tell(world.engine, world.acme.tenant_id, world.acme.pods[0])
    mine.until_seq(ours)

    assert "zeta" not in str(mine.frames)
    assert "acme" not in str(hers.frames)


@pytest.mark.fault("F27")
def test_a_dropped_socket_that_comes_back_shows_what_a_fresh_page_shows(world, seq):
    first, second = world.webs
    pods = list(world.acme.pods)
    lost = first.open(world.ann, seq=seq, card=pods, counts=[0])
    lost.until_seq(seq)
    tell(world.engine, world.acme.tenant_id, *pods)
    reached = lost.until_seq(seq + len(pods))["seq"]
    lost.close()
    with write(world.engine) as conn:
        conn.execute(sa.update(PodStatus).where(PodStatus.pod_id == pods[3]).values(status=Status.DEGRADED))
    new = tell(world.engine, world.acme.tenant_id, pods[3])

    back = second.open(world.ann, seq=reached, card=pods, counts=[0])
    back.until_seq(new, within_s=2)
    fresh = second.open(world.ann, seq=seq, card=pods, counts=[0])
    fresh.until_seq(new)

    # Both were drawn within seconds of each other: how long something has been so may differ.
    seen = lost.elements() | back.elements()
    assert {k: AGE.sub("", v) for k, v in seen.items()} == {k: AGE.sub("", v) for k, v in fresh.elements().items()}


def test_who_was_away_too_long_is_told_to_load_anew(world, web):
    pods = list(world.zeta.pods)
    tell(world.engine, world.zeta.tenant_id, *pods)
    new = tell(world.engine, world.zeta.tenant_id, *pods)
    with write(world.engine) as conn:
        conn.exec_driver_sql(f"DELETE FROM feed WHERE tenant_id = {world.zeta.tenant_id} AND seq < {new - 1}")

    browser = web.open(world.zoe, seq=1, card=pods)

    assert browser.until_seq(new)["reload"] is True


@pytest.mark.attack("A5", "A33")
@pytest.mark.fault("F81")
def test_nonsense_closes_the_socket_and_costs_no_memory(world, web):
    before = sum(process.memory_info().rss for process in web.processes())
    big, binary, rapid, unknown = (web.open(world.ann) for _ in range(4))

    big.sock.settimeout(5)
    with suppress(OSError):  # what comes is read and dropped for two seconds, then the connection is cut
        big.sock.sendall(b"\x81\xff" + (60_000_000).to_bytes(8) + b"\0\0\0\0" + b"x" * 60_000_000)
    binary.send_binary(b"\0")
    for _ in range(100):
        rapid.send('{"seq": 0, "parts": {}}')
    unknown.send('{"subscribe": "*"}')

    assert [binary.until_closed(), rapid.until_closed(), unknown.until_closed()] == [1003, 1008, 1008]
    assert big.until_closed() in (1009, None)  # a reset may overtake the reason
    assert sum(process.memory_info().rss for process in web.processes()) - before < 8_000_000


@pytest.mark.fault("F80")
def test_one_who_does_not_read_is_closed_and_moves_nobody(world, web, seq):
    pods = list(world.acme.pods)
    shown = {"card": pods, "row": pods, "page": [pods[0]], "counts": [0]}
    stuck = [web.open(world.ann, buffer=4096, seq=seq, **shown) for _ in range(3)]
    browser = web.open(world.ann, seq=seq, card=pods)

    def all_closed() -> bool:
        new = tell(world.engine, world.acme.tenant_id, *pods)
        browser.until_seq(new, within_s=0.75 * SEND_WITHIN_S)  # who waited for a stuck one would wait longer
        return len(_connections(web)) <= 1

    wait_for(all_closed, within_s=60, every_s=0.2, what="those who do not read are closed")
    for one in stuck:
        one.close()


def _connections(web: WebServer) -> list[object]:
    worker = web.processes()[-1]
    return [c for c in worker.net_connections() if c.status == psutil.CONN_ESTABLISHED and c.laddr.port == web.port]


@pytest.mark.attack("A18")
def test_a_socket_is_closed_within_five_seconds_of_signing_out(world, web, seq):
    token = sign_in(world.engine, world.acme.user_id)
    browser, other = (web.open(t, seq=seq, card=[]) for t in (token, world.ann))
    browser.until_seq(seq)
    with write(world.engine) as conn:
        newest = sa.select(sa.func.max(Session.id)).scalar_subquery()
        conn.execute(sa.update(Session).where(Session.id == newest).values(ended_at=clock.utcnow()))

    assert browser.until_closed(within_s=5) == 4401
    assert web.ask(token) == 401
    assert other.until_seq(seq)


@pytest.mark.attack("A73")
def test_pages_come_while_a_hundred_sockets_are_open_on_four_threads(world, web, seq):
    browsers = [web.open(world.ann, seq=seq, card=[]) for _ in range(100)]
    for browser in browsers:
        browser.until_seq(seq)

    answered = [web.ask(world.ann) for _ in range(20)]

    assert answered == [101] * 20
    for browser in browsers:
        browser.close()


def _welcomed(web, token):
    browser = web.open(token, seq=0, card=[])
    browser.until(lambda b: b.frames, what="the first frame")
    return browser


@pytest.mark.attack("A73")
def test_a_full_house_says_so_before_the_handshake(world, redis_url, tmp_path):
    url = world.engine.url.render_as_string()
    with running_web(url, redis_url, tmp_path, PODHEALTH_MAX_SOCKETS_PER_TENANT="2", PODHEALTH_MAX_SOCKETS="3") as web:
        # A place is taken a moment after the handshake: by the first frame it surely is.
        taken = [_welcomed(web, world.ann), _welcomed(web, world.ann)]
        of_tenant, of_other = web.ask(world.ann), _welcomed(web, world.zoe)
        of_all = web.ask(world.zoe)
        taken[0].close()

        assert [of_tenant, of_all] == [503, 503]
        wait_for(lambda: web.ask(world.ann) == 101, what="the place is free again")
        of_other.close()


@pytest.mark.attack("A73")
def test_a_person_with_too_many_live_pages_is_told_whatever_the_session(world, redis_url, tmp_path):
    url = world.engine.url.render_as_string()
    with running_web(url, redis_url, tmp_path, PODHEALTH_MAX_SOCKETS_PER_PERSON="1") as web:
        taken = _welcomed(web, world.ann)
        of_ann = [web.ask(world.ann), web.ask(sign_in(world.engine, world.acme.user_id))]
        others = _welcomed(web, world.zoe)

        assert of_ann == [503, 503]
        taken.close()
        others.close()


def test_stopping_the_server_sends_its_sockets_elsewhere(world, redis_url, tmp_path):
    url = world.engine.url.render_as_string()
    with running_web(url, redis_url, tmp_path) as web:
        browser = web.open(world.ann, seq=0, card=[])
        browser.until(lambda b: b.frames)
        web.process.terminate()

        assert browser.until_closed(within_s=10) == 1001


@pytest.mark.fault("F27")
def test_redis_hanging_delays_a_change_by_two_seconds_at_most(world, redis_url, tmp_path, seq):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = world.engine.url.render_as_string()
        hanging = f"redis://127.0.0.1:{silent.getsockname()[1]}"
        with running_web(url, hanging, tmp_path) as web:
            browser = web.open(world.ann, seq=seq, card=list(world.acme.pods))
            browser.until_seq(seq)

            new = tell(world.engine, world.acme.tenant_id, world.acme.pods[0])

            browser.until_seq(new, within_s=2)


@pytest.fixture(autouse=True)
def _feed_has_no_gap(world):
    yield
    with read(world.engine) as conn:
        seqs = conn.execute(
            sa.text("SELECT seq FROM feed WHERE tenant_id = :t ORDER BY seq"), {"t": world.acme.tenant_id}
        )
        numbers = list(seqs.scalars())
        newest = conn.scalar(sa.select(Tenant.feed_seq).where(Tenant.id == world.acme.tenant_id))
    assert numbers == list(range(1, newest + 1))
