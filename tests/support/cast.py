"""The cast of the web's tests: two tenants that own all there is to own, their people and programs, and callers.

Tenant **acme** has ann (operator), vic (viewer) and adam (admin); tenant **zeta** has zoe (admin), unseen by acme:
every text of a tenant carries its canary. The pages are asked by callers: a browser with a session, a program with a
token, or nobody.
"""

import itertools
import os
import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import redis
import sqlalchemy as sa
from flask import Flask
from itsdangerous import URLSafeTimedSerializer
from werkzeug.test import TestResponse

from podhealth import clock
from podhealth.core.channel_fields import Platform
from podhealth.core.guests import Answer, Guest
from podhealth.core.words import FeedKind, HealState, Role
from podhealth.models import ApiToken, Delivery, KillSwitch, Message, Node, Pod, Session, Snooze
from podhealth.store import (
    accounts,
    channels,
    checkruns,
    decisions,
    feed,
    members,
    sources,
    tagrules,
    walllinks,
    windows,
)
from podhealth.store.db import make_engine, write
from podhealth.store.feed import FeedNote
from podhealth.store.tenancy import system_scope
from tests.support.apps import ORIGIN, an_app
from tests.support.build import (
    a_check,
    a_heal,
    a_pod,
    a_policy,
    a_tenant,
    a_user,
    an_approval,
    an_episode,
    an_incident,
    some_results,
)
from tests.support.databases import compiling_once
from tests.support.windowing import a_window

_CSRF = "0123456789abcdef"
_numbers = itertools.count(1)
_UNSAFE = ("POST", "PUT", "PATCH", "DELETE")


class House(NamedTuple):
    """What one tenant owns: one of each thing, and one that is deleted. ``canary`` stands in all its texts."""

    tenant_id: int
    canary: str
    pod_id: int
    gone_pod_id: int
    policy_id: int
    gone_policy_id: int
    checks: dict[str, int]
    heal_id: int
    agent_token: str
    people: dict[str, int]
    tokens: dict[str, str]
    window_id: int
    gone_window_id: int
    node_id: int
    shared_node_id: int  # the platform's, owned by no tenant

    @property
    def check_id(self) -> int:
        """A check of the pod."""
        return self.checks["http"]


class Cast(NamedTuple):
    """Both tenants."""

    acme: House
    zeta: House


class Site(NamedTuple):
    """A web application on a database with the cast in it."""

    engine: sa.Engine
    app: Flask
    cast: Cast

    @property
    def acme(self) -> House:
        return self.cast.acme

    @property
    def zeta(self) -> House:
        return self.cast.zeta

    def browser(self, name: str, **options: Any) -> "Caller":
        """A browser in which this person is signed in."""
        house = self.acme if name in self.acme.people else self.zeta
        return Caller(self.app, session=a_session(self.engine, house.people[name]), **options)

    def program(self, name: str, house: House | None = None) -> "Caller":
        """A program with the token of that name: viewer, operator, admin, revoked, expired."""
        return Caller(self.app, token=(house or self.acme).tokens[name])

    def nobody(self, **options: Any) -> "Caller":
        """A caller without session and token."""
        return Caller(self.app, **options)

    def afresh(self) -> "Site":
        """The same site with another acme and zeta, to be changed and spoilt."""
        return self._replace(cast=a_cast(self.engine, f"-{next(_numbers)}"))

    def a_pod(self, name: str | None = None, **columns: Any) -> int:
        """A new pod of acme with checks ping and http."""
        with write(self.engine) as conn:
            name = name or f"acme-{clock.monotonic()}"
            pod_id = a_pod(conn, self.acme.tenant_id, name, **columns)
            a_check(conn, pod_id, "ping")
            a_check(conn, pod_id, "http")
        return pod_id


