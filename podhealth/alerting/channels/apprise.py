"""Everything else, by Apprise: only services that the operator allows, and whose calls can be guarded.

Apprise opens connections itself. Its services that do so by ``requests`` alone are given a ``requests`` of ours, which
reaches checked addresses only; no other service is allowed, whatever the setting says.
"""

import logging
import sys
import threading
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import requests

from podhealth import clock
from podhealth.alerting.channels.base import TIMEOUT_S, Config, Outgoing, SendError, Sent, judge
from podhealth.core.channel_fields import APPRISE_SCHEMES, harmful_parameters
from podhealth.core.words import MessageKind, Severity
from podhealth.egress import http

_METHODS = ("get", "post", "put", "patch", "delete", "head", "request")
_PASSED_ON = ("params", "data", "json", "headers", "auth", "cookies")
_NOT_HAD = ("Session", "session", "sessions", "api", "adapters")


class _Call(threading.local):
    """What the calls of one message came to, in the thread that sends it; ``until`` is by the monotonic clock."""

    def __init__(self) -> None:
        self.until = 0.0
        self.answers: list[requests.Response] = []
        self.refused: list[Exception] = []


_this = _Call()


class _Requests:
    """What Apprise's services get in place of the module ``requests``: its calls are guarded, bounded and noted."""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the module has
        if name in _METHODS:
            return lambda *args, **options: self._call(name, *args, **options)
        if name in _NOT_HAD:
            raise AttributeError(f"requests.{name} is not to be had here")
        return getattr(requests, name)

    def _call(self, method: str, *args: Any, **options: Any) -> requests.Response:
        if method != "request":
            args = (method.upper(), *args)
        left_s = max(0.01, _this.until - clock.monotonic())
        kept = {name: options[name] for name in _PASSED_ON if name in options}
        kept |= {"allow_redirects": False, "timeout": left_s}
        try:
            with requests.Session() as session, http.bound(session, left_s, most_bytes=http.MAX_BODY):
                session.max_redirects = 1  # none is followed; at 0 the answer that names one would be an error
                answer = session.request(*args, **kept)
        except (OSError, ValueError) as error:  # a refused address is a ValueError
            _this.refused.append(error)
            # Apprise knows only what requests raises.
            raise requests.ConnectionError(str(error)) from None
        _this.answers.append(answer)
        return answer


_ours = _Requests()
# It logs URLs, headers and tokens, a URL that it cannot read even as an error; what failed is said by us.
logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)


class AppriseChannel:
    """Tells by the service that ``url`` names; the URL is the secret."""

    def __init__(self, schemes: Sequence[str]) -> None:
        self._schemes = frozenset(schemes) & APPRISE_SCHEMES

    def send(self, config: Config, message: Outgoing) -> Sent:
        """Tell one message. Raises SendError."""
        url = str(config["url"])
        if scheme_of(url) not in self._schemes:
            raise SendError("the platform does not allow this service", permanent=True)
        return _told(url, message)


def scheme_of(url: str) -> str:
    """Return which service a URL names. Raises SendError where it asks for what can read files, or is none."""
    if harmful_parameters(url):
        raise SendError("its URL asks for more than is allowed", permanent=True)
    return urlsplit(url).scheme.lower()


def _told(url: str, message: Outgoing) -> Sent:
    import apprise  # not at the top: it costs 30 MB, and most installations tell nobody by it

    kinds = {Severity.CRITICAL: apprise.NotifyType.FAILURE, Severity.WARNING: apprise.NotifyType.WARNING}
    asset = apprise.AppriseAsset(async_mode=False, storage_mode="memory", app_id="PodHealth", app_url=message.url)
    service = apprise.Apprise.instantiate(url, asset=asset, suppress_exceptions=True)
    if service is None:
        raise SendError("its URL names no service that Apprise knows", permanent=True)
    kind = apprise.NotifyType.SUCCESS if message.kind == MessageKind.END else kinds[message.severity]
    body = "\n".join([*message.lines, "", message.url, message.public_id])
    _guard(type(service))
    service.request_rate_per_sec = 0  # it would sleep between recipients, longer than the lease lasts
    _this.until, _this.answers, _this.refused = clock.monotonic() + TIMEOUT_S, [], []
    return _what_came(bool(service.notify(body=body, title=message.subject, notify_type=kind)), _this)


def _guard(service: type) -> None:
    """Put our ``requests`` into the modules of a service's class, for good: nobody else here uses Apprise."""
    for module in (sys.modules[one.__module__] for one in service.__mro__ if one.__module__.startswith("apprise.")):
        if getattr(module, "requests", None) is requests:
            vars(module)["requests"] = _ours


def _what_came(is_told: bool, ours: _Call) -> Sent:
    last = ours.answers[-1] if ours.answers else None
    if is_told:
        return Sent(str(last.status_code) if last is not None else "ok")
    if ours.refused:
        raise SendError(f"the service does not answer: {http.why(ours.refused[-1])}"[:200])
    if last is None:
        raise SendError("the service refused the message", permanent=True)
    headers: Mapping[str, str] = last.headers
    judge("the service", last.status_code, headers, clock.utcnow())
    raise SendError("the service refused the message", permanent=True, code=str(last.status_code))
