"""The application that web tests ask, made anew for each test, with what all of them have in common made once."""

from types import MethodType
from typing import Any, NamedTuple

import jinja2
from flask import Flask
from passlib.context import CryptContext
from werkzeug.routing import Rule

from podhealth.factory import create_app
from podhealth.settings import Settings
from podhealth.web.installed import installed
from tests.support.databases import compiling_once

SECRET = "of-the-tests-only-" + "x" * 32
ORIGIN = "http://127.0.0.1:8700"


class _Compiled(jinja2.BytecodeCache):
    """Templates once compiled, for all applications of a process: half a page test's time would go into this."""

    def __init__(self) -> None:
        self._codes: dict[tuple[str, str], Any] = {}

    def load_bytecode(self, bucket: jinja2.bccache.Bucket) -> None:
        bucket.code = self._codes.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: jinja2.bccache.Bucket) -> None:
        self._codes[bucket.key, bucket.checksum] = bucket.code


_COMPILED = _Compiled()


class _Parsed(NamedTuple):
    """What werkzeug makes of a route's text, the same in every application."""

    parts: list[Any]
    trace: list[tuple[bool, str]]
    converters: dict[str, Any]
    builders: tuple[Any, Any]


def _routes_compiled_once() -> None:
    # For each route werkzeug parses its text and compiles two functions: 0.1 s for all of them.
    parse = Rule.compile
    parsed: dict[tuple[str, bool | None], _Parsed] = {}

    def compile_rule(rule: Rule) -> None:
        if rule.defaults or rule.host or rule.subdomain:
            parse(rule)
            return
        key = (rule.rule, rule.merge_slashes)
        if key not in parsed:
            parse(rule)
            builders = (rule._build.__func__, rule._build_unknown.__func__)  # type: ignore[attr-defined]
            parsed[key] = _Parsed(rule._parts, rule._trace, rule._converters, builders)
        of = parsed[key]
        rule._parts, rule._trace, rule._converters = of.parts, of.trace, of.converters
        rule.arguments.update(of.converters)
        rule._build, rule._build_unknown = (MethodType(builder, rule) for builder in of.builders)

    Rule.compile = compile_rule  # type: ignore[method-assign]


_routes_compiled_once()


# What a password costs in operation (a tenth of a second) is most of what some tests would take.
_CHEAP = CryptContext(schemes=["argon2"], argon2__time_cost=1, argon2__memory_cost=64, argon2__parallelism=1)


def an_app(url: str, redis_url: str = "unix:///nowhere/redis.sock", **settings: Any) -> Flask:
    """A web application for this database."""
    given = {"DATABASE_URL": url, "REDIS_URL": redis_url, "SECRET_KEY": SECRET, "web_threads": 2, "log_level": "ERROR"}
    given |= dict.fromkeys(("changes_a_minute", "expensive_a_minute", "api_reads_a_minute"), 1_000_000)
    app = create_app(Settings(**(given | {"public_url": ORIGIN} | settings)))
    app.jinja_env.bytecode_cache = _COMPILED
    app.extensions["security"].pwd_context = _CHEAP
    compiling_once(installed(app).engine)
    return app
