"""The heal log: what the healer did, to which pod, why, and whether it helped."""

from datetime import datetime, timedelta
from typing import NamedTuple
from urllib.parse import urlencode

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from podhealth.core.errors import InputError
from podhealth.core.words import Action
from podhealth.models.base import from_us, to_us
from podhealth.store import shadow
from podhealth.store.db import read
from podhealth.store.heallog import RESULTS, Wish, heal_rows, heal_sums
from podhealth.web.cursors import decode, encode
from podhealth.web.installed import engine_of
from podhealth.web.session import current_scope
from podhealth.web.shell import open_shell

pages = Blueprint("heals", __name__)

A_PAGE = 50
_MOST_SHADOWS = 100
RANGES = {"24h": ("24 h", timedelta(hours=24)), "7d": ("7 d", timedelta(days=7)), "30d": ("30 d", timedelta(days=30))}
_LONGEST_NAME = 63


class HealFilter(NamedTuple):
    """What the query string asks for; what it cannot ask for counts as not asked, and ``is_bent`` says so."""

    range: str
    result: str | None
    action: Action | None
    pod: str
    before: tuple[datetime, int] | None
    is_bent: bool
    has_shadow: bool = False

    @property
    def is_narrow(self) -> bool:
        """Whether it leaves heals of the range out."""
        return bool(self.result or self.action or self.pod)

    def path(self, **changed: str | None) -> str:
        """Return the address of the same list with some of it changed; null takes a wish back."""
        told = {"range": self.range, "result": self.result, "action": self.action and self.action.value}
        told |= {"pod": self.pod or None, "shadow": "1" if self.has_shadow else None} | changed
        return "/heals?" + urlencode({name: value for name, value in told.items() if value})


@pages.get("/heals", endpoint="list")
def show_list() -> ResponseReturnValue:
    """Show the tenant's heals that the query string asks for, newest first."""
    asked = _filter()
    tenant_id = current_scope().tenant_id
    with read(engine_of()) as conn:
        shell = open_shell(conn)
        since = shell.now - RANGES[asked.range][1]
        wish = Wish(since, asked.result, asked.action, asked.pod, asked.before)
        rows = heal_rows(conn, tenant_id, wish, A_PAGE + 1)
        sums = heal_sums(conn, tenant_id, since)
        shadows = shadow.log(conn, tenant_id, since, _MOST_SHADOWS, asked.pod) if asked.has_shadow else []
    last = rows[A_PAGE - 1] if len(rows) > A_PAGE else None
    older = None if last is None else asked.path(cursor=encode(to_us(last.at), last.heal_id))
    return render_template(
        "pages/heals/list.html",
        shell=shell,
        heals=rows[:A_PAGE],
        shadows=shadows,
        sums=sums,
        asked=asked,
        ranges=[(word, asked.path(range=name), name == asked.range) for name, (word, _) in RANGES.items()],
        results=list(RESULTS),
        actions=list(Action),
        older=older,
    )


def _filter() -> HealFilter:
    args = request.args
    range_, result, pod = args.get("range", ""), args.get("result", ""), args.get("pod", "").strip()[:_LONGEST_NAME]
    action = next((one for one in Action if one.value == args.get("action")), None)
    before, is_bent = None, False
    if "cursor" in args:
        try:
            at_us, heal_id = decode(args["cursor"], 2)
            before = (from_us(at_us), heal_id)
        except (InputError, OverflowError):  # no cursor of ours, or of a year that no calendar has
            is_bent = True
    is_bent = is_bent or bool(
        (range_ and range_ not in RANGES)
        or (result and result not in RESULTS)
        or (args.get("action") and action is None)
    )
    return HealFilter(
        range_ if range_ in RANGES else "24h",
        result if result in RESULTS else None,
        action,
        pod,
        before,
        is_bent,
        args.get("shadow") == "1",
    )
