"""The query string of the overview, both ways: read into what the store is asked, written back for links.

What it does not know it leaves out and names, so that an old link still opens (never an error).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Literal, NamedTuple, TypeVar
from urllib.parse import quote, urlencode

from werkzeug.datastructures import MultiDict

from podhealth.core.words import Kind, Phase, Status
from podhealth.store.podfilters import NO_POLICY, Acked, Dir, GroupBy, HealingIs, Sort, Wanted

PATH = "/pods"
MAX_WORDS = 6
MAX_QUERY = 200
_MAX_NAME = 63
_MAX_NAMES = 20
_MAX_PAGE = 100_000
_MAX_DIGITS = 18
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
    "check": {kind: kind.value for kind in Kind},
    "healing": {
        HealingIs.APPROVAL: "Waits for an answer",
        HealingIs.EXHAUSTED: "Exhausted",
        HealingIs.HELD: "Held",
        HealingIs.OPEN: "Healing",
    },
    "acked": {Acked.NO: "Nobody has it", Acked.YES: "Somebody has it"},
    "sort": {
        Sort.ATTENTION: "attention",
        Sort.NAME: "name",
        Sort.SINCE: "since",
        Sort.NODE: "node",
        Sort.UPTIME: "uptime",
    },
    "group": {GroupBy.NONE: "none", GroupBy.NODE: "node", GroupBy.TAG: "tag"},
}
# Fields of Wanted by the names under which the address has them, in its order.
_FIELDS = {
    "status": "statuses",
    "phase": "phases",
    "tag": "tags",
    "node": "nodes",
    "check": "checks",
    "healing": "healings",
    "policy": "policies",
    "acked": "acked",
}
_ENUMS: dict[str, type[StrEnum]] = {
    "status": Status,
    "phase": Phase,
    "check": Kind,
    "healing": HealingIs,
    "acked": Acked,
}


class Applied(NamedTuple):
    """One filter that is set, in words, and the address without it."""

    text: str
    path: str


@dataclass(frozen=True, slots=True)
class ListForm:
    """The overview's form as it was asked for. ``view`` null: by the number of pods.

    ``ignored`` names what was not understood. ``names``: of policies, by their ids.
    """

    q: str
    wanted: Wanted
    view: View | None
    page: int
    ignored: tuple[str, ...]
    names: Mapping[str, str] = field(default_factory=dict)

    def query(self, **changes: object) -> str:
        """Return the query string of this list with other values of ``wanted``, ``view``, ``page`` or ``q``.

        It is of the first page unless ``page`` is given.
        """
        page, q, view = (changes.pop(name, kept) for name, kept in (("page", 1), ("q", self.q), ("view", self.view)))
        wanted = replace(self.wanted, **changes)  # type: ignore[arg-type]
        pairs: list[tuple[str, Any]] = [("q", q)]
        for name, of in _FIELDS.items():
            chosen = getattr(wanted, of)
            # A name may hold a comma: each stands alone.
            pairs += [(name, ",".join(chosen))] if name in _ENUMS else [(name, one) for one in chosen]
        pairs += [("group", "" if wanted.group is GroupBy.NONE else wanted.group.value)]
        pairs += [("sort", "" if wanted.sort is Sort.ATTENTION else wanted.sort.value)]
        pairs += [("dir", wanted.dir), ("view", view), ("page", "" if page == 1 else str(page))]
        return urlencode([(name, value) for name, value in pairs if value], quote_via=quote, safe=",")

    def path(self, **changes: object) -> str:
        """Return the address of what ``query`` returns the query string of."""
        query = self.query(**changes)
        return f"{PATH}?{query}" if query else PATH

    def cleared(self) -> str:
        """Return the address of the same order, groups and view of all pods."""
        return self.path(q="", words=(), **dict.fromkeys(_FIELDS.values(), ()))

    def turned(self, sort: Sort | str) -> str:
        """Return the address of the list in this order, or the other way round where it is in this order already."""
        sort = Sort(sort)
        if self.wanted.sort is not sort:
            return self.path(sort=sort, dir=None)
        usual = Dir.DESC if sort is Sort.SINCE else Dir.ASC
        other = Dir.ASC if usual is Dir.DESC else Dir.DESC
        return self.path(dir=None if self.wanted.dir is other else other)

    @property
    def applied(self) -> list[Applied]:
        """The filters that are set, each with the address of the list without it."""
        wanted = self.wanted
        found = [Applied(f"“{self.q}”", self.path(q="", words=()))] if wanted.words else []
        for name, of in _FIELDS.items():
            chosen = getattr(wanted, of)
            found += [
                Applied(f"{name}: {self._called(name, one)}", self.path(**{of: tuple(c for c in chosen if c != one)}))
                for one in chosen
            ]
        return found

    def _called(self, name: str, value: str) -> str:
        return self.names.get(value, value) if name == "policy" else value


def read_list_form(args: MultiDict[str, str]) -> ListForm:
    """Return what the query string asks for."""
    ignored: list[str] = []
    q = " ".join(_plain(args.get("q", ""))[:MAX_QUERY].split())
    words = q.split()
    if len(words) > MAX_WORDS:
        ignored.append(" ".join(words[MAX_WORDS:]))
    chosen: dict[str, Any] = {
        of: _several(args, name, _ENUMS[name], ignored) if name in _ENUMS else _names(args, name, ignored)
        for name, of in _FIELDS.items()
        if name != "policy"
    }
    chosen["policies"] = _policies(args, ignored)
    wanted = Wanted(
        words=tuple(words[:MAX_WORDS]),
        **chosen,
        sort=next(iter(_several(args, "sort", Sort, ignored)), Sort.ATTENTION),
        dir=next(iter(_several(args, "dir", Dir, ignored)), None),
        group=next(iter(_several(args, "group", GroupBy, ignored)), GroupBy.NONE),
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


def _names(args: MultiDict[str, str], name: str, ignored: list[str]) -> tuple[str, ...]:
    asked = dict.fromkeys(_plain(value).strip()[:_MAX_NAME] for value in args.getlist(name))
    named = sorted(one for one in asked if one)
    if len(named) > _MAX_NAMES:
        ignored.append(f"{name} {named[_MAX_NAMES]} and more")
    return tuple(named[:_MAX_NAMES])


def _policies(args: MultiDict[str, str], ignored: list[str]) -> tuple[str, ...]:
    asked = list(dict.fromkeys(part.strip() for value in args.getlist("policy") for part in value.split(",")))
    asked, more = asked[:_MAX_NAMES], asked[_MAX_NAMES:]
    known = [one for one in asked if one == NO_POLICY or (one.isascii() and one.isdigit() and len(one) <= _MAX_DIGITS)]
    ignored += [f"policy {_shown(one)}" for one in (*asked, *more[:1]) if one and one not in known]
    return tuple(sorted({one.lstrip("0") or "0" for one in known}, key=lambda one: (len(one), one)))


def _once(parts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(parts))[:5]


def _shown(text: str) -> str:
    return _plain(text)[:_MAX_NAME]


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
