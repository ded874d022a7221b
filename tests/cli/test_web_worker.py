"""``podhealth web`` and agents: its loop answers heartbeats as the route would, and none that was answered is lost."""

import http.client
import json
import shutil
import socket
import threading
from contextlib import ExitStack, closing
from email import message_from_bytes
from typing import NamedTuple

import pytest
import sqlalchemy as sa

from podhealth.models import Heartbeat
from podhealth.store import inventory
from podhealth.store.db import make_engine, read, write
from podhealth.store.tenancy import system_scope
from tests.support.answers import ON_EVERY_ANSWER
from tests.support.build import a_pod, a_tenant
from tests.support.wait import wait_for
from tests.support.webserver import running_web

pytestmark = pytest.mark.slow

# A header that agents do not send: such a request takes the way of all others, to the route.
BY_THE_ROUTE = "TE: trailers\r\n"


class World(NamedTuple):
    """A web process, its database, and a pod with its agent's token."""

    port: int
    engine: sa.Engine
    pod_id: int
    token: str


class Answer(NamedTuple):
    """What came back over a socket until its end."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def problem(self):
        return json.loads(self.body) if self.body else None


@pytest.fixture(scope="module")
def database(tmp_path_factory, _sqlite_template):
    folder = tmp_path_factory.mktemp("agents")
    shutil.copyfile(_sqlite_template, folder / "podhealth.db")
    engine = make_engine(f"sqlite:///{folder}/podhealth.db")
    yield folder, engine
    engine.dispose()


@pytest.fixture(scope="module")
def web(database):
    folder, engine = database
    url = engine.url.render_as_string(False)
    with running_web(url, "unix:///nowhere/redis.sock", folder, PODHEALTH_HEARTBEATS_A_MINUTE="20") as server:
        yield server


@pytest.fixture
def world(database, web, request):
    engine = database[1]
    with write(engine) as conn:
        tenant_id = a_tenant(conn, request.node.name)
        pod_id = a_pod(conn, tenant_id)
        token = inventory.set_agent_token(conn, system_scope(tenant_id), pod_id)
    return World(web.port, engine, pod_id, token)


def _request(token, body="", more=""):
    kind = "Content-Type: application/json\r\n" if body else ""
    head = f"POST /api/heartbeats HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {token}\r\n{kind}{more}"
    return f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode()


def _read(sock):
    data = b""
    while more := sock.recv(65_536):
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    status, _, fields = head.partition(b"\r\n")
    return Answer(int(status.split()[1]), dict(message_from_bytes(fields)), body)


def _ask(port, *pieces):
    with socket.create_connection(("127.0.0.1", port), timeout=20) as sock:
        for piece in pieces:
            sock.sendall(piece)
        return _read(sock)


def _heard(world):
    with read(world.engine) as conn:
        return conn.execute(sa.select(Heartbeat.__table__).where(Heartbeat.pod_id == world.pod_id)).one_or_none()


@pytest.mark.parametrize(
    ("token", "body", "status"),
    [
        ("own", "", 204),
        ("own", '{"bootId": "b", "metrics": {"load1": 0.5}}', 204),
        ("own", '{"signal": "start"}', 204),
        ("wrong", "", 401),
        ("wrong", '{"bootId": "b"}', 401),
        ("own", '{"bootId": 1}', 422),
        ("own", "{", 400),
        ("own", '"' + "x" * 9000 + '"', 413),
    ],
)
def test_the_loop_answers_as_the_route_does(world, token, body, status):
    token = world.token if token == "own" else "pa_wrong"

    by_loop = _ask(world.port, _request(token, body))
    by_route = _ask(world.port, _request(token, body, BY_THE_ROUTE))

    assert (by_loop.status, by_route.status) == (status, status)
    assert by_loop.problem == by_route.problem
    assert by_loop.headers.items() >= ON_EVERY_ANSWER.items()
    assert by_route.headers.keys() - by_loop.headers.keys() <= {"Server", "X-Request-Id", "Content-Type"}
    assert not by_loop.body or by_loop.headers["Content-Type"] == by_route.headers["Content-Type"]
    assert (_heard(world) is not None) == (status == 204)


@pytest.mark.attack("A95")
def test_what_was_overtaken_is_refused_either_way(world):
    said = '{"bootId": "b", "sequence": 5}'
    first = _ask(world.port, _request(world.token, said))
    again = [_ask(world.port, _request(world.token, said, more)) for more in ("", BY_THE_ROUTE)]

    assert (first.status, [one.status for one in again]) == (204, [409, 409])
    assert again[0].problem == again[1].problem
    assert again[0].problem["code"] == "overtaken"


def test_a_token_that_is_used_too_often_is_told_when_it_may_be_used_again(world):
    said = [_ask(world.port, _request(world.token)).status for _ in range(21)]
    refused = _ask(world.port, _request(world.token))
    by_route = _ask(world.port, _request(world.token, more=BY_THE_ROUTE))

    assert said == [204] * 20 + [429]
    assert (refused.status, refused.problem) == (429, by_route.problem)
    assert refused.headers["Retry-After"] == by_route.headers["Retry-After"] == "3"


def test_what_comes_in_pieces_is_heard_too(world):
    whole = _request(world.token, '{"bootId": "b"}')

    assert _ask(world.port, whole[:10], whole[10:60], whole[60:]).status == 204
    assert _heard(world).boot_id == "b"


def test_a_connection_that_served_a_page_takes_a_heartbeat(world):
    with closing(http.client.HTTPConnection("127.0.0.1", world.port, timeout=20)) as connection:
        connection.request("GET", "/healthz")
        connection.getresponse().read()
        connection.request("POST", "/api/heartbeats", headers={"Authorization": f"Bearer {world.token}"})
        answer = connection.getresponse()

        assert (answer.status, answer.headers["Connection"]) == (204, "close")


@pytest.mark.attack("A68")
def test_connections_that_say_nothing_keep_no_thread(world):
    with ExitStack() as stack:
        for _ in range(8):  # twice as many as there are threads
            stack.enter_context(socket.create_connection(("127.0.0.1", world.port)))
        answer = _ask(world.port, _request(world.token, more=BY_THE_ROUTE))

    assert answer.status == 204


def test_nothing_that_was_answered_is_lost_when_the_process_is_killed(world, database, tmp_path):
    folder, engine = database
    acknowledged, is_over = {}, threading.Event()

    def agent(number, port):
        while not is_over.is_set():
            sequence = acknowledged.get(number, 0) + 1
            try:
                body = f'{{"bootId": "b", "sequence": {sequence}}}'
                answer = _ask(port, _request(tokens[number], body))
            except (OSError, IndexError):
                return
            if answer.status == 204:
                acknowledged[number] = sequence

    with write(engine) as conn:
        tenant_id = a_tenant(conn, "killed")
        pods = [a_pod(conn, tenant_id, f"k{n}") for n in range(6)]
        tokens = {pod: inventory.set_agent_token(conn, system_scope(tenant_id), pod) for pod in pods}
    url = engine.url.render_as_string(False)
    more = {"PODHEALTH_HEARTBEATS_A_MINUTE": "100000"}
    with running_web(url, "unix:///nowhere/redis.sock", tmp_path, **more) as server:
        threads = [threading.Thread(target=agent, args=(pod, server.port)) for pod in pods]
        for thread in threads:
            thread.start()
        wait_for(lambda: sum(acknowledged.values()) > 300, 30, what="beats are answered")
        for process in server.processes():
            process.kill()
        is_over.set()
        for thread in threads:
            thread.join(20)
    with read(engine) as conn:
        stored = dict(conn.execute(sa.select(Heartbeat.pod_id, Heartbeat.sequence)).all())

    assert all(stored[pod] >= newest for pod, newest in acknowledged.items())
    assert set(acknowledged) == set(pods)
