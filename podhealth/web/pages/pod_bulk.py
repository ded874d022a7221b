"""One act on many pods of the overview: asked on a page that names them, done, and told pod by pod.

Attached to the blueprint of pods. Who operates may snooze, heal and run checks; tags and deletions are an admin's.
"""

import secrets
from datetime import tzinfo
from typing import NamedTuple
from urllib.parse import parse_qsl

import sqlalchemy as sa
from flask import render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import MultiDict

from podhealth.core.errors import Forbidden, InputError
from podhealth.store import bulk, checkruns, heals, holds, inventory
from podhealth.store.bulk import Act, Came
from podhealth.store.db import read
from podhealth.store.zones import zone_of
from podhealth.web.forms.act import ActForm
from podhealth.web.forms.bulk import ACTS, Asked, empty_form, read_bulk
from podhealth.web.forms.podlist import PATH, read_list_form
from podhealth.web.forms.pods import LENGTHS
from podhealth.web.forms.selection import selected_in
from podhealth.web.installed import engine_of, installed
from podhealth.web.pages.pods import pages
from podhealth.web.session import current_scope
from podhealth.web.shell import Shell, open_shell
from podhealth.web.telling import tell_browsers


class Selection(NamedTuple):
    """What a request is about: which act, on which pods, and from which list people came."""

    act: str
    pod_ids: list[int]
    query: str


@pages.get("/pods/bulk")
def ask_bulk() -> ResponseReturnValue:
    """Show which pods were selected, and ask what the act needs to know."""
    try:
        chosen = _selection(request.args)
    except InputError as refused:
        return _nothing(refused.message)
    return _page(chosen, empty_form(chosen.act))


@pages.post("/pods/bulk")
def bulk_act() -> ResponseReturnValue:
    """Do it to each of the pods, and tell what came of each."""
    try:
        chosen = _selection(request.form)
    except InputError as refused:
        return _nothing(refused.message)
    form = empty_form(chosen.act).typed(request.form)
    op = request.form.get("op", "") or secrets.token_urlsafe(12)
    with read(engine_of()) as conn:
        shell = open_shell(conn)
        names = bulk.names_of(conn, current_scope(), chosen.pod_ids, op)
        zone = zone_of(conn, current_scope())
    asked, form = read_bulk(chosen.act, form, len(names), shell.now, zone)
    if asked is None:
        return _page(chosen, form, 422)
    closed = Came.HELD if chosen.act == "heal" else Came.REFUSED
    do = _deed(chosen.act, asked)
    route = f"{request.endpoint} {chosen.act}"
    outcomes = bulk.each(engine_of(), current_scope(), op, route, chosen.pod_ids, do, closed)
    tell_browsers()
    return render_template(
        "pages/pods/bulk_done.html", shell=_fresh_shell(), act=ACTS[chosen.act], outcomes=outcomes, query=chosen.query
    )


def _selection(sent: MultiDict[str, str]) -> Selection:
    """Return what was selected. Raises InputError for no act of ours or no pods, Forbidden for an admin's act."""
    act = sent.get("act", "")
    if act not in ACTS:
        raise InputError("act", "choose what to do with the pods")
    if ACTS[act].is_change and not bulk.may_tag_and_delete(current_scope()):
        raise Forbidden("only an admin changes or deletes pods")
    query = read_list_form(MultiDict(parse_qsl(sent.get("back", "")[:4000])))
    return Selection(act, selected_in(sent.getlist("ids")), query.query(page=query.page))


def _deed(act: str, asked: Asked) -> Act:
    scope, networks = current_scope(), installed().settings.pod_networks

    def snooze(conn: sa.Connection, pod_id: int) -> str | None:
        if asked.snooze is not None:
            holds.snooze(conn, scope, pod_id, asked.snooze.until, asked.snooze.reason, asked.snooze.holds)
        return None

    def heal(conn: sa.Connection, pod_id: int) -> str | None:
        heals.heal_now(conn, scope, pod_id, asked.reason or "")
        return "A heal is planned."

    def run(conn: sa.Connection, pod_id: int) -> str | None:
        many = len(checkruns.ask_all(conn, scope, pod_id))
        return (
            f"{many} {'check is' if many == 1 else 'checks are'} being probed." if many else "It has no check to run."
        )

    def delete(conn: sa.Connection, pod_id: int) -> str | None:
        inventory.delete_pod(conn, scope, pod_id)
        return None

    def tag(conn: sa.Connection, pod_id: int) -> str | None:
        change = bulk.add_tag if act == "tag" else bulk.remove_tag
        return change(conn, scope, pod_id, asked.tag or "", networks)

    return {"snooze": snooze, "heal": heal, "run": run, "delete": delete, "tag": tag, "untag": tag}[act]


def _fresh_shell() -> Shell:
    with read(engine_of()) as conn:
        return open_shell(conn)


def _page(chosen: Selection, form: ActForm, status: int = 200) -> ResponseReturnValue:
    with read(engine_of()) as conn:
        shell = open_shell(conn)
        names = bulk.names_of(conn, current_scope(), chosen.pod_ids)
        zone: tzinfo = zone_of(conn, current_scope())
    page = render_template(
        "pages/pods/bulk.html",
        shell=shell,
        chosen=chosen,
        act=ACTS[chosen.act],
        names=names,
        form=form,
        zone=zone,
        lengths=LENGTHS,
        list_path=f"{PATH}?{chosen.query}" if chosen.query else PATH,
    )
    return page, status


def _nothing(why: str) -> ResponseReturnValue:
    return render_template("pages/pods/bulk_none.html", shell=_fresh_shell(), why=why), 422
