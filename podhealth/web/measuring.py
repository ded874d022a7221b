"""What this web process measures of itself: how long requests take, and how late browsers hear of a change.

Also gives each request the id under which all that it logs stands. What is shown of it is web/pages/metrics.py's.
"""

import structlog
from flask import Flask, Response, g, request
from prometheus_client import CollectorRegistry, Gauge, Histogram

from podhealth import clock
from podhealth.web.access import RULES
from podhealth.web.errors import request_id
from podhealth.web.sockets import live_of

_KEY = "podhealth.measures"
_REQUEST_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_FEED_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0)


def install(app: Flask) -> None:
    """Measure each request of ``app``: installed before all else, so that it begins first and ends last."""
    registry = CollectorRegistry()
    requests = Histogram(
        "podhealth_http_request_seconds",
        "How long requests took this web process, by door and class of the answer's code; heartbeats stand apart.",
        ("door", "code"),
        buckets=_REQUEST_S,
        registry=registry,
    )
    app.extensions[_KEY] = registry

    def begin() -> None:
        g.begun = clock.monotonic()
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id())

    def end(response: Response) -> Response:
        rule = RULES.get(request.endpoint or "")
        door = "none" if rule is None else rule.door.value
        took_s = clock.monotonic() - g.get("begun", clock.monotonic())
        requests.labels(door, f"{response.status_code // 100}xx").observe(took_s)
        return response

    app.before_request(begin)
    app.after_request(end)
    app.teardown_request(lambda _error: structlog.contextvars.clear_contextvars())


def install_live(app: Flask) -> None:
    """Measure what the live sockets of ``app`` do, once they are installed."""
    registry, hub = registry_of(app), live_of(app).hub
    feed = Histogram(
        "podhealth_feed_lag_seconds",
        "From a change's commit until this web process sent it to the browsers that show it.",
        buckets=_FEED_S,
        registry=registry,
    )
    sockets = Gauge("podhealth_live_sockets", "Live pages open on this web process.", registry=registry)
    sockets.set_function(hub.open_sockets)
    hub.on_told = feed.observe


def registry_of(app: Flask) -> CollectorRegistry:
    """Return what ``app`` has measured."""
    registry: CollectorRegistry = app.extensions[_KEY]
    return registry
