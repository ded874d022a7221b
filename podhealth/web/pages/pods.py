"""The overview: all pods of the tenant, counted, filtered, in order of who needs a look first.

A single pod's routes are attached to the same blueprint by web/pages/pod.py.
"""

from dataclasses import dataclass
from typing import NamedTuple

from flask import Blueprint, redirect, render_template, request
from flask.typing import ResponseReturnValue

from podhealth.store import overview, podlist
from podhealth.store.db import read
from podhealth.web.forms.places import HOME
from podhealth.web.forms.podlist import WORDS, ListForm, View, read_list_form
from podhealth.web.installed import engine_of
from podhealth.web.session import current_scope
from podhealth.web.shell import open_shell

pages = Blueprint("pods", __name__)

CARDS_A_PAGE = 60
ROWS_A_PAGE = 200
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
    """Show the pods that the query string asks for."""
    form = read_list_form(request.args)
    tenant_id = current_scope().tenant_id
    with read(engine_of()) as conn:
        shell = open_shell(conn)
        view = form.view or ("dense" if shell.counts.total > _DENSE_ABOVE else "cards")
        found = podlist.find_pods(conn, tenant_id, shell.now, form.wanted, form.page, _size(view))
        cards = overview.pod_cards(conn, tenant_id, shell.now, found.pod_ids)
        choices = podlist.choices(conn, tenant_id)
    return render_template(
        "pages/pods/list.html",
        shell=shell,
        form=form,
        view=view,
        cards=cards,
        matching=found.matching,
        choices=choices,
        words=WORDS,
        pager=_pager(form, found, _size(view)),
    )


def _size(view: View) -> int:
    return ROWS_A_PAGE if view == "dense" else CARDS_A_PAGE


def _pager(form: ListForm, found: podlist.Found, size: int) -> Pager:
    here, last = found.page, found.pages
    first = (here - 1) * size + 1
    text = f"{first:,}–{first + len(found.pod_ids) - 1:,} of {found.matching:,}" if found.pod_ids else ""
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