class Caller:
    """Somebody at the door. A browser says where its page came from and sends the page's CSRF token; a program not."""

    def __init__(
        self,
        app: Flask,
        *,
        token: str | None = None,
        session: str | None = None,
        origin: str | None = ORIGIN,
        csrf: bool = True,
    ) -> None:
        self.app = app
        self.client = app.test_client()
        self.headers: dict[str, str] = {}
        if token is not None:
            self.headers["Authorization"] = f"Bearer {token}"
        if session is not None:
            self.client.set_cookie(app.config["SESSION_COOKIE_NAME"], cookie(app, session))
        self.unsafe: dict[str, str] = {}
        if token is None and origin is not None:
            self.unsafe["Origin"] = origin
        if session is not None and csrf:
            self.unsafe["X-CSRFToken"] = csrf_token(app)

    def send(self, method: str, path: str, **options: Any) -> TestResponse:
        """Send one request; redirects are not followed."""
        headers = self.headers | (self.unsafe if method in _UNSAFE else {}) | options.pop("headers", {})
        return self.client.open(path, method=method, headers=headers, **options)

    def get(self, path: str, **options: Any) -> TestResponse:
        return self.send("GET", path, **options)

    def put(self, path: str, **options: Any) -> TestResponse:
        return self.send("PUT", path, **options)

    def post(self, path: str, **options: Any) -> TestResponse:
        return self.send("POST", path, **options)

    def delete(self, path: str, **options: Any) -> TestResponse:
        return self.send("DELETE", path, **options)


def cookie(app: Flask, sid: str, csrf: str = _CSRF) -> str:
    """What a signed-in browser's cookie holds."""
    serializer = app.session_interface.get_signing_serializer(app)  # type: ignore[attr-defined]
    return str(serializer.dumps({"sid": sid, "csrf_token": csrf}))


def csrf_token(app: Flask, raw: str = _CSRF) -> str:
    """The token a page gives to the browser whose session holds ``raw``."""
    return str(URLSafeTimedSerializer(app.secret_key or "", salt="wtf-csrf-token").dumps(raw))


def a_session(engine: sa.Engine, user_id: int, **columns: Any) -> str:
    """A living session of this person; returns what its cookie carries."""
    sid, now = f"sid-{user_id}-{clock.monotonic()}", clock.utcnow()
    values = {"token_hash": sha256(sid.encode()).hexdigest(), "created_at": now, "expires_at": now + timedelta(hours=1)}
    with write(engine) as conn:
        conn.execute(sa.insert(Session).values(user_id=user_id, **(values | columns)))
    return sid


def a_platform_session(engine: sa.Engine, tenant_id: int | None = None) -> str:
    """A living session of a new platform admin who looks into this tenant, or into none."""
    with write(engine) as conn:
        op = a_user(conn, None, f"op-{next(_numbers)}", Role.PLATFORM)
    return a_session(engine, op, tenant_id=tenant_id)


def a_cast(engine: sa.Engine, suffix: str = "") -> Cast:
    """Both tenants, equal but for their names."""
    return Cast(
        a_house(engine, f"acme{suffix}", {"ann": Role.OPERATOR, "vic": Role.VIEWER, "adam": Role.ADMIN}),
        a_house(engine, f"zeta{suffix}", {"zoe": Role.ADMIN}),
    )


