"""A house to take pictures of: sixty pods of acme with thirty days of past, one of everything, and a web process.

No worker runs, so nothing is probed and nothing changes while pictures are taken.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa
from playwright.sync_api import Browser, BrowserContext

from podhealth.cli.bench_fleet import TENANT, Size, check_ids_of, fill_fleet
from podhealth.cli.bench_measured import fill_measured
from podhealth.cli.bench_past import fill_past
from podhealth.core.channel_fields import Platform
from podhealth.core.guests import Answer, Guest
from podhealth.core.probe import Finding
from podhealth.core.words import FailClass, Outcome, Role
from podhealth.models import Episode, Incident, IncidentMember, Node, Pod, Tenant, db
from podhealth.models.base import to_us
from podhealth.store import accounts, channels, checkruns, publictexts, resets, sources, statuspages, tagrules, tokens
from podhealth.store.db import db_now, make_engine, write
from podhealth.store.holds import snooze
from podhealth.store.schema import migrate
from podhealth.store.secrets import hold_key
from podhealth.store.statuspages import Page, Shown
from podhealth.store.tenancy import Scope, system_scope
from tests.support import everypage
from tests.support.apps import SECRET, an_app
from tests.support.build import an_approval, an_episode
from tests.support.everypage import Address
from tests.support.webserver import WebServer, running_web, sign_in

SIZE = Size(60, 30)
NAMES = (
    "shop-web",
    "shop-api",
    "pay-api",
    "mail",
    "auth",
    "search",
    "orders-db",
    "queue",
    "cdn",
    "wiki",
    "billing",
    "git",
)
WRONG = "HTTP 502, wanted 200-399"
SECRETS = {"hook": "https://hooks.example/services/1"}


class Gallery(NamedTuple):
    """The running house: its pages, and whose session opens them."""

    web: WebServer
    pages: list[Address]
    tokens: dict[Role | None, str | None]

    def enter(self, browser: Browser, role: Role | None, **options: Any) -> BrowserContext:
        """Open a browser in which somebody of that role is signed in; null: nobody."""
        context = browser.new_context(**options)
        token = self.tokens[role]
        if token is not None:
            name, _, value = self.web.cookie_of(token).partition("=")
            context.add_cookies([{"name": name, "value": value, "url": self.web.origin}])
        return context


@contextmanager
def a_gallery(folder: Path) -> Iterator[Gallery]:
    """Fill the house and run it while in the block; takes some seconds."""
    url = f"sqlite:///{folder / 'podhealth.db'}"
    hold_key(SECRET)
    migrate(url)
    engine = make_engine(url)
    now = fill_fleet(engine, SIZE)
    fill_past(engine, SIZE, now)
    fill_measured(engine, SIZE, range(1, 20), now)
    with write(engine) as conn:
        _rename(conn)
        people = {
            Role.ADMIN: accounts.create_user(conn, TENANT, "adam@acme.example", "Adam", Role.ADMIN),
            Role.PLATFORM: accounts.create_platform_admin(conn, "op@example.com", "Olga"),
        }
        accounts.create_user(conn, TENANT, "vic@acme.example", "Vic", Role.VIEWER)
        texts = _furnish(conn, people[Role.ADMIN])
    own = sign_in(engine, people[Role.ADMIN])
    signed_in: dict[Role | None, str | None] = {Role.VIEWER: own, Role.OPERATOR: own, Role.ADMIN: own, None: None}
    signed_in[Role.PLATFORM] = sign_in(engine, people[Role.PLATFORM])
    pages = list(everypage.addresses(an_app("sqlite:///nowhere.db"), _ids(engine), lambda e, _: texts.get(e, "x" * 43)))
    with running_web(url, "unix:///nowhere/redis.sock", folder) as web:
        yield Gallery(web, pages, signed_in)
    engine.dispose()
    shutil.rmtree(folder, ignore_errors=True)


def _rename(conn: sa.Connection) -> None:
    conn.execute(sa.update(Tenant).where(Tenant.id == TENANT).values(name="acme"))
    for pod_id in SIZE.pod_ids:
        name = f"{NAMES[pod_id % len(NAMES)]}-{pod_id // len(NAMES) + 1}"
        conn.execute(sa.update(Pod).where(Pod.id == pod_id).values(name=name, address=f"10.0.{pod_id % 4}.{pod_id}"))
        old, new = (f"{one} is unhealthy" for one in (f"pod {pod_id}", name))
        conn.execute(sa.update(Incident).where(Incident.title == old).values(title=new))
    conn.execute(sa.update(Node).where(Node.tenant_id == TENANT).values(name="pve-1"))
    first = conn.scalar(sa.select(sa.func.min(Node.id)).where(Node.tenant_id == TENANT))
    for number in range(1, 4):
        values = {"tenant_id": TENANT, "name": f"pve-{number + 1}", "created_at": db_now(conn)}
        node_id = conn.execute(sa.insert(Node).values(**values).returning(Node.id)).scalar_one()
        conn.execute(sa.update(Pod).where(Pod.id % 4 == number).values(node_id=node_id))
    conn.execute(sa.update(Pod).where(Pod.id % 4 == 0).values(node_id=first))


def _furnish(conn: sa.Connection, admin_id: int) -> dict[str, str]:
    """Store one of everything, and return the texts in addresses by endpoint."""
    scope = Scope(TENANT, Role.ADMIN, system_scope(TENANT).actor, "adam@acme.example")
    channels.create_channel(
        conn,
        scope,
        {"name": "on-call", "kind": "webhook", "config": {"url": SECRETS["hook"]}, "routes": [{"tags": ["prod"]}]},
        Platform(has_mail=True),
    )
    channels.create_channel(
        conn, scope, {"name": "team", "kind": "email", "config": {"to": ["team@acme.example"]}}, Platform(has_mail=True)
    )
    snooze(conn, scope, 11, db_now(conn) + timedelta(hours=4), "disk is being replaced")
    open_one = sa.select(Episode.id).where(Episode.pod_id == 7, Episode.closed_at.is_(None))
    approval_id = an_approval(
        conn, 7, conn.scalar(open_one) or an_episode(conn, 7, 1), reason="http failed 3 times in a row"
    )
    shown = tuple(
        Shown(pod_id, "", label) for pod_id, label in ((2, "Shop"), (3, "Payments"), (4, "Mail"), (7, "Queue"))
    )
    statuspages.save_page(conn, scope, Page("acme", "acme status", True, True, True, shown, 0))
    member = sa.select(IncidentMember.incident_id).order_by(IncidentMember.incident_id.desc()).limit(1)
    publictexts.write(conn, scope, conn.scalar(member), "identified", "A disk is full; we make room.")
    tokens.make_token(conn, scope, "grafana", "viewer", "365", "")
    resets.ask(conn, "nobody@acme.example", None)
    _run(conn, scope, check_ids_of(7)[0])
    _source(conn, scope)
    return everypage.secrets_of(conn, scope, admin_id, approval_id) | {"public.show": "acme"}


def _source(conn: sa.Connection, scope: Scope) -> None:
    """A cluster that was read and is not synced yet, and which first checks its guests would get."""
    config = {"url": "https://10.0.0.250:8006", "tokenId": "podhealth@pve!sync", "token": "of-the-gallery-only"}
    given = {"name": "pve cluster", "kind": "proxmox", "config": config, "takes": {"tags": ["prod"]}}
    row = sources.create_source(conn, scope, given, ("10.0.0.0/8",))
    guests = [
        Guest("100", "pve-1/100", "proxy", "pve-1", True, ("10.0.4.10",), ("prod", "web")),
        Guest("101", "pve-1/101", "orders-replica", "pve-1", True, ("10.0.4.11", "fd00::11"), ("prod", "db")),
        Guest("102", "pve-2/102", "reports", "pve-2", False, tags=("prod",), no_address="no address of it is known"),
        Guest("103", "pve-2/103", "try-out", "pve-2", True, ("10.0.4.13",), ("lab",)),
        Guest("900", "pve-1/900", "debian-12", "pve-1", False, tags=("prod",), unfit="it is a template"),
    ]
    sources.keep_answer(conn, row, Answer(tuple(guests)))
    tagrules.save_rule(conn, scope, {"tag": "web", "check": {"checkType": "http", "target": "/health"}})
    tagrules.save_rule(conn, scope, {"tag": "db", "check": {"checkType": "tcp", "target": "5432"}})


def _run(conn: sa.Connection, scope: Scope, check_id: int) -> None:
    """One run by hand, as a prober answered it."""
    checkruns.ask(conn, scope, 7, check_id)
    (taken,) = checkruns.take(conn, "local", "probe-1", ("10.0.0.0/8",))
    now_us, found = to_us(db_now(conn)), Finding(Outcome.FAIL, FailClass.DOWN, "http_502", error=WRONG, answered=502)
    checkruns.answer(conn, taken.run_id, found, now_us - 38_000, now_us, "probe-1")


def _ids(engine: sa.Engine) -> Any:
    def id_of(noun: str) -> int:
        if noun == "tenant":
            return TENANT
        if noun == "pod":
            return 7
        if noun == "check":
            return check_ids_of(7)[0]
        for mapper in db.Model.registry.mappers:
            table = mapper.local_table
            if mapper.class_.__name__.lower().endswith(noun) and {"tenant_id", "id"} <= set(table.c.keys()):
                with engine.connect() as conn:
                    found = conn.scalar(sa.select(sa.func.max(table.c.id)).where(table.c.tenant_id == TENANT))
                if found is not None:
                    return int(found)
        return 1

    return id_of
