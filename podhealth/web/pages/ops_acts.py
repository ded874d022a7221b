"""What a platform admin does on the operator's page: stop all healing, let heals pass a breaker, make a tenant."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from flask import redirect, request
from flask.typing import ResponseReturnValue

from podhealth.core.errors import Conflict, InputError, NotFound
from podhealth.core.fields import word
from podhealth.core.words import BreakerScope, KillScope, Role
from podhealth.store import accounts, holds, overrides
from podhealth.store.db import db_now, read, write
from podhealth.store.tenancy import NO_TENANT, Scope
from podhealth.web.forms import ops as forms
from podhealth.web.installed import engine_of, installed
from podhealth.web.pages.ops import ZONE, page, pages
from podhealth.web.session import current_scope

_LINK_LIVES = timedelta(hours=72)

Asked = dict[str, Any]


@pages.post("/ops/switch")
def stop_healing() -> ResponseReturnValue:
    """Switch healing off for all tenants."""

    def do(conn: sa.Connection, asked: Asked) -> None:
        if holds.system_switches(conn, db_now(conn)):
            raise Conflict("healing is switched off everywhere already")
        holds.set_kill_switch(conn, _operator(), KillScope.SYSTEM, asked["until"], asked["reason"])

    return _ask("switch", "now", do)


@pages.post("/ops/switches/<id:switch_id>/end")
def end_stop(switch_id: int) -> ResponseReturnValue:
    """Let healing go on everywhere."""
    return _do("now", lambda conn: holds.end_kill_switch(conn, _operator(), switch_id))


@pages.post("/ops/breakers/override")
def override() -> ResponseReturnValue:
    """Let heals pass a breaker for a while."""

    def do(conn: sa.Connection, asked: Asked) -> None:
        scope, what, key = _of_breaker(asked["scope"], asked["key"])
        overrides.override(conn, scope, what, key, asked["until"], asked["reason"])

    return _ask("override", "breakers", do)


@pages.post("/ops/breakers/override/end")
def end_override() -> ResponseReturnValue:
    """Let a breaker hold again."""
    what = word("scope", request.form.get("scope", ""), BreakerScope)
    of = _of_breaker(what, request.form.get("key", ""))
    return _do("breakers", lambda conn: overrides.end_override(conn, *of))


@pages.post("/ops/tenants")
def create_tenant() -> ResponseReturnValue:
    """Make a tenant with its first admin, and show the admin's one-time link this once."""
    asked, form = forms.read("tenant", request.form, *_clock())
    if form.errors:
        return page("tenants", form, 422)
    try:
        with write(engine_of(), durable=True) as conn:
            tenant_id = accounts.create_tenant(conn, asked["name"], _operator())
            scope = _operator()._replace(tenant_id=tenant_id)
            user_id = accounts.create_user(conn, tenant_id, asked["email"], asked["admin"], Role.ADMIN, scope=scope)
            token = accounts.create_sign_in_link(conn, user_id, _LINK_LIVES)
    except (InputError, Conflict) as refused:
        field = refused.field if isinstance(refused, InputError) else "email" if "account" in str(refused) else "name"
        return page("tenants", form.with_error(field, getattr(refused, "message", str(refused))), 422)
    link = f"{installed().settings.public_url}/sign-in/link/{token}"
    return page("tenants", link=link, link_of=asked["email"])


def _operator() -> Scope:
    # What concerns the installation is audited in its chain, whichever tenant is just looked into.
    return current_scope()._replace(tenant_id=NO_TENANT)


def _of_breaker(what: BreakerScope, key: str) -> tuple[Scope, BreakerScope, str]:
    if what == BreakerScope.TENANT:
        if not (key.isascii() and key.isdecimal() and len(key) < 19):
            raise NotFound("there is no such breaker")
        return current_scope()._replace(tenant_id=int(key)), what, key
    return _operator(), what, key


def _clock() -> tuple[Any, Any]:
    with read(engine_of()) as conn:
        return db_now(conn), ZONE


def _ask(name: str, tab: str, do: Callable[[sa.Connection, Asked], None]) -> ResponseReturnValue:
    asked, form = forms.read(name, request.form, *_clock())
    if form.errors or form.refused:
        return page(tab, form, 422)
    try:
        return _do(tab, lambda conn: do(conn, asked))
    except InputError as refused:
        return page(tab, form.with_error(refused.field, refused.message), 422)


def _do(tab: str, do: Callable[[sa.Connection], None]) -> ResponseReturnValue:
    try:
        with write(engine_of(), durable=True) as conn:
            do(conn)
    except Conflict as refused:
        return page(tab, status=409, said=str(refused))
    return redirect(f"/ops?tab={tab}", 303)
