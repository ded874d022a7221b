"""What browser tests look at: tenants with pods behind a real web process, and workers' changes on demand."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import redis
import sqlalchemy as sa
from playwright.sync_api import Browser, BrowserContext, Page

from podhealth import clock
from podhealth.core.probe import Finding
from podhealth.core.words import FailClass, Outcome, Role
from podhealth.live.publish import publish
from podhealth.models import Check, CheckState, Node, Session
from podhealth.models.base import from_us
from podhealth.store import claim
from podhealth.store.db import db_now_us, make_engine, write
from podhealth.store.record import Found, record
from tests.support.build import a_check, a_pod, a_tenant, a_user
from tests.support.webserver import WebServer, running_web, sign_in

ILL = Finding(Outcome.FAIL, FailClass.DOWN, "refused", None, "refused")
WELL = Finding(Outcome.OK, None, None, 1.0, None)
PODS_OF_A_NODE = 4
_AT_ONCE = 500  # what a prober records in one transaction


class House(NamedTuple):
    """A tenant with healthy pods, one check each, and somebody who is signed in."""

    tenant_id: int
    pods: tuple[int, ...]
    user_id: int
    token: str


class Stage:
    """An installation without workers: the test does what they would do, through the same store."""

    def __init__(self, folder: Path, database_url: str, redis_url: str) -> None:
        self.folder, self.database_url, self.redis_url = folder, database_url, redis_url
        self.engine = make_engine(database_url)
        self.redis = redis.Redis.from_url(redis_url)
        self.web: WebServer
        self._again = ExitStack()
        self.acme = self.a_house("acme", 12, Role.OPERATOR)
        self.zeta = self.a_house("zeta", 3, Role.ADMIN)

    def a_house(self, name: str, pods: int, role: Role = Role.VIEWER) -> House:
        """Store a tenant with that many healthy pods ("acme-0" …, four to each of "acme-node-0" …)."""
        fresh = clock.utcnow() + timedelta(hours=6)
        with write(self.engine) as conn:
            tenant_id = a_tenant(conn, name)
            nodes = [
                conn.execute(
                    sa.insert(Node).values(tenant_id=tenant_id, name=f"{name}-node-{n}", created_at=clock.utcnow())
                ).inserted_primary_key[0]
                for n in range(-(-pods // PODS_OF_A_NODE))
            ]
            ids = [
                a_pod(conn, tenant_id, f"{name}-{n}", status="healthy", node_id=nodes[n // PODS_OF_A_NODE])
                for n in range(pods)
            ]
            for pod_id in ids:
                a_check(conn, pod_id, status="healthy", fresh_until=fresh, failure_threshold=1, next_at=None)
            user_id = a_user(conn, tenant_id, f"ann-{name}", role)
        return House(tenant_id, tuple(ids), user_id, sign_in(self.engine, user_id))

    def turn(self, pods: Iterable[int], finding: Finding = ILL, *, is_told: bool = True) -> int:
        """Have the one check of each of these pods find this, as a prober does; return the feed's newest number."""
        wanted = set(pods)
        newest = 0
        with write(self.engine) as conn:
            due = sa.select(Check.id).where(Check.pod_id.in_(wanted))
            conn.execute(sa.update(CheckState).where(CheckState.check_id.in_(due)).values(next_at=from_us(0)))
            claimed = claim.claim_due(conn, "local", "stage", len(wanted))
        for begin in range(0, len(claimed), _AT_ONCE):
            with write(self.engine) as conn:
                now = db_now_us(conn)
                found = [
                    Found(one.check_id, one.token, one.generation, one.due_us, now, now, finding, "stage")
                    for one in claimed[begin : begin + _AT_ONCE]
                ]
                done = record(conn, found)
                # Not due again by itself: nobody probes here.
                conn.execute(sa.update(CheckState).values(next_at=None))
            if is_told:
                publish(self.redis, done.published)
            newest = max(done.published.values(), default=newest)
        return newest

    def enter(self, browser: Browser, house: House, **options: Any) -> BrowserContext:
        """Open a browser with that person's session."""
        context = browser.new_context(**options)
        name, _, value = self.web.cookie_of(house.token).partition("=")
        context.add_cookies([{"name": name, "value": value, "url": self.web.origin}])
        return context

    @contextmanager
    def restarted(self) -> Iterator[None]:
        """Stop the web process, and start it again on the same port when the block is left."""
        self.web.process.terminate()
        self.web.process.wait(20)
        yield
        self._again.enter_context(running_web(self.database_url, self.redis_url, self.folder, self.web.port))

    def end_access(self, house: House) -> None:
        """Sign that person out everywhere."""
        with write(self.engine) as conn:
            conn.execute(sa.update(Session).where(Session.user_id == house.user_id).values(ended_at=clock.utcnow()))

    def give_access(self, house: House) -> None:
        """Let that person's session live again."""
        with write(self.engine) as conn:
            conn.execute(sa.update(Session).where(Session.user_id == house.user_id).values(ended_at=None))

    def open(self, context: BrowserContext, path: str = "/pods") -> Page:
        """Open a page and wait until it is live."""
        page = context.new_page()
        page.goto(self.web.origin + path)
        is_live(page)
        return page


def is_live(page: Page) -> None:
    """Wait until the page says that it is live."""
    page.locator("html[data-live=live]").wait_for(state="attached")


@contextmanager
def a_stage(folder: Path, database_url: str, redis_url: str) -> Iterator[Stage]:
    """Run an installation while in the block."""
    stage = Stage(folder, database_url, redis_url)
    with running_web(database_url, redis_url, folder) as stage.web, stage._again:
        yield stage
    stage.redis.close()
    stage.engine.dispose()
