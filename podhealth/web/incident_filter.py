"""What the address of the list of incidents asks for, and the addresses of the same list with some of it changed."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple
from urllib.parse import urlencode

from podhealth.core.errors import InputError
from podhealth.core.words import Severity
from podhealth.store.incidentlog import STATES, Place, Wish
from podhealth.web.incident_cursor import place_of

_LONGEST_TEXT = 63
STATE_WORDS = {
    None: "all",
    "open": "open",
    "unacknowledged": "not acknowledged",
    "acknowledged": "acknowledged",
    "closed": "closed",
}
SPANS = {"24h": "last 24 h", "7d": "last 7 d", "30d": "last 30 d", "90d": "last 90 d"}
_LENGTHS = {"24h": timedelta(days=1), "7d": timedelta(days=7), "30d": timedelta(days=30), "90d": timedelta(days=90)}


class IncidentFilter(NamedTuple):
    """What the query string asks for; what it cannot ask for counts as not asked, and ``is_bent`` says so."""

    state: str | None
    severity: Severity | None
    text: str
    after: Place | None
    tag: str | None
    span: str | None
    is_bent: bool

    @property
    def is_narrow(self) -> bool:
        """Whether it leaves incidents of the state out."""
        return bool(self.severity or self.text or self.tag or self.span)

    def wish(self, now: datetime) -> Wish:
        """Return the same as the store takes it."""
        since = None if self.span is None else now - _LENGTHS[self.span]
        return Wish(self.state, self.severity, self.text, self.after, self.tag, since)

    def path(self, **changed: str | None) -> str:
        """Return the address of the same list with some of it changed; null takes a wish back."""
        told: dict[str, str | None] = {"state": self.state, "severity": self.severity and self.severity.value}
        told |= {"tag": self.tag, "range": self.span, "q": self.text or None} | changed
        query = urlencode({name: value for name, value in told.items() if value})
        return "/incidents" + (f"?{query}" if query else "")


def read_filter(args: Mapping[str, str]) -> IncidentFilter:
    """Return what the query string asks for."""
    state, span = args.get("state") or None, args.get("range") or None
    severity = next((one for one in Severity if one.value == args.get("severity")), None)
    after, is_bent = _place(args.get("cursor"))
    is_bent = is_bent or bool(args.get("severity") and severity is None)
    is_bent = is_bent or (state or "open") not in STATES or (span or "24h") not in SPANS
    return IncidentFilter(
        state if state in STATES else None,
        severity,
        args.get("q", "").strip()[:_LONGEST_TEXT],
        after,
        args.get("tag", "").strip()[:_LONGEST_TEXT] or None,
        span if span in SPANS else None,
        is_bent,
    )


def _place(cursor: str | None) -> tuple[Place | None, bool]:
    if cursor is None:
        return None, False
    try:
        return place_of(cursor), False
    except InputError:
        return None, True
