"""Many browsers at once, and a key that is changed (hazards 2h)."""

import http.client
import shutil
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from podhealth.core.words import Role
from podhealth.store import accounts, inventory
from podhealth.store.db import make_engine, write
from podhealth.store.tenancy import system_scope
from tests.live.conftest import Place, a_place
from tests.support.depth import is_deep
from tests.support.webserver import SECRET, cookie_of, running_web, sign_in

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

NOWHERE = "unix:///nowhere/redis.sock"
SOCKETS = 2_000 if is_deep() else 150


class Site:
    """A database with a tenant, and somebody signed in to it."""

    def __init__(self, folder: Path, template: Path) -> None:
        self.folder = folder
        shutil.copyfile(template, folder / "podhealth.db")
        self.url = f"sqlite:///{folder}/podhealth.db"
        self.engine = make_engine(self.url)
        self.acme: Place = a_place(self.engine, "acme", pods=3)
        self.token = sign_in(self.engine, self.acme.user_id)


@pytest.fixture
def site(tmp_path: Path, _sqlite_template: Path) -> Iterator[Site]:
    site = Site(tmp_path, _sqlite_template)
    yield site
    site.engine.dispose()


def get(port: int, path: str, **headers: str) -> tuple[int, float]:
    """Return the status that came back, and how long that took."""
    began = time.monotonic()
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status, time.monotonic() - began


@pytest.mark.fault("F82")
def test_when_all_sockets_drop_and_come_back_at_once_pages_are_answered(site: Site) -> None:
    most = {"PODHEALTH_MAX_SOCKETS_PER_TENANT": "5000", "PODHEALTH_MAX_SOCKETS": "5000"}
    with running_web(site.url, NOWHERE, site.folder, **most) as web:
        browsers = [web.open(site.token, seq=0, card=[]) for _ in range(SOCKETS)]
        for browser in browsers:
            browser.sock.close()
        again, pages = [], []
        for n in range(SOCKETS):
            again.append(web.open(site.token, seq=0, card=[]))
            if n % 10 == 0:
                pages.append(get(web.port, "/pods", Cookie=cookie_of(site.token, web.port)))
        for browser in again:
            browser.until(lambda one: one.frames, within_s=20, what="it is told how things are")
            browser.close()
    took = sorted(seconds for _, seconds in pages)

    assert {code for code, _ in pages} == {200}
    assert took[len(took) * 95 // 100] < 2.0


@pytest.mark.fault("F86")
def test_with_another_key_nothing_breaks_and_everybody_signs_in_again(site: Site) -> None:
    with write(site.engine) as conn:
        token = accounts.create_token(conn, site.acme.tenant_id, "ops", Role.VIEWER, "test", None)
        agent = inventory.set_agent_token(conn, system_scope(site.acme.tenant_id), site.acme.pods[0])
    pages = ("/pods", "/incidents", "/channels", "/policies", f"/pods/{site.acme.pods[0]}", "/settings")
    with running_web(site.url, NOWHERE, site.folder) as web:
        port = web.port
        cookie = cookie_of(site.token, port)
        before = {path: get(port, path, Cookie=cookie)[0] for path in pages}
    with running_web(site.url, NOWHERE, site.folder, port, SECRET_KEY=SECRET[::-1]) as web:
        after = {path: get(port, path, Cookie=cookie)[0] for path in pages}
        socket_of_old = web.ask(site.token)
        by_token = get(port, "/api/pods", Authorization=f"Bearer {token}")[0]
        by_agent = _beat(port, agent)

    assert before["/pods"] == 200
    assert set(after.values()) <= {302, 303}
    assert socket_of_old == 401
    # What is kept hashed has nothing to do with the key.
    assert (by_token, by_agent) == (200, 204)


def _beat(port: int, token: str) -> int:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
        connection.request("POST", "/api/heartbeats", headers={"Authorization": f"Bearer {token}"})
        return connection.getresponse().status
