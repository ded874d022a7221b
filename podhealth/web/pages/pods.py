"""The overview: all pods of the tenant, counted, filtered, in order of who needs a look first.

A single pod's routes are attached to the same blueprint by web/pages/pod.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from flask import Blueprint, make_response, redirect, render_template, request
from flask.typing import ResponseReturnValue

from podhealth.store import needs, overview, podlist, savedviews
from podhealth.store.db import db_now, read
from podhealth.store.overview import PodCard
from podhealth.store.podgroups import Group
from podhealth.web.forms.collect import whole_or_text
from podhealth.web.forms.places import HOME
from podhealth.web.forms.podlist import PATH, WORDS, ListForm, View, read_list_form
from podhealth.web.forms.selection import drifted, ids_in
from podhealth.web.installed import engine_of, installed
from podhealth.web.session import current_scope, person_id
from podhealth.web.shell import open_shell

pages = Blueprint("pods", __name__)

CARDS_A_PAGE = 60
ROWS_A_PAGE = 100
_DENSE_ABOVE = 200
_BESIDE = 2  # numbers of pages shown on either side of this one


class Step(NamedTuple):
    """One place in the row of page numbers; ``number`` null where some are left out."""

    number: int | None
    path: str | None


@dataclass(frozen=True, slots=True)
class Pager:
    """The way through the pages: "1–60 of 5,000" and links."""

    text: str
    here: int
    last: int
    steps: tuple[Step, ...]
    previous_path: str | None
    next_path: str | None


@pages.get("/")
def home() -> ResponseReturnValue:
    """Send people to the overview."""
    return redirect(HOME, 303)


@pages.get("/pods", endpoint="list")
def show_list() -> ResponseReturnValue:
    """Show the pods that the query string asks for; ``view_id`` leads to what is saved under it."""
    if "view_id" in request.args:
        return _to_saved(request.args["view_id"])
    form = read_list_form(request.args)
    scope = current_scope()
    with read(engine_of()) as conn:
        shell = open_shell(conn)
        view = form.view or ("dense" if shell.counts.total > _DENSE_ABOVE else "cards")
        found = podlist.find_pods(conn, scope.tenant_id, shell.now, form.wanted, form.page, _size(view))
        cards = overview.pod_cards(conn, scope.tenant_id, shell.now, found.pod_ids)
        needed = needs.needs_you(conn, scope.tenant_id, shell.now)
        choices = podlist.choices(conn, scope.tenant_id)
        views = savedviews.views_of(conn, scope, person_id())
    form = replace(form, names=dict(choices.policies))
    page = render_template(
        "pages/pods/list.html",
        shell=shell,
        form=form,
        view=view,
        query=form.query(page=found.page),
        found=found,
        cards=cards,
        parts=_parts(found, cards),
        needs=needed,
        choices=choices,
        views=views,
        words=WORDS,
        pager=_pager(form, found, _size(view)),
        url=installed().settings.public_url.rstrip("/") + "/api/cloud-pods/health/overview",
    )
    answer = make_response(page)
    if "HX-Request" in request.headers:
        # The same view has one address, however it was asked for.
        answer.headers["HX-Push-Url"] = form.path(page=found.page)
    return answer


@pages.get("/pods/drift")
def drift() -> ResponseReturnValue:
    """Say what loading the list again would change of what ``shown`` says that a page shows."""
    form = read_list_form(request.args)
    shown = ids_in(request.args.getlist("shown"))
    matching = whole_or_text(request.args.get("matching", ""))
    with read(engine_of()) as conn:
        tenant_id, now = current_scope().tenant_id, db_now(conn)
        view = form.view or ("dense" if len(shown) > CARDS_A_PAGE else "cards")
        found = podlist.find_pods(conn, tenant_id, now, form.wanted, form.page, _size(view))
    told = drifted(shown, matching if isinstance(matching, int) else found.matching, found)
    return render_template("pages/pods/drift.html", drift=told, path=form.path(page=form.page))


class ShownPart(NamedTuple):
    """One group of the list with the cards of its pods, those shown in full in a group before, and how many match."""

    group: Group
    cards: tuple[PodCard, ...]
    also: tuple[PodCard, ...]
    is_rest: bool
    matching: int


def _parts(found: podlist.Found, cards: Sequence[PodCard]) -> list[ShownPart]:
    by_id = {card.pod_id: card for card in cards}

    def known(ids: Sequence[int]) -> tuple[PodCard, ...]:
        return tuple(by_id[pod_id] for pod_id in ids if pod_id in by_id)

    return [ShownPart(one.group, known(one.pod_ids), known(one.also), *one[3:]) for one in found.parts]


def _to_saved(text: str) -> ResponseReturnValue:
    view_id = whole_or_text(text)
    with read(engine_of()) as conn:
        view = savedviews.get_view(conn, current_scope(), person_id(), view_id)
    return redirect(f"{PATH}?{view.query}" if view.query else PATH, 303)


def _size(view: View) -> int:
    return ROWS_A_PAGE if view == "dense" else CARDS_A_PAGE


def _pager(form: ListForm, found: podlist.Found, size: int) -> Pager:
    here, last = found.page, found.pages
    first = (here - 1) * size + 1
    text = f"{first:,}–{min(found.rows, first + size - 1):,} of {found.rows:,}" if found.pod_ids else ""
    numbers = sorted({1, last, *range(max(1, here - _BESIDE), min(last, here + _BESIDE) + 1)})
    steps: list[Step] = []
    for number in numbers:
        if steps and steps[-1].number != number - 1:
            steps.append(Step(None, None))
        steps.append(Step(number, form.path(page=number)))
    return Pager(
        text,
        here,
        last,
        tuple(steps),
        form.path(page=here - 1) if here > 1 else None,
        form.path(page=here + 1) if here < last else None,
    )
