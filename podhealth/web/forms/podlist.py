"""The query string of the overview, both ways: read into what the store is asked, written back for links.

What it does not know it leaves out and names, so that an old link still opens (never an error).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal, NamedTuple, TypeVar
from urllib.parse import quote, urlencode

from werkzeug.datastructures import MultiDict

from podhealth.core.words import Phase, Status
from podhealth.store.podlist import HealingIs, Sort, Wanted

PATH = "/pods"
MAX_WORDS = 6
MAX_QUERY = 200
_MAX_NAME = 63
_MAX_PAGE = 100_000
View = Literal["cards", "dense"]
_VIEWS: dict[str, View] = {"cards": "cards", "dense": "dense"}
E = TypeVar("E", bound=StrEnum)

WORDS: dict[str, Mapping[StrEnum, str]] = {
    "status": {
        Status.UNHEALTHY: "Unhealthy",
        Status.DEGRADED: "Degraded",
        Status.UNKNOWN: "Unknown",
        Status.HEALTHY: "Healthy",
    },
    "phase": {
        Phase.MONITORED: "Monitored",
        Phase.MAINTENANCE: "Maintenance",
        Phase.STARTING: "Starting",
        Phase.UNREACHABLE: "Unreachable",
        Phase.STOPPED: "Stopped",
    },
    "healing": {HealingIs.OPEN: "Healing", HealingIs.HELD: "Held", HealingIs.EXHAUSTED: "Exhausted"},
    "sort": {Sort.ATTENTION: "attention", Sort.NAME: "name", Sort.SINCE: "since", Sort.NODE: "node"},
}


class Applied(NamedTuple):
    """One filter that is set, in words, and the address without it."""

    text: str
    path: str


@dataclass(frozen=True, slots=True)
class ListForm:
    """The overview's form as it was asked for. ``view`` null: by the number of pods. ``ignored`` names what was not
    understood."""

    q: str
    wanted: Wanted
    view: View | None
    page: int
    ignored: tuple[str, ...]

    def path(self, **changes: object) -> str:
        """Return the address of this list with other values of ``wanted``; its first page unless ``page`` is given."""
        page = changes.pop("page", 1)
        q = changes.pop("q", self.q)
        wanted = replace(self.wanted, **changes)  # type: ignore[arg-type]
        sort = "" if wanted.sort is Sort.ATTENTION else wanted.sort.value
        pairs = [
            ("q", q),
            ("status", ",".join(wanted.statuses)),
            ("phase", ",".join(wanted.phases)),
            ("tag", wanted.tag),
            ("node", wanted.node),
            ("healing", ",".join(wanted.healings)),
            ("sort", sort),
            ("view", self.view),
            ("page", "" if page == 1 else str(page)),
        ]
        query = urlencode([(name, value) for name, value in pairs if value], quote_via=quote, safe=",")
        return f"{PATH}?{query}" if query else PATH

    @property
    def applied(self) -> list[Applied]:
        """The filters that are set, each with the address of the list without it."""
        wanted = self.wanted
        found = [Applied(f"“{self.q}”", self.path(q="", words=()))] if wanted.words else []
        for name, chosen, field in (
            ("status", wanted.statuses, "statuses"),
            ("phase", wanted.phases, "phases"),
            ("healing", wanted.healings, "healings"),
        ):
            found += [
                Applied(f"{name}: {one.value}", self.path(**{field: tuple(c for c in chosen if c is not one)}))
                for one in chosen
            ]
        if wanted.tag is not None:
            found.append(Applied(f"tag: {wanted.tag}", self.path(tag=None)))
        if wanted.node is not None:
            found.append(Applied(f"node: {wanted.node}", self.path(node=None)))
        return found


def read_list_form(args: MultiDict[str, str]) -> ListForm:
    """Return what the query string asks for."""
    ignored: list[str] = []
    q = " ".join(_plain(args.get("q", ""))[:MAX_QUERY].split())
    words = q.split()
    if len(words) > MAX_WORDS:
        ignored.append(" ".join(words[MAX_WORDS:]))
    wanted = Wanted(
        words=tuple(words[:MAX_WORDS]),
        statuses=_several(args, "status", Status, ignored),
        phases=_several(args, "phase", Phase, ignored),
        healings=_several(args, "healing", HealingIs, ignored),
        tag=_name(args, "tag"),
        node=_name(args, "node"),
        sort=next(iter(_several(args, "sort", Sort, ignored)), Sort.ATTENTION),
    )
    return ListForm(" ".join(words[:MAX_WORDS]), wanted, _view(args, ignored), _page(args, ignored), tuple(ignored))


def _plain(text: str) -> str:
    # PostgreSQL refuses NUL in any text; no name holds what cannot be printed.
    return "".join(c for c in text if c.isprintable())


def _several(args: MultiDict[str, str], name: str, enum: type[E], ignored: list[str]) -> tuple[E, ...]:
    asked = [part.strip() for value in args.getlist(name) for part in value.split(",")]
    known = {member.value: member for member in enum}
    ignored += [f"{name} {_shown(part)}" for part in _once(asked) if part and part not in known]
    # In the order of the enum: the same choice has one address.
    return tuple(member for member in enum if member.value in asked)


def _once(parts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(parts))[:5]


def _shown(text: str) -> str:
    return _plain(text)[:_MAX_NAME]


def _name(args: MultiDict[str, str], name: str) -> str | None:
    return _plain(args.get(name, "")).strip()[:_MAX_NAME] or None


def _view(args: MultiDict[str, str], ignored: list[str]) -> View | None:
    asked = args.get("view", "")
    if asked and asked not in _VIEWS:
        ignored.append(f"view {_shown(asked)}")
    return _VIEWS.get(asked)


def _page(args: MultiDict[str, str], ignored: list[str]) -> int:
    asked = args.get("page", "") or "1"
    if asked.isascii() and asked.isdigit() and len(asked) <= 6 and 1 <= int(asked) <= _MAX_PAGE:
        return int(asked)
    ignored.append(f"page {_shown(asked)}")
    return 1
