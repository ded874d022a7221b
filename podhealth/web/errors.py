"""What an error looks like from outside: core errors to status codes, once; pages for people, problem details for
programs (RFC 9457). No answer ever holds a stack trace, an SQL text or a class name of ours.
"""

import secrets
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import sqlalchemy.exc
import structlog
from flask import Flask, Response, g, jsonify, make_response, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException

from podhealth.core.errors import Conflict, Forbidden, InputError, NotFound, PodHealthError, ProviderError, Stale
from podhealth.core.sentence import span
from podhealth.declared.faults import FileError
from podhealth.web.forms.places import own_path
from podhealth.web.installed import installed

log = structlog.get_logger(__name__)

_READ_ONLY = "25006"  # PostgreSQL: a replica after a failover


class Told(NamedTuple):
    """What people read about an error: a sentence, and what to do."""

    title: str
    what_to_do: str


_STATUS_OF: dict[type[PodHealthError], tuple[int, str]] = {
    InputError: (422, "invalid"),
    NotFound: (404, "not_found"),
    Conflict: (409, "conflict"),
    Forbidden: (403, "forbidden"),
    ProviderError: (502, "provider"),
}

# Of what a request is made of, not of what a field says.
_STATUS_OF_CODE = {"not_json": 400, "unsupported_media_type": 415}

_CODES = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    409: "conflict",
    412: "changed_meanwhile",
    413: "too_large",
    415: "unsupported_media_type",
    422: "invalid",
    429: "too_many_requests",
    500: "internal",
    502: "provider",
    503: "unavailable",
}

_TOLD = {
    400: Told("This request could not be read", "Go back and try again."),
    401: Told("You are signed out", "Sign in and try again. What you typed is still in the page before this one."),
    403: Told("You may not do this", "Your role does not allow it, or the page was too old. Ask an admin of yours."),
    404: Told("There is nothing here", "It may have been deleted, or the address is mistyped."),
    405: Told("This address does not take that", "Go back and use the page's own buttons."),
    409: Told("Somebody else was faster", "Load the page again to see what changed, then decide anew."),
    412: Told("Somebody else was faster", "Read it again to see what changed, then decide anew."),
    413: Told("That is too large", "Forms here take at most 64 KiB, a file of configuration 1 MiB."),
    415: Told("This format is not understood", "Send what the page or the API description asks for."),
    422: Told("A value was refused", "Go back and correct it."),
    429: Told("Too many tries", "Nothing was done. Wait a little, then try again."),
    500: Told("Something broke on our side", "It was logged. Try again; if it stays, tell your admin the id below."),
    502: Told("The provider did not answer", "Try again in a minute."),
    503: Told("The database does not answer", "Checks go on by themselves when it is back. Try again in a moment."),
}


def wants_json() -> bool:
    """Return whether the answer to this request is for a program: everything under /api is."""
    return request.path.startswith("/api/") or request.path == "/api"


def answer(status: int, code: str, error: str, **more: Any) -> ResponseReturnValue:
    """Return an error answer in the form this request wants.

    ``error`` is the seed's text, read by people; ``code`` is stable, read by programs; ``more`` goes into the
    problem details only (``field``, ``retryAfter``).
    """
    if wants_json():
        response = jsonify(problem(status, code, error, **more))
        response.content_type = "application/problem+json"
    else:
        response = _page(status, error, more.get("retryAfter"))
    response.status_code = status
    if status == 401 and wants_json():
        response.headers["WWW-Authenticate"] = "Bearer"
    if "retryAfter" in more:
        response.headers["Retry-After"] = str(more["retryAfter"])
    return response


def problem(status: int, code: str, error: str, **more: Any) -> dict[str, Any]:
    """Return the problem details of an error, as ``answer`` gives them to programs."""
    return {"type": "about:blank", "title": _told(status).title, "status": status, "code": code, "error": error} | more


def _told(status: int) -> Told:
    return _TOLD.get(status) or _TOLD[400 if status < 500 else 500]


def _page(status: int, error: str, wait_s: int | None) -> Response:
    told = _told(status)
    wait = span(wait_s) if wait_s is not None and status == 429 else None
    context = {"status": status, "told": told, "error": error, "wait": wait, "request_id": request_id()}
    return make_response(render_template("errors/error.html", back_path=_back_path(), **context))


