"""How findings are worded: outcome, class, code and text are put together here and nowhere else.

Codes are short and stable, for rules and tests; texts are for people. Knows no sockets.
"""

import errno
import re
from functools import lru_cache
from hashlib import sha256

from podhealth.core.errors import ProbeFault
from podhealth.core.probe import Finding
from podhealth.core.words import FailClass, Outcome

MAX_ERROR = 200
MAX_EXCERPT = 500
_SHORT = 1_024

STALLED = Finding(
    Outcome.ERROR, code="prober_stalled", error="the prober was held up when the answer was due; nothing is known"
)
STOPPED = Finding(Outcome.ERROR, code="prober_stopped", error="the prober was stopped before the answer came")

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]+")
_SECRETS = re.compile(
    r"(?i)(?P<label>\b[\w.-]{0,40}(?:passw(?:or)?d|passwd|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key"
    r"|authorization|credentials?|cookie|session(?:[_-]?id)?)[\w-]{0,40}[\"']?\s{0,3}[:=]\s{0,3}[\"']?)"
    r"(?P<value>(?:(?:bearer|basic)\s)?[^\s\"'&,;<>]{1,2000})"
    r"|(?P<scheme>\b(?:bearer|basic)\s)[A-Za-z0-9._~+/=-]{8,2000}"
    r"|(?P<user>://[^\s/@:]{1,100}:)[^\s/@]{1,200}(?=@)"
    r"|\beyJ[A-Za-z0-9_-]{8,2000}(?:\.[A-Za-z0-9_-]{0,2000}){1,2}"
    r"|\b(?:AKIA|ASIA|ghp_|gho_|github_pat_|glpat-|xox[a-z]-|sk-|phk_)[A-Za-z0-9_-]{8,2000}"
    r"|-----BEGIN[^-]{0,60}PRIVATE KEY-----[^-]{0,2000}(?:-----END[^-]{0,60}-----)?"
    r"|\b[A-Fa-f0-9]{32,2000}\b|\b[A-Za-z0-9+/_-]{40,2000}={0,2}"
)


def clean(text: str, length: int = MAX_ERROR) -> str:
    """Return one line that may be shown: control and direction characters become spaces, the rest is cut."""
    return _CONTROL.sub(" ", text)[:length].strip()


def excerpt(body: bytes) -> str:
    """Return the beginning of an answer for people, without control characters and what looks like a secret."""
    # Redacted before it is cut: half a token at the edge must not slip through.
    text = body[: 4 * MAX_EXCERPT].decode("utf-8", "replace")
    return clean(_SECRETS.sub(_redact, _CONTROL.sub(" ", text)), MAX_EXCERPT)


def _redact(match: re.Match[str]) -> str:
    return (match["label"] or match["scheme"] or match["user"] or "") + "[removed]"


def body_hash(body: bytes) -> str:
    """Return the first 16 hex digits of the SHA-256 of what was read: enough to see that an answer changed."""
    return _short_hash(body) if len(body) <= _SHORT else sha256(body).hexdigest()[:16]


@lru_cache(maxsize=2_000)
def _short_hash(body: bytes) -> str:
    # Health pages are short and say the same each time.
    return sha256(body).hexdigest()[:16]


def down(code: str, error: str) -> Finding:
    """Return a failure of class down: refused, reset, no answer, 5xx."""
    return Finding(Outcome.FAIL, FailClass.DOWN, code, None, clean(error))


def content(code: str, error: str) -> Finding:
    """Return a failure of class content: it answered, but not what was wanted."""
    return Finding(Outcome.FAIL, FailClass.CONTENT, code, None, clean(error))


def tls(code: str, error: str) -> Finding:
    """Return a failure of class tls: handshake, name, trust, expiry."""
    return Finding(Outcome.FAIL, FailClass.TLS, code, None, clean(error))


def fault(code: str, error: str) -> Finding:
    """Return the outcome error: our own side could not find out."""
    return Finding(Outcome.ERROR, None, code, None, clean(error))


def invalid(code: str, error: str) -> Finding:
    """Return the outcome invalid: the stored check cannot be probed as it stands."""
    return Finding(Outcome.INVALID, None, code, None, clean(error))


def good(latency_ms: float, limit_ms: float | None) -> Finding:
    """Return ok, or slow where the check has a latency limit and the answer took longer."""
    if limit_ms is not None and latency_ms > limit_ms:
        return Finding(Outcome.SLOW, None, "slow", latency_ms, f"took {latency_ms:,.0f} ms, wanted {limit_ms:,.0f} ms")
    return Finding(Outcome.OK, None, None, latency_ms, None)


def timeout(timeout_s: float, doing: str = "no answer") -> Finding:
    """Return the failure of a target that let the deadline pass."""
    return down("timeout", f"{doing} within {timeout_s:g} s")


# What the operating system says about a connection: the far side's doing, or ours.
_THEIRS = {
    errno.ECONNREFUSED: ("refused", "refused"),
    errno.ECONNRESET: ("reset", "connection reset"),
    errno.EPIPE: ("reset", "connection reset"),
    errno.ECONNABORTED: ("reset", "connection reset"),
    errno.ETIMEDOUT: ("timeout", "no answer"),
    errno.EHOSTUNREACH: ("unreachable", "host unreachable"),
    errno.EHOSTDOWN: ("unreachable", "host unreachable"),
}
_OURS = {
    errno.EMFILE: ("no_sockets", "the prober has no free file descriptors"),
    errno.ENFILE: ("no_sockets", "the prober's machine has no free file descriptors"),
    errno.ENOBUFS: ("no_sockets", "the prober's machine has no memory for sockets"),
    errno.ENOMEM: ("no_sockets", "the prober's machine has no memory for sockets"),
    errno.EADDRNOTAVAIL: ("no_sockets", "the prober has no free local port or address"),
    errno.ENETUNREACH: ("no_route", "the prober has no route to the network"),
    errno.ENETDOWN: ("no_route", "the prober's network is down"),
    errno.EAFNOSUPPORT: ("no_route", "the prober has no such address family"),
    errno.EACCES: ("no_permission", "the prober's machine forbids this connection"),
    errno.EPERM: ("no_permission", "the prober's machine forbids this connection"),
}


def by_errno(number: int) -> Finding:
    """Return what an error of the operating system means: down where it is the pod's, error where it is ours."""
    if number in _THEIRS:
        return down(*_THEIRS[number])
    if number in _OURS:
        return fault(*_OURS[number])
    return fault("prober", f"the prober met an unexpected error: {errno.errorcode.get(number, number)}")


def by_exception(error: Exception) -> Finding | None:
    """Return the finding of what kept a probe from starting, or None for an exception nobody foresaw."""
    if isinstance(error, ProbeFault):
        return fault(error.code, str(error))
    if isinstance(error, OSError) and error.errno is not None:
        return by_errno(error.errno)
    return None
