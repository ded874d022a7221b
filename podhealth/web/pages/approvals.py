"""Answers to what policies of mode approve ask: the list, one question, and the same by a signed link without sign-in.

Looking changes nothing, so a mail scanner that opens a link approves nothing. What an answer leads to is judged anew.
"""

from hashlib import sha256
from typing import Any

from flask import Blueprint, current_app, redirect, render_template, request
from flask.typing import ResponseReturnValue

from podhealth.core.errors import Conflict, InputError, NotFound
from podhealth.core.words import ApprovalState
from podhealth.store import approval_links, approvals, approvalview
from podhealth.store.approval_links import Link
from podhealth.store.db import db_now, read, write
from podhealth.web.errors import answer
from podhealth.web.installed import engine_of
from podhealth.web.session import current_scope
from podhealth.web.shell import open_shell
from podhealth.web.telling import tell_browsers
from podhealth.web.tries import PAUSE_MINUTES, FailedTries

pages = Blueprint("approvals", __name__)

_MOST = 200
_FEW = 50


@pages.get("/approvals", endpoint="list")
def show_list() -> ResponseReturnValue:
    """Show what waits for an answer, and the newest answers."""
    with read(engine_of()) as conn:
        shell = open_shell(conn)
        wanted = approvals.listed(conn, current_scope(), ApprovalState.WANTED, _MOST)
        ids = {row.id for row in wanted}
        over = [row for row in approvals.listed(conn, current_scope(), None, _FEW) if row.id not in ids]
        waiting = approvalview.waiting(conn, current_scope().tenant_id, shell.now)
    shown = {
        "wanted": [approvalview.row_of(row, shell.now) for row in wanted],
        "over": [approvalview.row_of(row, shell.now) for row in over],
    }
    return render_template("pages/approvals/list.html", shell=shell, waiting=waiting, **shown)


@pages.get("/approvals/<id:approval_id>")
def show(approval_id: int) -> ResponseReturnValue:
    """Show one question, with its answer or the buttons for one."""
    return _page(approval_id)


@pages.post("/approvals/<id:approval_id>/approve")
def approve(approval_id: int) -> ResponseReturnValue:
    """Say yes."""
    return _answer(approval_id, is_yes=True)


@pages.post("/approvals/<id:approval_id>/reject")
def reject(approval_id: int) -> ResponseReturnValue:
    """Say no, for an hour."""
    return _answer(approval_id, is_yes=False)


def _answer(approval_id: int, is_yes: bool) -> ResponseReturnValue:
    do = approvals.approve if is_yes else approvals.reject
    try:
        with write(engine_of(), durable=True) as conn:
            do(conn, current_scope(), approval_id, request.form.get("note", "").strip() or None)
    except InputError as refused:
        return _page(approval_id, error=refused.message, status=422)
    except Conflict:
        return _page(approval_id, status=409)
    tell_browsers()
    return redirect(f"/approvals/{approval_id}", 303)


def _page(approval_id: int, error: str | None = None, status: int = 200) -> ResponseReturnValue:
    with read(engine_of()) as conn:
        shell = open_shell(conn)
        row = approvals.get(conn, current_scope(), approval_id)
    text = render_template("pages/approvals/show.html", shell=shell, error=error, **_shown(row, shell.now))
    return text, status


def _shown(row: Any, now: Any) -> dict[str, Any]:
    note = request.form.get("note", "")
    return {"row": row, "what": approvals.what(row), "over": approvals.why_over(row, now), "note": note}


@pages.get("/approve/<token>")
def link(token: str) -> ResponseReturnValue:
    """Show what a link asks for; nothing is changed by looking."""
    found = _found(token)
    return _link_page(found, token) if isinstance(found, Link) else found


@pages.post("/approve/<token>")
def use_link(token: str) -> ResponseReturnValue:
    """Say yes by link, once."""
    return _answer_by_link(token, is_yes=True)


@pages.post("/approve/<token>/reject")
def reject_by_link(token: str) -> ResponseReturnValue:
    """Say no by link."""
    return _answer_by_link(token, is_yes=False)


def _found(token: str) -> Link | ResponseReturnValue:
    """Return what a link says, or the answer where it is tried too often. Raises NotFound for one that is not ours."""
    tries, name, address = _tries(token)
    if tries.left(name, address) <= 0:
        pause = f"Too many tries. Wait {PAUSE_MINUTES} min."
        return answer(429, "too_many_requests", pause, retryAfter=PAUSE_MINUTES * 60)
    found = approval_links.read_token(token)
    if found is None:
        tries.note(name, address)
        raise NotFound("there is no such link")
    return found


def _tries(token: str) -> tuple[FailedTries, str, str]:
    # By digest: the link itself is a secret, and the counter's keys lie open in Redis.
    tries: FailedTries = current_app.extensions["link_tries"]
    return tries, sha256(token.encode()).hexdigest()[:16], request.remote_addr or "unknown"


def _answer_by_link(token: str, is_yes: bool) -> ResponseReturnValue:
    found = _found(token)
    if not isinstance(found, Link):
        return found
    do = approvals.approve if is_yes else approvals.reject
    try:
        with write(engine_of(), durable=True) as conn:
            row = approvals.find(conn, found.approval_id)
            if row is None:
                raise Conflict("The pod is gone.")
            do(conn, approval_links.scope_of_link(found, row.tenant_id, request.remote_addr), found.approval_id)
    except (Conflict, NotFound):
        tries, name, address = _tries(token)
        tries.note(name, address)
        return _link_page(found, token)
    tell_browsers(row.tenant_id)
    return redirect(f"/approve/{token}?answered=1", 303)


def _link_page(found: Link, token: str) -> ResponseReturnValue:
    with read(engine_of()) as conn:
        row, now = approvals.find(conn, found.approval_id), db_now(conn)
    if row is None:
        return render_template("pages/approvals/link.html", row=None, token=token, is_fresh=False), 410
    shown = _shown(row, now)
    # Who has just answered is told so; who comes by the same link later learns that it was used.
    by_this = row.answered_by == approval_links.scope_of_link(found, row.tenant_id, None).actor_name
    is_fresh = request.method == "GET" and "answered" in request.args and by_this
    page = render_template("pages/approvals/link.html", token=token, is_fresh=is_fresh, **shown)
    return page, 410 if shown["over"] and not is_fresh else 200
