"""Who is calling: the one place that turns a browser's session or a Bearer token into a Scope.

The cookie carries the session's own token and nothing of Flask-Login, which would ask the database for the person with
each request, even for a stylesheet or for the page that says that the database is away.

All else reads ``current_scope()``. What the scope may do is web/access.py's table.
"""

import secrets
from datetime import datetime, timedelta

import sqlalchemy as sa
import structlog
from flask import Flask, Response, after_this_request, g, has_request_context, request, session
from flask.sessions import SecureCookieSessionInterface, SessionMixin

from podhealth.core.errors import Forbidden, NotFound
from podhealth.core.words import Actor, Role
from podhealth.models import Session, Tenant
from podhealth.store import accounts, audit, people, watchers
from podhealth.store.accounts import hash_of
from podhealth.store.db import db_now, read, write
from podhealth.store.tenancy import NO_TENANT, Scope
from podhealth.web.installed import engine_of

log = structlog.get_logger(__name__)

SESSION_LIVES = timedelta(days=14)
BY_ITSELF = "X-By-Itself"  # sent by scripts where nobody clicked
_TOKEN = "sid"  # noqa: S105 - the key under which the cookie carries it
_DEVICE_CHARACTERS = 200
# Set in a session that began with a one-time link: who forgot the password may set another without knowing it.
BY_LINK = "by_link"


def current_scope() -> Scope:
    """Return the caller's scope. Raises Forbidden where there is none: the guard should have answered before."""
    scope: Scope | None = getattr(g, "scope", None) if has_request_context() else None
    if scope is None:
        raise Forbidden("no tenant")
    return scope


def person_id() -> int | None:
    """Return the id of the signed-in person, null for who comes with a token."""
    person = getattr(g, "person", None) if has_request_context() else None
    return None if person is None else int(person.id)


def lacks_factor() -> bool:
    """Return whether the signed-in person must first set up the second factor that the tenant asks for."""
    person = getattr(g, "person", None)
    return person is not None and bool(person.lacks_second_factor)


def scope_of_session() -> Scope | None:
    """Return the scope of the signed-in person, or None when the session, person or tenant is not (or no more)."""
    token = session.get(_TOKEN)
    if not isinstance(token, str):
        return None
    with read(engine_of()) as conn:
        now = db_now(conn)
        row = watchers.person_of(conn, hash_of(token), now)
    if row is None or (row.tenant_id is None and row.role != Role.PLATFORM):
        return None
    g.person = row
    # A page that waits for news all by itself is not somebody who uses it.
    if row.seen_at <= now - people.SEEN_EVERY and not _is_by_itself():
        _note_seen(row.session_id, now)
    return Scope(row.tenant_id or NO_TENANT, row.role, Actor.USER, row.email, request.remote_addr)


def _is_by_itself() -> bool:
    # Who writes the header unasked has the own session end sooner, and nothing else.
    return request.endpoint == "sockets.live" or BY_ITSELF in request.headers


def _note_seen(session_id: int, now: datetime) -> None:
    engine = engine_of()

    @after_this_request
    def later(response: Response) -> Response:  # once the answer is out, so that nobody waits for it
        response.call_on_close(lambda: people.note_seen(engine, session_id, now))
        return response


def view_tenant(conn: sa.Connection, tenant_id: int | None) -> None:
    """Let this browser's platform admin look into a tenant from now on, or into none. Audited in the tenant's chain.

    Raises Forbidden for anybody else, NotFound for a tenant that is not there.
    """
    scope = current_scope()
    if scope.role != Role.PLATFORM:
        raise Forbidden("only the platform admin looks into tenants")
    if tenant_id is not None:
        is_there = sa.select(Tenant.id).where(Tenant.id == tenant_id, Tenant.deleted_at.is_(None))
        if conn.scalar(is_there) is None:
            raise NotFound("there is no such tenant")
    mine = Session.token_hash == session_key()
    conn.execute(sa.update(Session).where(mine).values(tenant_id=tenant_id))
    if tenant_id is not None:
        audit.write(conn, scope._replace(tenant_id=tenant_id), "tenant viewed", "tenant", tenant_id)


def session_key() -> str | None:
    """Return the hash under which this browser's session is stored, or None without one."""
    token = session.get(_TOKEN)
    return hash_of(token) if isinstance(token, str) else None


def scope_of_token() -> Scope | None:
    """Return the scope of the Bearer token this request carries in its header, or None."""
    kind, _, plain = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() != "bearer" or not plain.strip():
        return None
    return accounts.use_token(engine_of(), plain.strip(), request.remote_addr)


def begin_session(user_id: int) -> None:
    """Begin a session for this user in this browser; whatever session it had before is over (hazards A16)."""
    end_session()
    token = secrets.token_urlsafe(32)
    with write(engine_of()) as conn:
        now = db_now(conn)
        conn.execute(
            sa.insert(Session).values(
                user_id=user_id,
                token_hash=hash_of(token),
                address=request.remote_addr,
                device=(request.user_agent.string or "")[:_DEVICE_CHARACTERS] or None,
                created_at=now,
                expires_at=now + SESSION_LIVES,
            )
        )
    session[_TOKEN] = token
    session.permanent = True
    log.info("session begun", user_id=user_id, address=request.remote_addr)


def end_session() -> None:
    """End this browser's session in the database, so that its cookie is worth nothing any more (hazards A17)."""
    token = session.get(_TOKEN)
    if isinstance(token, str):
        log.info("session ended", user_id=person_id(), address=request.remote_addr)
        with write(engine_of()) as conn:
            conn.execute(
                sa.update(Session)
                .where(Session.token_hash == hash_of(token), Session.ended_at.is_(None))
                .values(ended_at=db_now(conn))
            )
    session.clear()


class _Cookies(SecureCookieSessionInterface):
    """Flask's own, but silent on files: Flask-Login looks into each session, and that alone would say Vary: Cookie."""

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """Send the session back where it changed, and say that the answer depends on it where it does."""
        if session.modified or not (request.endpoint or "").startswith(("assets.", "public.")):
            super().save_session(app, session, response)


def install(app: Flask) -> None:
    """Let sessions last as long in the cookie as they do in the database."""
    app.session_interface = _Cookies()
    app.config["SESSION_PROTECTION"] = None  # Flask-Login's; it would write into each session that it did not begin
    app.config["PERMANENT_SESSION_LIFETIME"] = SESSION_LIVES
    app.config["SESSION_REFRESH_EACH_REQUEST"] = False
