"""Judges an http answer: code, body, certificate, latency, in that order; the first thing wrong is the finding.

Works on what was read (at most 64 KiB, never decoded); knows no sockets.
"""

import json
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from podhealth.clock import utcnow
from podhealth.core.certificate import days_left
from podhealth.core.probe import Finding, Target
from podhealth.core.words import Outcome
from podhealth.probing import findings
from podhealth.probing.request import Request

MAX_BODY = 65_536


def judge(request: Request, target: Target, code: int, body: bytes, latency_ms: float) -> Finding:
    """Return the finding of a whole answer, with size and hash of its body."""
    shown = findings.excerpt(body) if target.keep_excerpt else None
    found = wrong_code(request, code) or wrong_body(request, body)
    if found is None and target.latency_limit_ms is None:  # what nearly all are
        return Finding(Outcome.OK, None, None, latency_ms, None, len(body), findings.body_hash(body), shown, code)
    found = found or findings.good(latency_ms, target.latency_limit_ms)
    return found._replace(size=len(body), body_hash=findings.body_hash(body), excerpt=shown, answered=code)


def wrong_code(request: Request, code: int) -> Finding | None:
    """Return the failure of an unwanted code: 5xx is down, any other is content."""
    for low, high in request.codes:
        if low <= code <= high:
            return None
    make = findings.down if code >= 500 else findings.content
    return make(f"http_{code}", f"answered {code}, wanted {request.wanted}")


def wrong_body(request: Request, body: bytes) -> Finding | None:
    """Return the failure of a body that lacks what the check asks for."""
    if request.contains is not None and request.contains not in body:
        return findings.content("body", "the wanted text is not in the answer" + _cut(body))
    if request.regex is not None and request.regex.search(body) is None:
        return findings.content("body", "the regular expression does not match the answer" + _cut(body))
    return _wrong_json(request, body) if request.has_json else None


def _cut(body: bytes) -> str:
    return " (only its first 64 KiB were read)" if len(body) >= MAX_BODY else ""


def _wrong_json(request: Request, body: bytes) -> Finding | None:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return findings.content("body", "the answer is not JSON" + _cut(body))
    if not isinstance(request.json, dict):
        return None if same(found, request.json) else findings.content("body", "the JSON answer is another value")
    for path, wanted in request.json.items():
        is_there, value = look_up(found, path)
        if not is_there:
            return findings.content("body", f"the JSON answer has no {path}")
        if not same(value, wanted):
            return findings.content("body", f"{path} is {_shown(value)}, wanted {_shown(wanted)}")
    return None


def look_up(value: Any, path: str) -> tuple[bool, Any]:  # noqa: ANN401 - any JSON
    """Return whether a JSON value has something at a path such as ``checks.0.state``, and what.

    A key that is the whole path wins over the steps.
    """
    if isinstance(value, dict) and path in value:
        return True, value[path]
    for step in path.split("."):
        if isinstance(value, dict) and step in value:
            value = value[step]
        elif isinstance(value, list) and step.isdecimal() and len(step) < 7 and int(step) < len(value):
            value = value[int(step)]
        else:
            return False, None
    return True, value


def same(found: Any, wanted: Any) -> bool:  # noqa: ANN401 - any JSON
    """Whether two JSON values are equal; true is not 1, while 1 and 1.0 are one number."""
    if isinstance(found, bool) or isinstance(wanted, bool):
        return found is wanted
    if isinstance(found, dict) and isinstance(wanted, dict):
        return found.keys() == wanted.keys() and all(same(found[key], wanted[key]) for key in wanted)
    if isinstance(found, list) and isinstance(wanted, list):
        return len(found) == len(wanted) and all(map(same, found, wanted))
    return bool(found == wanted)


def _shown(value: Any) -> str:  # noqa: ANN401 - any JSON
    return findings.clean(json.dumps(value, ensure_ascii=False)[:80], 60)


def judge_certificate(request: Request, found: Finding, expires: str | None) -> Finding:
    """Return the finding with the certificate's end, and slow-like if that is in fewer days than the check wants.

    ``expires`` is as libcurl tells it; None where it told nothing.
    """
    end = _moment(expires or "")
    limit = request.certificate_days if found.outcome in (Outcome.OK, Outcome.SLOW) else None
    if end is None:
        return found if limit is None else findings.fault("prober", "the certificate's end could not be read")
    found = found._replace(certificate_ends_at=end)
    days = days_left(end, utcnow())
    if limit is None or days >= limit:
        return found
    error = f"certificate ends in {days} days, wanted {limit}"
    return found._replace(outcome=Outcome.SLOW, code="cert_days", error=error)


@lru_cache(maxsize=4_096)
def _moment(text: str) -> datetime | None:
    try:
        return datetime.strptime(text.removesuffix(" GMT"), "%b %d %H:%M:%S %Y").replace(tzinfo=UTC)
    except ValueError:
        return None
