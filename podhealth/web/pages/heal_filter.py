"""What the address of the heal log asks for; what it cannot ask for counts as not asked, and is said so."""

from datetime import datetime, timedelta
from typing import NamedTuple
from urllib.parse import urlencode

from flask import request

from podhealth.core.errors import InputError
from podhealth.core.words import Action
from podhealth.models.base import from_us
from podhealth.store.heallog import RESULTS, Wish
from podhealth.store.healsums import RANGES
from podhealth.web.cursors import decode

LONGEST_NAME = 63
_HOURS = {name: hours for hours, (name, _) in RANGES.items()}


class HealFilter(NamedTuple):
    """What the query string asks for; ``is_bent``: some of it could not be meant."""

    range: str
    result: str | None
    action: Action | None
    pod: str
    policy_id: int | None
    tag: str | None
    node: str | None
    before: tuple[datetime, int] | None
    is_bent: bool
    has_shadow: bool = False

    @property
    def hours(self) -> int:
        """How long the range is."""
        return _HOURS[self.range]

    @property
    def span(self) -> timedelta:
        """The same as a length of time."""
        return timedelta(hours=self.hours)

    @property
    def is_of_heals(self) -> bool:
        """Whether it asks for something that only heals have, so that holds are not among what it wants."""
        return bool(self.result or self.action or self.policy_id)

    @property
    def is_narrow(self) -> bool:
        """Whether it leaves heals of the range out."""
        return self.is_of_heals or bool(self.pod or self.tag or self.node)

    def wish(self, since: datetime) -> Wish:
        """Return the heals it asks for, of those since then."""
        return Wish(since, self.result, self.action, self.pod, self.before, self.policy_id, self.tag, self.node)

    def query(self, **changed: str | None) -> str:
        """Return its query string with some of it changed; null takes a wish back."""
        told = {"range": self.range, "result": self.result, "action": self.action and self.action.value}
        told |= {
            "policy": None if self.policy_id is None else str(self.policy_id),
            "pod": self.pod or None,
            "tag": self.tag,
        }
        told |= {"node": self.node, "shadow": "1" if self.has_shadow else None}
        return urlencode({name: value for name, value in (told | changed).items() if value})

    def path(self, **changed: str | None) -> str:
        """Return the address of the same list with some of it changed."""
        return "/heals?" + self.query(**changed)

    @property
    def clear_path(self) -> str:
        """The address of the same range with nothing left out."""
        return f"/heals?range={self.range}"


def asked_filter() -> HealFilter:
    """Return what the address of this request asks for."""
    args = request.args
    range_, result = args.get("range", ""), args.get("result", "")
    action = next((one for one in Action if one.value == args.get("action")), None)
    policy = args.get("policy", "")
    is_policy = policy.isascii() and policy.isdigit() and 0 < len(policy) <= 18
    before, bent_cursor = _cursor()
    is_bent = bool(
        bent_cursor
        or (range_ and range_ not in _HOURS)
        or (result and result not in RESULTS)
        or (args.get("action") and action is None)
        or (policy and not is_policy)
    )
    return HealFilter(
        range_ if range_ in _HOURS else "24h",
        result if result in RESULTS else None,
        action,
        _name("pod"),
        int(policy) if is_policy else None,
        _name("tag") or None,
        _name("node") or None,
        before,
        is_bent,
        args.get("shadow") == "1",
    )


def _name(of: str) -> str:
    return request.args.get(of, "").strip()[:LONGEST_NAME]


def _cursor() -> tuple[tuple[datetime, int] | None, bool]:
    if "cursor" not in request.args:
        return None, False
    try:
        at_us, heal_id = decode(request.args["cursor"], 2)
        return (from_us(at_us), heal_id), False
    except (InputError, OverflowError):  # no cursor of ours, or of a year that no calendar has
        return None, True
