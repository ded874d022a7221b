"""How much one caller may ask for in a minute: changes, expensive answers, and reads of the API.

A caller is a session, a token, or an address where there is neither. Counted in Redis, so for all web processes
together; in this process while Redis is away. Tries at the sign-in are counted in web/tries.py.
"""

import math
from collections.abc import Container
from enum import StrEnum
from typing import Any, NamedTuple

import redis.exceptions
import structlog
from flask import Flask, Response, g, request
from flask.typing import ResponseReturnValue
from flask_limiter import Limiter, RequestLimit
from flask_limiter.errors import RateLimitExceeded

from podhealth import clock
from podhealth.core.address import counted_as
from podhealth.settings import Settings
from podhealth.store.accounts import hash_of
from podhealth.web.access import RULES, Door
from podhealth.web.errors import answer
from podhealth.web.session import session_key
from podhealth.web.tries import PATIENCE, storage_url

log = structlog.get_logger(__name__)

# Each reads thousands of rows, or computes for seconds.
EXPENSIVE = frozenset(
    {
        "audit.export",
        "audit.verify",
        "heals.export",
        "configuration.export",
        "api.export_audit",
        "policies.replay",
        "api.replay_policy",
        "api.policy_effect",
    }
)
# Pages that show a replay where the query asks for one.
WITH_REPLAY = frozenset({"policies.show", "policies.new"})
# Sent by the page itself while somebody types, and change nothing.
PREVIEWS = frozenset({"policies.preview", "windows.preview", "incidents.preview"})
_WINDOW_S = 60
_ENOUGH = 20  # characters of a hash: the log names who asks for too much, and needs no more
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class Kind(StrEnum):
    """What is counted, each for itself."""

    CHANGES = "changes"
    EXPENSIVE = "expensive answers"
    READS = "reads of the API"


def kind_of(endpoint: str | None, method: str, asked: Container[str] = ()) -> Kind | None:
    """Return as what a request counts; null for pages, files, sockets and agents, which are not counted.

    ``asked``: the names in its query string.
    """
    if endpoint is None or RULES[endpoint].door in (Door.AGENT, Door.SOCKET):
        return None
    if endpoint in EXPENSIVE or (endpoint in WITH_REPLAY and ("run" in asked or "draft" in asked)):
        return Kind.EXPENSIVE
    if endpoint in PREVIEWS:
        return None
    if method not in _SAFE:
        return Kind.CHANGES
    return Kind.READS if RULES[endpoint].door is Door.API else None


def install(app: Flask, settings: Settings) -> None:
    """Count each request that got past the guard: called after the guard is installed."""
    most = {
        Kind.CHANGES: settings.changes_a_minute,
        Kind.EXPENSIVE: settings.expensive_a_minute,
        Kind.READS: settings.api_reads_a_minute,
    }
    options: dict[str, Any] = {
        "application_limits": [lambda: f"{most[_kind() or Kind.CHANGES]} per minute"],
        "application_limits_exempt_when": lambda: _kind() is None,
        "strategy": "fixed-window",
        "key_prefix": "podhealth rate",
        "in_memory_fallback_enabled": True,
        "swallow_errors": True,  # whoever asks is not to suffer from what counts
    }
    url = storage_url(settings.redis_url)
    limiter = Limiter(_caller, storage_uri=url, storage_options=PATIENCE, **options)
    try:
        limiter.init_app(app)
    except (redis.exceptions.RedisError, OSError) as error:
        log.warning("requests are counted in this process", error=type(error).__name__)
        limiter = Limiter(_caller, storage_uri="memory://", **options)
        limiter.init_app(app)

    def refuse(_error: RateLimitExceeded) -> ResponseReturnValue:
        kind = _kind() or Kind.CHANGES
        left = _left(limiter.current_limit)
        wait = _WINDOW_S if left is None else max(left.seconds, 1)
        said = f"At most {most[kind]} {kind} a minute are answered here"
        return answer(429, "too_many_requests", said, retryAfter=wait)

    def say_what_is_left(response: Response) -> Response:
        rule = RULES.get(request.endpoint or "")
        left = _left(limiter.current_limit) if rule is not None and rule.door is Door.API else None
        if left is None:
            return response
        kind = _kind() or Kind.CHANGES
        # The IETF's draft: a name for the policy, its quota and window; what remains of it, and for how long.
        response.headers["RateLimit-Policy"] = f'"{kind.name.lower()}";q={most[kind]};w={_WINDOW_S}'
        response.headers["RateLimit"] = f'"{kind.name.lower()}";r={left.requests};t={left.seconds}'
        return response

    app.register_error_handler(RateLimitExceeded, refuse)
    app.after_request(say_what_is_left)


class _Left(NamedTuple):
    """How many requests are left of a window, and how many seconds it lasts."""

    requests: int
    seconds: int


def _left(limit: RequestLimit | None) -> _Left | None:
    """Return what is left, null where nothing was counted or what counts has gone since: that is no caller's fault."""
    if limit is None:
        return None
    try:
        seconds = math.ceil(limit.reset_at - clock.utcnow().timestamp())  # what counts, rounds up itself
        return _Left(limit.remaining, min(max(seconds, 0), _WINDOW_S))
    except (redis.exceptions.RedisError, OSError) as error:
        log.warning("what is left is not known", error=type(error).__name__)
        return None


def _kind() -> Kind | None:
    return kind_of(request.endpoint, request.method, request.args)


def _caller() -> str:
    kind = _kind()
    if g.get("scope") is None:
        return f"{kind} address {counted_as(request.remote_addr or 'unknown')}"
    plain = request.headers.get("Authorization", "").partition(" ")[2].strip()
    if RULES[request.endpoint or ""].door is Door.API and plain:
        return f"{kind} token {hash_of(plain)[:_ENOUGH]}"
    return f"{kind} session {(session_key() or '')[:_ENOUGH]}"
