"""The application that web tests ask, made anew for each test, with what all of them have in common made once."""

from collections.abc import Callable
from typing import Any

import jinja2
from flask import Flask
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


def _routes_compiled_once() -> None:
    # Werkzeug compiles two functions for each route, of the same text in every application: 0.1 s for all of them.
    compile_builder = Rule._compile_builder
    builders: dict[tuple[object, ...], Callable[..., tuple[str, str]]] = {}

    def builder(rule: Rule, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
        if rule.defaults:
            return compile_builder(rule, append_unknown)
        key = (rule.rule, tuple(rule._trace), append_unknown)
        if key not in builders:
            builders[key] = compile_builder(rule, append_unknown)
        return builders[key]

    Rule._compile_builder = builder  # type: ignore[method-assign]


_routes_compiled_once()


def an_app(url: str, redis_url: str = "unix:///nowhere/redis.sock", **settings: Any) -> Flask:
    """A web application for this database."""
    given = {"DATABASE_URL": url, "REDIS_URL": redis_url, "SECRET_KEY": SECRET, "web_threads": 2, "log_level": "ERROR"}
    given |= dict.fromkeys(("changes_a_minute", "expensive_a_minute", "api_reads_a_minute"), 1_000_000)
    app = create_app(Settings(**(given | {"public_url": ORIGIN} | settings)))
    app.jinja_env.bytecode_cache = _COMPILED
    compiling_once(installed(app).engine)
    return app
