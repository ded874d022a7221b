"""The audit trail: who did what, to what, from where; what differed; and whether the chain is whole."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from typing import NamedTuple
from urllib.parse import urlencode

from flask import Blueprint, Response, render_template, request
from flask.typing import ResponseReturnValue

from podhealth.core.differing import Change, changes
from podhealth.core.errors import InputError
from podhealth.core.words import Role
from podhealth.live.render import iso
from podhealth.store import audit, auditlog
from podhealth.store.auditlog import Entry, Wish
from podhealth.store.db import read
from podhealth.store.kept import kept
from podhealth.store.tenancy import NO_TENANT
from podhealth.store.zones import zone_of
from podhealth.web.access import allows
from podhealth.web.cursors import decode, encode
from podhealth.web.installed import engine_of
from podhealth.web.session import current_scope
from podhealth.web.sheets import csv_response
from podhealth.web.shell import open_shell

pages = Blueprint("audit", __name__)

A_PAGE = 50
_LONGEST = 63
_VERIFIED_AT_ONCE = 2_000  # chains up to this long are verified with each look; longer ones when somebody asks
_PATHS = {
    "pod": "/pods/",
    "policy": "/policies/",
    "window": "/maintenance/",
    "channel": "/channels/",
    "incident": "/incidents/",
}
TYPES = (
    *("pod", "check", "policy", "window", "channel", "incident", "heal", "approval", "breaker", "kill_switch"),
    *("user", "token", "tenant", "vantage"),
)
_COLUMNS = ("number", "at", "kind", "who", "address", "what", "object", "id", "before", "after", "hash")


class Filter(NamedTuple):
    """What the query string asks for; what it cannot ask for counts as not asked, and ``is_bent`` says so."""

    who: str
    what: str
    object: str
    id: str
    since: str
    until: str
    wish: Wish
    is_bent: bool

    @property
    def is_narrow(self) -> bool:
        """Whether it leaves entries out."""
        return any((self.who, self.what, self.object, self.id, self.since, self.until))

    def path(self, where: str = "/audit", **changed: str | None) -> str:
        """Return the address of the same entries with some of it changed; null takes a wish back."""
        told: dict[str, str | None] = {"who": self.who, "what": self.what, "object": self.object, "id": self.id}
        told |= {"from": self.since, "to": self.until} | changed
        query = urlencode({name: value for name, value in told.items() if value})
        return where + (f"?{query}" if query else "")


class Line(NamedTuple):
    """One entry as it is shown: ``path`` null where its object has no page."""

    entry: Entry
    name: str
    path: str | None
    changes: tuple[Change, ...]


@pages.get("/audit", endpoint="list")
def show_list() -> ResponseReturnValue:
    """Show the entries that the query string asks for, newest first."""
    return _page()


@pages.post("/audit/verify")
def verify() -> ResponseReturnValue:
    """Verify the whole chain, however long it is."""
    return _page(is_to_verify=True)


@pages.get("/audit/export")
def export() -> ResponseReturnValue:
    """Send all entries that the query string asks for, as CSV or as JSON lines."""
    with read(engine_of()) as conn:
        asked = _filter(_zone(conn))
    sees = _sees_addresses()
    found = (_shown(entry, sees) for entry in auditlog.all_entries(engine_of(), _chain(), asked.wish))
    if request.args.get("format") != "jsonl":
        return csv_response("audit", _COLUMNS, (_cells(entry) for entry in found))
    response = Response(_json_lines(found), content_type="application/jsonl")
    response.headers["Content-Disposition"] = 'attachment; filename="audit.jsonl"'
    return response


def _page(is_to_verify: bool = False) -> ResponseReturnValue:
    with read(engine_of()) as conn:
        shell = open_shell(conn)
        asked = _filter(_zone(conn))
        found = auditlog.entries(conn, _chain(), asked.wish, A_PAGE + 1)
        head = auditlog.head(conn, _chain())
        is_verified = is_to_verify or head.entries <= _VERIFIED_AT_ONCE
        broken_at = audit.verify(conn, _chain()) if is_verified else None
        words = auditlog.recent_words(conn, _chain())
    return render_template(
        "pages/audit/list.html",
        shell=shell,
        lines=[_line(_shown(entry, _sees_addresses())) for entry in found[:A_PAGE]],
        asked=asked,
        head=head,
        is_verified=is_verified,
        broken_at=broken_at,
        words=words,
        types=TYPES,
        older=asked.path(cursor=encode(found[A_PAGE - 1].seq)) if len(found) > A_PAGE else None,
        exports=[(name, asked.path("/audit/export", format=name.lower())) for name in ("CSV", "JSONL")],
        is_of_installation=_chain() == audit.INSTALLATION,
        kept_days=kept().audit.days,
    )


def _chain() -> int:
    # A platform admin who looks into no tenant reads the installation's own chain.
    tenant_id = current_scope().tenant_id
    return audit.INSTALLATION if tenant_id == NO_TENANT else tenant_id


def _zone(conn: object) -> tzinfo:
    return UTC if _chain() == audit.INSTALLATION else zone_of(conn, current_scope())  # type: ignore[arg-type]


def _sees_addresses() -> bool:
    # From where somebody works is the admins' business (dashboard: operators read without addresses).
    return allows(current_scope().role, Role.ADMIN)


def _shown(entry: Entry, sees_addresses: bool) -> Entry:
    return entry if sees_addresses else entry._replace(address=None)


def _line(entry: Entry) -> Line:
    name = (entry.after or entry.before or {}).get("name")
    prefix = _PATHS.get(entry.object_type)
    path = f"{prefix}{entry.object_id}" if prefix and entry.object_id.isdecimal() else None
    return Line(entry, str(name) if name else entry.object_id, path, changes(entry.before, entry.after))


def _cells(entry: Entry) -> tuple[object, ...]:
    told = (json.dumps(one, sort_keys=True) if one is not None else "" for one in (entry.before, entry.after))
    head = (entry.seq, iso(entry.at), str(entry.actor), entry.actor_name, entry.address, entry.what)
    return (*head, entry.object_type, entry.object_id, *told, entry.hash)


def _json_lines(found: Iterator[Entry]) -> Iterator[str]:
    for entry in found:
        yield json.dumps(entry._asdict() | {"at": iso(entry.at), "actor": str(entry.actor)}, sort_keys=True) + "\n"


def _filter(zone: tzinfo) -> Filter:
    args = request.args
    who, what, object_id = (args.get(name, "").strip()[:_LONGEST] for name in ("who", "what", "id"))
    kind = args.get("object", "")
    bent = [bool(kind and kind not in TYPES)]
    kind = kind if kind in TYPES else ""
    since, is_odd = _day(args.get("from", ""), zone)
    bent.append(is_odd)
    until, is_odd = _day(args.get("to", ""), zone)
    bent.append(is_odd)
    before = None
    if "cursor" in args:
        try:
            (before,) = decode(args["cursor"], 1)
        except InputError:
            bent.append(True)
    # "to" names a whole day: all of it belongs to what is asked for.
    end = until + timedelta(days=1) if until else None
    wish = Wish(who, what, kind, object_id, since, end, before)
    days = (args.get("from", "") if since else "", args.get("to", "") if until else "")
    return Filter(who, what, kind, object_id, *days, wish, any(bent))


def _day(text: str, zone: tzinfo) -> tuple[datetime | None, bool]:
    """Return the begin of a day in that zone, null where the text names none; and whether it was odd."""
    try:
        day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=zone).astimezone(UTC) if text else None
    except (ValueError, OverflowError):
        return None, True
    is_near = day is None or 1990 < day.year < 2200
    return (day, False) if is_near else (None, True)
