"""The door: every request passes here before its route runs, in this order: origin, person, token, second factor, role.

Headers that every answer carries are web/headers.py's business.
"""

from urllib.parse import quote, urlsplit

import structlog
from flask import Flask, Response, current_app, g, redirect, request
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError

from podhealth.core.errors import Forbidden, InputError, NotFound
from podhealth.core.words import Role
from podhealth.store.tenancy import NO_TENANT
from podhealth.web import lengths
from podhealth.web.access import RULES, Door, Rule, allows
from podhealth.web.csrf import MaskedProtect
from podhealth.web.errors import answer
from podhealth.web.forms.places import OPERATION, SECOND_FACTOR
from podhealth.web.installed import installed
from podhealth.web.session import lacks_factor, scope_of_session, scope_of_token, session_key

log = structlog.get_logger(__name__)

csrf = MaskedProtect()
_SAFE = frozenset({"GET", "HEAD"})
# The fields of forms of which there may be several: ticked boxes, and what was chosen beside them.
_MANY = frozenset({"ids", "pod", "selector"})


def install(app: Flask) -> None:
    """Put the guard before every route of ``app``."""
    app.config["WTF_CSRF_CHECK_DEFAULT"] = False  # the guard asks, after it knows who calls
    app.config["WTF_CSRF_TIME_LIMIT"] = None  # as long as the session: pages stay open all day
    app.config["WTF_CSRF_SSL_STRICT"] = False  # Origin and Sec-Fetch-Site are checked here
    # What a route takes is told with the 405; nobody needs to ask beforehand, and no other site may.
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
    csrf.init_app(app)
    app.register_error_handler(CSRFError, _on_csrf)
    app.before_request(_check)


def _check() -> ResponseReturnValue | None:
    g.scope = None
    if request.endpoint is None:  # no such route or method: the error handler speaks
        return None
    rule = RULES[request.endpoint]
    _allow_length(request.endpoint)
    if rule.door is Door.AGENT:
        return None
    if rule.door is Door.API and "Authorization" in request.headers:
        # No cookie is believed beside a token, so no other site can ride on it.
        g.scope = scope_of_token()
    elif rule.door is Door.API and session_key() is None:
        return _who_are_you(rule.door)  # a program that forgot its token: not "from another site"
    elif refused := _recognise_person(rule.door):
        return refused
    if lacks_factor() and not rule.opens_without_factor:
        return _set_up_first(rule.door)
    if rule.role is not None and (refused := _refuse_role(rule, rule.role)):
        return refused
    _refuse_nul()
    _refuse_twice()
    return None


def _allow_length(endpoint: str) -> None:
    # Before anything looks at the body, and for a route that says so only.
    most = lengths.longest_of(current_app.view_functions[endpoint])
    if most is not None:
        request.max_content_length = request.max_form_memory_size = most


def _refuse_role(rule: Rule, needed: Role) -> ResponseReturnValue | None:
    if g.scope is None:
        if "Authorization" in request.headers:
            _note_refused("token")
        return _who_are_you(rule.door)
    if not allows(g.scope.role, needed):
        _note_refused("role", who=g.scope.actor_name, role=g.scope.role.value, needed=needed.value)
        if needed is Role.PLATFORM:
            raise NotFound
        raise Forbidden(f"This needs the role {needed.value}")
    if rule.is_of_tenant and g.scope.tenant_id == NO_TENANT:
        return _choose_a_tenant(rule.door)
    return None


def _recognise_person(door: Door) -> ResponseReturnValue | None:
    is_unsafe = request.method not in _SAFE
    if is_unsafe and not _is_same_site():
        _note_refused("origin", origin=request.headers.get("Origin"))
        return answer(403, "origin", "This request came from another site")
    if door is not Door.OPEN:  # open routes answer while the database is away, and the same to everybody
        g.scope = scope_of_session()
    if is_unsafe and (g.scope is not None or door is Door.OPEN):
        csrf.protect()
    return None


def _on_csrf(_error: CSRFError) -> ResponseReturnValue:
    _note_refused("page token")
    return answer(403, "csrf", "This page was too old, or not one of ours. Load it again")


def _note_refused(why: str, **facts: object) -> None:
    # In the log and not in the audit trail, which a refused request must not be able to fill.
    log.warning("request refused", why=why, endpoint=request.endpoint, address=request.remote_addr, **facts)


def _refuse_nul() -> None:
    """Refuse the one character that PostgreSQL cannot hold, in one place for all forms, queries and paths (M13)."""
    if "\0" in request.path:
        raise NotFound
    for values in (request.args, request.form):
        for name, value in values.items(multi=True):
            if "\0" in name or "\0" in value:
                raise InputError(name.replace("\0", "")[:60], "contains characters that are no text")


def _refuse_twice() -> None:
    """Refuse a field that is sent twice and may be but once: of two values, no two readers choose the same (A66)."""
    for name, values in request.form.lists():
        if len(values) > 1 and name not in _MANY:
            raise InputError(name[:60], "is given twice", code="given_twice")


def _is_same_site() -> bool:
    """Return whether the browser says that one of our own pages sent this (hazards A28).

    A browser that sends neither header is not believed; programs use tokens.
    """
    if request.headers.get("Sec-Fetch-Site") not in (None, "same-origin"):
        return False
    source = request.headers.get("Origin") or request.headers.get("Referer")
    if source is None:
        return request.headers.get("Sec-Fetch-Site") == "same-origin"
    return _origin(source) in {_origin(installed().settings.public_url), _origin(request.host_url)}


def _origin(url: str) -> tuple[str, str | None, int | None]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:  # half an IPv6 address, or a port that is none
        return "", None, None
    return parts.scheme, parts.hostname, port or {"http": 80, "https": 443}.get(parts.scheme)


def _who_are_you(door: Door) -> ResponseReturnValue:
    if door is not Door.PAGE:
        return answer(401, "unauthorized", "Sign in, or send a valid token")
    where = "/sign-in"
    if request.method in ("GET", "HEAD") and request.path != "/":
        where += "?next=" + quote(request.full_path.rstrip("?"), safe="/?=")
    return _lead_to(where, 401)


def _set_up_first(door: Door) -> ResponseReturnValue:
    if door is not Door.PAGE:
        return answer(403, "second_factor", "Set up the second factor first")
    return _lead_to(SECOND_FACTOR, 403)


def _choose_a_tenant(door: Door) -> ResponseReturnValue:
    if door is not Door.PAGE:
        return answer(409, "no_tenant", "Look into a tenant first")
    return _lead_to(OPERATION, 409)


def _lead_to(where: str, status: int) -> ResponseReturnValue:
    """Send a person there; a part of a page would be swapped by what stands there, so the whole page goes."""
    if "HX-Request" in request.headers:
        return Response(status=status, headers={"HX-Redirect": where})
    return redirect(where, 303)


__all__ = ["CSRFError", "csrf", "install"]