def _back_path() -> str:
    """Return the page of ours that led here, empty where it is not known or is this one."""
    try:
        came_from = urlsplit(request.referrer or "")
    except ValueError:  # half an IPv6 address
        return ""
    hosts = (request.host, urlsplit(installed().settings.public_url).netloc)
    is_this_one = request.method == "GET" and came_from.path == request.path
    if is_this_one or not came_from.netloc or came_from.netloc not in hosts:
        return ""
    return own_path(came_from.path + ("?" + came_from.query if came_from.query else ""), otherwise="")


def request_id() -> str:
    """Return the id under which this request is logged."""
    if "request_id" not in g:
        g.request_id = secrets.token_hex(6)
    return str(g.request_id)


def install(app: Flask) -> None:
    """Give every error its one answer."""
    app.register_error_handler(PodHealthError, _on_our_own)
    app.register_error_handler(HTTPException, _on_http)
    app.register_error_handler(sqlalchemy.exc.OperationalError, _on_database_away)
    app.register_error_handler(sqlalchemy.exc.TimeoutError, _on_database_away)
    app.register_error_handler(sqlalchemy.exc.DBAPIError, _on_database)
    app.register_error_handler(Exception, _on_surprise)


def _on_our_own(error: PodHealthError) -> ResponseReturnValue:
    status, code = next(((s, c) for t, (s, c) in _STATUS_OF.items() if isinstance(error, t)), (500, "internal"))
    if status == 500:
        return _on_surprise(error)
    if isinstance(error, FileError):
        faults = [{"field": one.field, "error": one.message, "line": one.line} for one in error.faults]
        return answer(status, error.code, str(error), field=error.field, faults=faults)
    if isinstance(error, InputError):
        status = _STATUS_OF_CODE.get(error.code, status)
        return answer(status, error.code, str(error), field=error.field)
    if isinstance(error, Stale):
        is_matched = request.headers.get("If-Match", "*").strip() not in ("", "*")
        status, code = (412, _CODES[412]) if is_matched else (status, code)
        return answer(status, code, str(error), version=error.version)
    return answer(status, code, _said(error, status))


def _said(error: Exception, status: int) -> str:
    # A missing and a foreign object must not be told apart, so a 404 never says what was looked for.
    return _told(status).title if status == 404 or not str(error) else str(error)


def _on_http(error: HTTPException) -> ResponseReturnValue:
    if error.response is not None and error.code is None:
        return error.response
    status = error.code or 500
    if status < 400:  # a redirect that routing asked for
        return error
    response = answer(status, _CODES.get(status, "bad_request"), _told(status).title)
    allowed = getattr(error, "valid_methods", None)
    if allowed:
        response.headers["Allow"] = ", ".join(sorted(allowed))  # type: ignore[union-attr]
    return response


def _on_database_away(error: sqlalchemy.exc.SQLAlchemyError) -> ResponseReturnValue:
    kind = type(getattr(error, "orig", None) or error).__name__
    log.error("database did not answer", request_id=request_id(), path=request.path, error=kind)
    return answer(503, "unavailable", _told(503).title, retryAfter=5)


def _on_database(error: sqlalchemy.exc.DBAPIError) -> ResponseReturnValue:
    # A connection that broke in our hands and a database that only reads come as other classes than the one above.
    is_away = error.connection_invalidated or getattr(error.orig, "sqlstate", None) == _READ_ONLY
    if is_away:
        return _on_database_away(error)
    if _is_taken(error):
        log.warning("two were faster than a look", request_id=request_id(), path=request.path)
        return answer(409, "conflict", _told(409).title)
    return _on_surprise(error)


def _is_taken(error: sqlalchemy.exc.DBAPIError) -> bool:
    """Whether somebody else stored the same name, address or slug after it was looked for: SQL's unique_violation."""
    name = getattr(error.orig, "sqlstate", None) or getattr(error.orig, "sqlite_errorname", "")
    return name in ("23505", "SQLITE_CONSTRAINT_UNIQUE")


def _on_surprise(error: Exception) -> ResponseReturnValue:
    log.error("request failed", request_id=request_id(), path=request.path, exc_info=error)
    return answer(500, "internal", _told(500).title, requestId=request_id())
