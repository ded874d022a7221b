"""What every kind of channel gets and answers. A channel sends one message once; retries are its caller's business."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple, Protocol
from urllib.parse import urlsplit

from podhealth.core.errors import PodHealthError
from podhealth.core.words import MessageKind, Severity

TIMEOUT_S = 10.0
# Says that now is not the time; everything else below 500 says no, a redirect too.
_TRANSIENT = frozenset({408, 425, 429})

_MAILBOX = re.compile(r"<?[^\s<>()\"]+@[^\s<>()\":;,]+>?")

Config = Mapping[str, Any]


class Outgoing(NamedTuple):
    """One message as a channel sends it: plain text, to be escaped by whoever needs it.

    ``at`` is when it got its words: trying again sends the same. ``details`` are for receivers that are programs.
    """

    public_id: str
    kind: MessageKind
    severity: Severity
    subject: str
    lines: tuple[str, ...]
    url: str
    at: datetime
    tenant: str
    details: Mapping[str, Any]


class Sent(NamedTuple):
    """That it was taken, and what the other side said: ``200``, ``250``."""

    code: str


class SendError(PodHealthError):
    """It was not taken, or nobody knows. ``permanent``: trying again cannot help; ``code`` is the other side's."""

    def __init__(
        self, message: str, *, permanent: bool = False, retry_after: timedelta | None = None, code: str | None = None
    ) -> None:
        super().__init__(message)
        self.permanent = permanent
        self.retry_after = retry_after
        self.code = code


class Channel(Protocol):
    """A way to tell people; ``config`` has its secrets open."""

    def send(self, config: Config, message: Outgoing) -> Sent:
        """Tell one message, within TIMEOUT_S. Raises SendError."""


def judge(what: str, code: int, headers: Mapping[str, str], now: datetime) -> Sent:
    """Return that an HTTP answer took the message. Raises SendError where it did not."""
    if 200 <= code < 300:
        return Sent(str(code))
    is_permanent = code < 500 and code not in _TRANSIENT
    wait = retry_after(headers.get("Retry-After"), now) if code in (429, 503) else None
    raise SendError(f"{what} answered {code}", permanent=is_permanent, retry_after=wait, code=str(code))


def retry_after(text: str | None, now: datetime) -> timedelta | None:
    """Return the wait that a Retry-After header asks for, in seconds or as a date; null where it says neither."""
    if text is None:
        return None
    text = text.strip()
    if text.isascii() and text.isdigit():
        return timedelta(seconds=min(int(text[:9]), 86_400))
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(moment - now, timedelta(0))


def without_addresses(error: str, config: Config) -> str:
    """Return what is said of a failed try without where the channel leads to: viewers read it, too."""
    host = _host(config.get("url"))
    if host is not None:
        error = re.sub(re.escape(host), "its address", error, flags=re.IGNORECASE)
    return _MAILBOX.sub("a recipient", error) if "to" in config else error


def _host(url: object) -> str | None:
    try:
        return (urlsplit(url).hostname if isinstance(url, str) else None) or None
    except ValueError:
        return None