def a_house(engine: sa.Engine, name: str, people: dict[str, Role]) -> House:
    """One tenant with its people, tokens, and one of each thing a tenant can own."""
    canary = f"{name}-canary"
    with write(engine) as conn:
        tenant_id = a_tenant(conn, name)
        users = {who: a_user(conn, tenant_id, who, role) for who, role in people.items()}
        past = clock.utcnow() - timedelta(minutes=1)
        tokens = _tokens(conn, tenant_id, canary, past)
        policy_id = a_policy(conn, tenant_id, f"{canary} policy", is_default=True)
        gone_policy_id = a_policy(conn, tenant_id, f"{canary} gone", deleted_at=past)
        gone_pod_id = a_pod(conn, tenant_id, f"{canary}-gone", deleted_at=past)
        pod_id = a_pod(conn, tenant_id, f"{canary}-pod", tags=[f"{canary}-tag"], status="unhealthy")
        checks, heal_id = _troubled(conn, tenant_id, pod_id, policy_id, canary)
        planned = _windows(conn, tenant_id, canary)
        shared = sa.insert(Node).values(name=f"shared-{tenant_id}", address="10.9.0.1", created_at=clock.utcnow())
        shared_node_id = conn.execute(shared.returning(Node.id)).scalar_one()
        own = {"tenant_id": tenant_id, "name": f"{canary} node", "address": "10.9.0.2"}
        node_id = conn.execute(sa.insert(Node).values(**own, created_at=clock.utcnow()).returning(Node.id)).scalar_one()
        _channel(conn, tenant_id, canary)
        _inventory(conn, tenant_id, canary)
        members.invite(conn, system_scope(tenant_id), f"{canary}@new.example", Role.VIEWER, False)
        checkruns.ask(conn, system_scope(tenant_id), pod_id, checks["http"])
        walllinks.create_link(conn, system_scope(tenant_id), f"{canary} screen", "")
        agent_token = f"pa_{name}-agent"
        for of, plain in ((pod_id, agent_token), (gone_pod_id, agent_token + "-gone")):
            conn.execute(sa.update(Pod).where(Pod.id == of).values(agent_token_hash=accounts.hash_of(plain)))
        feed.append(conn, [FeedNote(tenant_id, FeedKind.POD, pod_id)])
    return House(
        tenant_id,
        canary,
        pod_id,
        gone_pod_id,
        policy_id,
        gone_policy_id,
        checks,
        heal_id,
        agent_token,
        users,
        tokens,
        *planned,
        node_id,
        shared_node_id,
    )


def _tokens(conn: sa.Connection, tenant_id: int, canary: str, past: datetime) -> dict[str, str]:
    """A token of each role, one that was revoked and one that has expired."""
    kinds: dict[str, tuple[str, Role, datetime | None, datetime | None]] = {
        role.value: (f"{canary} {role}", role, None, None) for role in (Role.VIEWER, Role.OPERATOR, Role.ADMIN)
    }
    kinds |= {"revoked": ("revoked", Role.ADMIN, past, None), "expired": ("expired", Role.ADMIN, None, past)}
    plain = {kind: f"{accounts.TOKEN_PREFIX}{canary.removesuffix('-canary')}-{kind}" for kind in kinds}
    of_all = {"tenant_id": tenant_id, "created_by": "test", "created_at": past}
    rows = [
        {"name": name, "role": role, "revoked_at": revoked, "expires_at": expires}
        | {"token_hash": accounts.hash_of(plain[kind]), "hint": plain[kind][-4:]}
        | of_all
        for kind, (name, role, revoked, expires) in kinds.items()
    ]
    conn.execute(sa.insert(ApiToken), rows)
    return plain


def _windows(conn: sa.Connection, tenant_id: int, canary: str) -> tuple[int, int]:
    """A maintenance window under way each day, and one that is deleted."""
    scope = system_scope(tenant_id)
    row = a_window(conn, scope, name=f"{canary} window", reason=f"{canary} work", recurrence="FREQ=DAILY")
    gone = a_window(conn, scope, name=f"{canary} gone window", reason=f"{canary} work")
    windows.delete_window(conn, scope, gone.id)
    return row.id, gone.id


def _channel(conn: sa.Connection, tenant_id: int, canary: str) -> None:
    """A channel with a route, and a message that could not be delivered over it."""
    fields = {"name": f"{canary} channel", "kind": "webhook", "config": {"url": f"https://hooks.example/{canary}"}}
    scope = system_scope(tenant_id)
    made = channels.create_channel(conn, scope, fields | {"routes": [{"tags": [f"{canary}-tag"]}]}, Platform())
    message_id = channels.test_channel(conn, scope, made.row.id)
    dead = {"kind": "first", "state": "dead", "subject": f"{canary} is unhealthy", "last_error": f"{canary} refused"}
    conn.execute(sa.update(Message).where(Message.id == message_id).values(**dead, attempts=1))
    tried = {"tenant_id": tenant_id, "message_id": message_id, "channel_id": made.row.id, "nth": 1, "ok": False}
    conn.execute(sa.insert(Delivery).values(**tried, at=clock.utcnow(), error=f"{canary} refused", took_ms=1.0))


