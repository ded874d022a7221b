"""The heal log: what the healer did and did not do, to which pod, why, and whether it helped; one heal in full; a CSV.

What the address asks for is read in web/pages/heal_filter.py.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from flask import Blueprint, Response, redirect, render_template, request
from flask.typing import ResponseReturnValue

from podhealth.core.errors import Conflict, NotFound
from podhealth.core.words import Action, ApprovalState
from podhealth.live.render import fragment
from podhealth.models.base import to_us
from podhealth.store import approvals, healholds, healpage, heals, policies, shadow
from podhealth.store.db import db_now, read
from podhealth.store.heallog import RESULTS, HealRow, heal_rows, wanted_of_shadow
from podhealth.store.healsums import RANGES, heal_stats
from podhealth.store.podlist import choices
from podhealth.web.cursors import encode
from podhealth.web.installed import engine_of
from podhealth.web.pages.heal_csv import csv_of
from podhealth.web.pages.heal_filter import HealFilter, asked_filter
from podhealth.web.pages.once import Answer, once
from podhealth.web.session import current_scope
from podhealth.web.shell import Shell, open_shell

pages = Blueprint("heals", __name__)

A_PAGE = 50
_MOST_SHADOWS = 100
_FEW = 5


@pages.get("/heals", endpoint="list")
def show_list() -> ResponseReturnValue:
    """Show the tenant's heals that the query string asks for, newest first, and what was held meanwhile."""
    asked, scope = asked_filter(), current_scope()
    with read(engine_of()) as conn:
        shell = open_shell(conn)
        rows, lines, older = _lines(conn, asked, shell)
        stats = heal_stats(conn, scope.tenant_id, asked.hours, shell.now)
        shadows = _shadows(conn, asked, shell) if asked.has_shadow else []
        waiting = [] if asked.before else approvals.listed(conn, scope, ApprovalState.WANTED, _FEW)
        known = choices(conn, scope.tenant_id)
        named = [(row.id, row.name) for row in policies.list_policies(conn, scope)]
    return render_template(
        "pages/heals/list.html",
        shell=shell,
        lines=lines,
        has_rows=bool(rows),
        shadows=shadows,
        stats=stats,
        asked=asked,
        ranges=[(word, asked.path(range=name), name == asked.range) for name, word in RANGES.values()],
        results=list(RESULTS),
        actions=list(Action),
        policies=named,
        known=known,
        waiting=waiting,
        what=approvals.what,
        older=older,
    )


def _lines(
    conn: sa.Connection, asked: HealFilter, shell: Shell
) -> tuple[list[HealRow], list[tuple[str, Any]], str | None]:
    """Return the page's heals, the same with the folded holds of the same time among them, and where older ones are."""
    tenant_id = current_scope().tenant_id
    wish = asked.wish(shell.now - asked.span)
    rows = heal_rows(conn, tenant_id, wish, A_PAGE + 1)
    last = rows[A_PAGE - 1] if len(rows) > A_PAGE else None
    older = None if last is None else asked.path(cursor=encode(to_us(last.at), last.heal_id))
    rows = rows[:A_PAGE]
    lines: list[tuple[datetime, int, str, Any]] = [(row.at, row.heal_id, "heal", row) for row in rows]
    if not asked.is_of_heals:
        since = wish.since if last is None else last.at
        until = None if asked.before is None else asked.before[0]
        lines += [(one.at, 0, "hold", one) for one in healholds.folded_holds(conn, tenant_id, wish, since, until)]
    lines.sort(key=lambda line: line[:2], reverse=True)
    return rows, [(kind, line) for _, _, kind, line in lines], older


def _shadows(conn: sa.Connection, asked: HealFilter, shell: Shell) -> Sequence[Any]:
    wish = asked.wish(shell.now - asked.span)
    return shadow.log(conn, current_scope().tenant_id, wish.since, _MOST_SHADOWS, wanted_of_shadow(conn, wish))


@pages.get("/heals.csv")
def export() -> ResponseReturnValue:
    """Answer all heals that the query string asks for as CSV, as they are read."""
    asked, engine, tenant_id = asked_filter(), engine_of(), current_scope().tenant_id
    with read(engine) as conn:
        since = db_now(conn) - asked.span
    answer = Response(csv_of(engine, tenant_id, asked.wish(since)), mimetype="text/csv")
    answer.headers["Content-Disposition"] = 'attachment; filename="heals.csv"'
    return answer


@pages.get("/heals/<id:heal_id>")
def show(heal_id: int) -> ResponseReturnValue:
    """Show one heal in full: as a page, and to the log that opens it in place as its fragment."""
    return _page(heal_id)


@pages.post("/heals/<id:heal_id>/cancel")
def cancel(heal_id: int) -> ResponseReturnValue:
    """Cancel a heal that is planned and not begun."""

    def do(conn: sa.Connection) -> Answer:
        heals.cancel_planned(conn, current_scope(), heal_id)
        return {"healId": heal_id}

    try:
        once(do)
    except Conflict as begun:
        return _page(heal_id, str(begun), 409)
    return redirect(f"/heals/{heal_id}", 303)


def _page(heal_id: int, refused: str | None = None, status: int = 200) -> ResponseReturnValue:
    with read(engine_of()) as conn:
        shell = open_shell(conn)
        found = healpage.heal_details(conn, current_scope().tenant_id, [heal_id], shell.now)
    if heal_id not in found:
        raise NotFound("there is no such heal")
    if "HX-Request" in request.headers:
        return fragment("heal_detail", found[heal_id])
    return render_template("pages/heals/show.html", shell=shell, heal=found[heal_id], refused=refused), status
