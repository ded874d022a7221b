"""Configuration as code in the browser: the export, what a file would change, and doing it.

Secrets of a file are those that are stored: a page has no environment, and shows no file that may hold one itself.
"""

from dataclasses import dataclass

import sqlalchemy as sa
from flask import Blueprint, Response, redirect, render_template, request
from flask.typing import ResponseReturnValue

from podhealth.core.errors import Conflict
from podhealth.declared.document import read_document
from podhealth.declared.faults import Fault, FileError
from podhealth.declared.plan import Act, Change, Plan
from podhealth.declared.telling import in_words
from podhealth.declared.withheld import may_hold_secret
from podhealth.store import declaring
from podhealth.store.db import read
from podhealth.web.installed import engine_of, installed
from podhealth.web.lengths import takes_up_to
from podhealth.web.pages.once import Answer, once
from podhealth.web.platform import platform
from podhealth.web.session import current_scope
from podhealth.web.shell import open_shell

pages = Blueprint("configuration", __name__)

LONGEST = 1024 * 1024
_OF_BOTH = 2 * LONGEST + 64 * 1024  # the file and the text field, and what a form puts around them
_MOST_SHOWN = 500
_MOST_NAMED = 100
_HERE = "/settings/configuration"


@dataclass(frozen=True, slots=True)
class Shown:
    """One change of a plan: what is done with which object, and its fields in words, (name, before, after)."""

    act: Act
    noun: str
    called: str
    fields: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True)
class PlanView:
    """A plan as the page shows it. ``more``: how many changes are not listed; ``sums``: of add, change and remove."""

    fingerprint: str
    changes: tuple[Shown, ...]
    more: int
    sums: dict[str, int]
    notes: tuple[str, ...]
    kept: tuple[str, ...]
    kept_of_files: tuple[str, ...]
    kept_more: int


@dataclass(frozen=True, slots=True)
class Typed:
    """What was sent: a file's text, null where it may hold a secret and is not shown again; and whether to prune."""

    text: str | None = ""
    prune: bool = False


@pages.get(_HERE)
def show() -> ResponseReturnValue:
    """Show how the tenant's configuration is taken along, and a form for a file."""
    return _page(Typed())


@pages.get(f"{_HERE}/export")
def export() -> ResponseReturnValue:
    """Give the tenant's configuration as a file; secrets as references only."""
    try:
        with read(engine_of()) as conn:
            text = declaring.export_tenant(conn, current_scope())
    except Conflict as refused:
        return _page(Typed(), refused=str(refused), status=409)
    headers = {"Content-Disposition": 'attachment; filename="podhealth.yaml"'}
    return Response(text, content_type="application/yaml; charset=utf-8", headers=headers)


@pages.post(f"{_HERE}/plan")
@takes_up_to(_OF_BOTH)
def plan() -> ResponseReturnValue:
    """Show what a file would change, and change nothing."""
    try:
        text = _sent_file() or _sent_text()
        if not text.strip():
            raise FileError([Fault("file", "choose one, or paste its text")])
    except FileError as error:
        return _page(_kept(request.form.get("yaml", "")[:LONGEST]), faults=error, status=422)
    return _planned(text)


@pages.post(f"{_HERE}/apply")
@takes_up_to(_OF_BOTH)
def apply() -> ResponseReturnValue:
    """Do what the file asks for, if that is still what the plan said."""
    text, expect = request.form.get("yaml", "").replace("\r\n", "\n"), request.form.get("expect", "")[:64]
    if not expect:  # nobody has seen what it would do
        return _planned(text)

    def do(conn: sa.Connection) -> Answer:
        document = read_document(text)
        return {"changes": len(declaring.apply_file(conn, current_scope(), document, _terms(), expect).changes)}

    try:
        done = once(do)
    except FileError as error:
        return _page(_kept(text), faults=error, status=422)
    except Conflict as refused:
        return _planned(text, str(refused))
    return redirect(f"{_HERE}?applied={done['changes']}", 303)


def _sent_file() -> str:
    sent = request.files.get("file")
    if sent is None or not sent.filename:
        return ""
    raw = sent.stream.read(LONGEST + 1)
    try:
        return _not_too_long(raw).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise FileError([Fault("file", "is no UTF-8 text")]) from None


def _sent_text() -> str:
    text = request.form.get("yaml", "").replace("\r\n", "\n")
    _not_too_long(text.encode("utf-8", "surrogatepass"))
    return text


def _not_too_long(raw: bytes) -> bytes:
    if len(raw) > LONGEST:
        raise FileError([Fault("file", "must be at most 1 MiB here; podhealth plan takes longer ones")])
    return raw


def _terms() -> declaring.Terms:
    prune = request.form.get("prune") == "on"
    return declaring.Terms(installed().settings.pod_networks, platform(), prune=prune)


def _planned(text: str, refused: str | None = None) -> ResponseReturnValue:
    """Return the page with the plan of a file; ``refused``: why another one was not done."""
    try:
        with read(engine_of()) as conn:
            found = declaring.plan_file(conn, current_scope(), read_document(text), _terms())
    except FileError as error:
        return _page(_kept(text), faults=error, refused=refused, status=422)
    return _page(_kept(text), found, refused=refused, status=409 if refused else 200)


def _kept(text: str) -> Typed:
    return Typed(None if may_hold_secret(text) else text, request.form.get("prune") == "on")


def _page(
    typed: Typed,
    found: Plan | None = None,
    *,
    faults: FileError | None = None,
    refused: str | None = None,
    status: int = 200,
) -> ResponseReturnValue:
    with read(engine_of()) as conn:
        shell = open_shell(conn)
    applied = request.args.get("applied", "") if request.method == "GET" else ""
    page = render_template(
        "pages/settings/configuration.html",
        shell=shell,
        typed=typed,
        plan=None if found is None else _view(found),
        faults=faults,
        refused=refused,
        applied=int(applied) if applied.isascii() and applied.isdigit() and len(applied) < 7 else None,
    )
    return page, status


def _view(plan: Plan) -> PlanView:
    names = [(f"{one.noun.value} {one.name}", one.is_ours) for one in plan.kept]
    return PlanView(
        fingerprint=plan.fingerprint,
        changes=tuple(_shown(change) for change in plan.changes[:_MOST_SHOWN]),
        more=max(0, len(plan.changes) - _MOST_SHOWN),
        sums={act.value: plan.count(act) for act in Act},
        notes=plan.notes,
        kept=tuple(name for name, is_ours in names[:_MOST_NAMED] if not is_ours),
        kept_of_files=tuple(name for name, is_ours in names[:_MOST_NAMED] if is_ours),
        kept_more=max(0, len(names) - _MOST_NAMED),
    )


def _shown(change: Change) -> Shown:
    is_new = change.act is Act.ADD
    fields = ((one.field, "" if is_new else in_words(one.before), in_words(one.after)) for one in change.fields)
    return Shown(change.act, change.noun.value, change.called, tuple(fields))