def _inventory(conn: sa.Connection, tenant_id: int, canary: str) -> None:
    """A source that was read, with a guest that it would add, and a rule of first checks."""
    scope = system_scope(tenant_id)
    config = {"url": "https://10.0.0.250:8006", "tokenId": "podhealth@pve!sync", "token": f"{canary}-token"}
    given = {"name": f"{canary} source", "kind": "proxmox", "config": config, "takes": {"tags": [f"{canary}-tag"]}}
    row = sources.create_source(conn, scope, given, ("10.0.0.0/8",))
    guest = Guest("100", "pve1/100", f"{canary}-guest", addresses=("10.0.0.9",), tags=(f"{canary}-tag",))
    sources.keep_answer(conn, row, Answer((guest,)))
    tagrules.save_rule(conn, scope, {"tag": f"{canary}-tag", "check": {"checkType": "tcp", "target": "22"}})


def _troubled(
    conn: sa.Connection, tenant_id: int, pod_id: int, policy_id: int, canary: str
) -> tuple[dict[str, int], int]:
    now = clock.utcnow()
    fresh = now + timedelta(hours=1)
    checks = {
        "ping": a_check(conn, pod_id, "ping", status="healthy", fresh_until=fresh, successes=9),
        "http": a_check(conn, pod_id, "http", status="unhealthy", fresh_until=fresh, failures=4),
    }
    moments = [now - timedelta(minutes=ago) for ago in (4, 3, 2, 1)]
    some_results(conn, checks["ping"], "ok", moments, latency_ms=1.5)
    some_results(conn, checks["http"], "fail", moments, fail_class="down", error=f"{canary} refused")
    episode_id = an_episode(conn, pod_id, policy_id, attempts=1)
    an_approval(conn, pod_id, episode_id, reason=f"{canary} wanted")
    an_incident(conn, pod_id, f"{canary}-pod is unhealthy")
    heal_id = a_heal(
        conn,
        pod_id,
        policy_id=policy_id,
        policy_version=1,
        episode_id=episode_id,
        state=HealState.FAILED,
        reason=f"{canary} reason",
        error_message=f"{canary} error",
        completed_at=now,
        next_step_at=None,
    )
    held = {"tenant_id": tenant_id, "pod_id": pod_id, "episode_id": episode_id, "at": now, "answer": "hold"}
    held |= {"gate": "cooldown", "reason": f"{canary} held", "inputs": {"gates": []}}
    conn.execute(sa.insert(decisions.Decision).values(**held))
    stop = {"scope": "pod", "tenant_id": tenant_id, "pod_id": pod_id, "reason": f"{canary} stop", "by": f"{canary} by"}
    conn.execute(sa.insert(KillSwitch).values(**stop, at=now, until=fresh))
    snooze = {"tenant_id": tenant_id, "pod_id": pod_id, "reason": f"{canary} snooze", "by": f"{canary} by"}
    conn.execute(sa.insert(Snooze).values(**snooze, at=now, until=now, ended_at=now))
    return checks, heal_id


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One site a module and database (0.3 s, PostgreSQL 0.6 s): tests leave it as it was or make pods of their own.

    Modules take it by ``site = cast.site``.
    """
    socket: Path = request.getfixturevalue("_redis_socket")
    with redis.Redis(unix_socket_path=str(socket)) as client:
        client.flushall()  # tries that failed in another module
    if request.param == "sqlite":
        path = tmp_path_factory.mktemp("site") / "podhealth.db"
        shutil.copyfile(request.getfixturevalue("_sqlite_template"), path)
        url, done = f"sqlite:///{path}", None
    else:
        name = f"site_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
        server = request.getfixturevalue("postgres_server")
        url, done = server.create(name), lambda: server.drop(name)
    engine = compiling_once(make_engine(url))
    app = an_app(url, f"unix://{socket}")
    yield Site(engine, app, a_cast(engine))
    engine.dispose()
    if done is not None:
        done()
