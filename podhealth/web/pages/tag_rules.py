"""Tag rules: which checks new pods get by their tags. A part of the inventory."""

import sqlalchemy as sa
from flask import Blueprint, redirect, render_template, request
from flask.typing import ResponseReturnValue

from podhealth.core.errors import Conflict, InputError
from podhealth.store import reach, tagrules
from podhealth.store.db import read
from podhealth.web.forms import tag_rules as forms
from podhealth.web.forms.tag_rules import TagRuleForm
from podhealth.web.installed import engine_of
from podhealth.web.pages.once import Answer, differing, once, posted_number, version_read
from podhealth.web.session import current_scope
from podhealth.web.shell import open_shell

pages = Blueprint("tag_rules", __name__)

_LIST = "/inventory#tag-rules"


@pages.get("/inventory/rules/new")
def new() -> ResponseReturnValue:
    """Show the form of a rule that is not stored yet."""
    return _page(forms.new_form(), None)


@pages.post("/inventory/rules")
def create() -> ResponseReturnValue:
    """Make a rule; it holds for pods that are added from now on."""
    form = forms.read_form(request.form)
    asked = form.rules
    if asked is None:
        return _page(form, None, 422)
    try:
        once(lambda conn: {"id": tagrules.save_rule(conn, current_scope(), asked).id})
    except InputError as refused:
        return _page(forms.refused_by_store(form, refused), None, 422)
    return redirect(_LIST, 303)


@pages.get("/inventory/rules/<id:rule_id>")
def edit(rule_id: int) -> ResponseReturnValue:
    """Show the form of a rule as it is stored."""
    return _page(None, rule_id)


@pages.post("/inventory/rules/<id:rule_id>")
def save(rule_id: int) -> ResponseReturnValue:
    """Change a rule, unless somebody else has since it was read; checks that came by it stay as they are."""
    version = posted_number("version")
    with read(engine_of()) as conn:
        existing = tagrules.rules_of(tagrules.get_rule(conn, current_scope(), rule_id))
    form = forms.read_form(request.form, existing)
    asked = form.rules
    if asked is None:
        return _page(form, rule_id, 422)

    def change(conn: sa.Connection) -> Answer:
        tagrules.save_rule(conn, current_scope(), asked, rule_id, version)
        return {"id": rule_id}

    try:
        once(change)
    except InputError as refused:
        return _page(forms.refused_by_store(form, refused), rule_id, 422)
    except Conflict:
        return _page(form, rule_id, 409)
    return redirect(_LIST, 303)


@pages.get("/inventory/rules/<id:rule_id>/delete")
def confirm_delete(rule_id: int) -> ResponseReturnValue:
    """Ask whether the rule is really to go."""
    with read(engine_of()) as conn:
        shell = open_shell(conn)
        row = tagrules.get_rule(conn, current_scope(), rule_id)
    return render_template("pages/inventory/rule_delete.html", shell=shell, id=row.id, rule=tagrules.rules_of(row))


@pages.post("/inventory/rules/<id:rule_id>/delete")
def delete(rule_id: int) -> ResponseReturnValue:
    """Delete the rule; the checks that came by it stay."""

    def remove(conn: sa.Connection) -> Answer:
        tagrules.delete_rule(conn, current_scope(), rule_id)
        return {"id": rule_id}

    once(remove)
    return redirect(_LIST, 303)


def _page(form: TagRuleForm | None, rule_id: int | None, status: int = 200) -> ResponseReturnValue:
    """Return the form's page; without ``form``, filled with what is stored."""
    scope = current_scope()
    with read(engine_of()) as conn:
        shell = open_shell(conn)
        row = None if rule_id is None else tagrules.get_rule(conn, scope, rule_id)
        tags = reach.tags_in_use(conn, scope)
    stored = forms.new_form() if row is None else forms.form_of(tagrules.rules_of(row))
    shown = form or stored
    page = render_template(
        "pages/inventory/rule.html",
        shell=shell,
        rule=row,
        form=shown,
        labels=forms.LABELS,
        problems=shown.problems(forms.LABELS),
        meanwhile=differing(stored, shown, forms.LABELS) if status == 409 else None,
        version=version_read(row and row.version, status),
        tags=tags,
    )
    return page, status
