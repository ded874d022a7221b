"""The policy pages: the list, and the one form that makes and changes a policy.

What a policy may say is core/policy's rule, what it then does core/sentence's words; here it is read, saved and shown.
"""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from flask import Blueprint, redirect, render_template, request
from flask.typing import ResponseReturnValue

from podhealth.core.errors import Conflict
from podhealth.core.ladder import PolicyRules
from podhealth.core.words import Mode, Role
from podhealth.live.render import fragment
from podhealth.store import effect, policies, policy_versions, reach
from podhealth.store.db import read
from podhealth.web.access import allows
from podhealth.web.forms import policies as forms
from podhealth.web.forms.policies import NEW, PolicyForm, arranged, form_of, read_form
from podhealth.web.installed import engine_of
from podhealth.web.pages import effect_views
from podhealth.web.pages import policy_views as views
from podhealth.web.pages.once import Answer, once, posted_number, version_read
from podhealth.web.pages.replay_view import PolicyReplay, replay_view
from podhealth.web.replaying import replayed
from podhealth.web.session import current_scope
from podhealth.web.shell import open_shell

pages = Blueprint("policies", __name__)


@pages.get("/policies", endpoint="list")
def list_policies() -> ResponseReturnValue:
    """Show the tenant's policies, with the number of pods that each governs and that none does."""
    scope = current_scope()
    with read(engine_of()) as conn:
        shell = open_shell(conn)
        rows = policies.list_policies(conn, scope)
        bound = reach.bound_pods(conn, scope, rows)
        came_to = effect.effects_of(conn, scope, shell.now)
    lines = [
        views.line_of(row, bound.get(row.id, 0), effect_views.in_short(came_to.get(row.id, effect.NOTHING)))
        for row in rows
    ]
    return render_template("pages/policies/list.html", shell=shell, policies=lines, unbound=bound.get(None, 0))


@pages.get("/policies/new")
def new() -> ResponseReturnValue:
    """Show the form of a policy that is not stored yet; it starts in shadow."""
    return _page(form_of(NEW), None)


@pages.post("/policies")
def create() -> ResponseReturnValue:
    """Make a policy."""
    form = _with_consent(read_form(request.form), None)
    if form.errors:
        return _page(form, None, 422)
    saved = _store(form, None, None)
    return redirect(f"/policies/{saved['policyId']}?saved={saved['version']}", 303)


@pages.get("/policies/<id:policy_id>")
def show(policy_id: int) -> ResponseReturnValue:
    """Show a policy: as a form to change to admins, the same to read to all others."""
    return _page(None, policy_id)


@pages.post("/policies/<id:policy_id>")
def save(policy_id: int) -> ResponseReturnValue:
    """Change a policy, unless somebody else has since it was read."""
    version = posted_number("version")
    with read(engine_of()) as conn:
        existing = policies.rules_of(policies.get_policy(conn, current_scope(), policy_id))
    form = _with_consent(read_form(request.form, existing), existing)
    if form.errors:
        return _page(form, policy_id, 422)
    try:
        saved = _store(form, policy_id, version)
    except Conflict:
        return _page(form, policy_id, 409)
    return redirect(f"/policies/{policy_id}?saved={saved['version']}", 303)


@pages.post("/policies/preview")
def preview() -> ResponseReturnValue:
    """Answer what the form would do, as its fragments; to a browser without scripts the page, its steps rearranged."""
    policy_id, scope = posted_number("policyId"), current_scope()
    with read(engine_of()) as conn:
        form = _posted_form(conn, policy_id)
        if "HX-Request" in request.headers:
            reached = None if form.rules is None else reach.reach_of(conn, scope, form.rules, policy_id)
            return "".join(fragment(name, view) for name, view in _effect(form, reached).items())
    # Half a form is no mistake yet: only saving it says what is missing.
    moved = arranged(form, request.form.get("arrange", ""))
    return _page(PolicyForm(moved.values, moved.steps, moved.fields, moved.rules, {}), policy_id)


@pages.post("/policies/replay")
def replay() -> ResponseReturnValue:
    """Answer what the form's policy would have done in the last 30 days; without scripts the page with it."""
    policy_id = posted_number("policyId")
    with read(engine_of()) as conn:
        form = _posted_form(conn, policy_id)
    if form.rules is None:
        view = PolicyReplay(waits_for=tuple(forms.label_of(field) for field in form.errors))
    else:
        view = replay_view(replayed(form.rules, policy_id))
    if "HX-Request" in request.headers:
        return fragment("policy_replay", view)
    return _page(form, policy_id, shown=view)


def _posted_form(conn: Any, policy_id: int | None) -> PolicyForm:
    if policy_id is None:
        return read_form(request.form)
    stored = policies.rules_of(policies.get_policy(conn, current_scope(), policy_id))
    # Who may only read a policy sends none of its fields.
    return read_form(request.form, stored) if "name" in request.form else form_of(stored)


def _with_consent(form: PolicyForm, existing: PolicyRules | None) -> PolicyForm:
    """Return the form, refused where it would let a policy act that did not before and nobody said to know that."""
    was_auto = existing is not None and existing.effective_mode == Mode.AUTO
    if not form.asks_for_auto or was_auto or request.form.get("understood"):
        return form
    return form.refused("understood", "tick this to let the policy act, or choose another mode")


def _store(form: PolicyForm, policy_id: int | None, version: int | None) -> Answer:
    """Store what the form asks for, once for each ``op``, and return which policy and version that is."""

    def store(conn: sa.Connection) -> Answer:
        row = policies.save_policy(conn, current_scope(), form.fields, policy_id, version)
        return {"policyId": row.id, "version": row.version}

    return once(store)


def _page(
    form: PolicyForm | None, policy_id: int | None, status: int = 200, shown: PolicyReplay | None = None
) -> ResponseReturnValue:
    """Return the form's page; without ``form``, filled with what is stored. ``shown``: a replay to show on it."""
    scope = current_scope()
    with read(engine_of()) as conn:
        shell = open_shell(conn)
        row = None if policy_id is None else policies.get_policy(conn, scope, policy_id)
        stored = None if row is None else policies.rules_of(row)
        form = form or form_of(stored or NEW)
        reached = None if form.rules is None else reach.reach_of(conn, scope, form.rules, policy_id)
        meanwhile = _meanwhile(conn, row) if status == 409 else None
        tags = reach.tags_in_use(conn, scope)
        came_to = None if policy_id is None else _came_to(conn, policy_id, shell.now)
    page = render_template(
        "pages/policies/edit.html",
        shell=shell,
        policy=row,
        form=form,
        replay=shown or PolicyReplay(),
        effect=_effect(form, reached),
        came_to=came_to,
        problems=[(forms.html_id(field), forms.label_of(field), said) for field, said in form.errors.items()],
        labels=forms.LABELS,
        next_step=forms.NEXT_STEP,
        meanwhile=meanwhile,
        version=version_read(row and row.version, status),
        is_consented=bool(request.form.get("understood")),
        was_auto=stored is not None and stored.effective_mode == Mode.AUTO,
        saved=row is not None and request.args.get("saved") == str(row.version),
        tags=tags,
        locked=not allows(scope.role, Role.ADMIN),
    )
    return page, status


def _came_to(conn: Any, policy_id: int, now: datetime) -> effect_views.EffectView:
    found = effect.effects_of(conn, current_scope(), now, policy_id)
    return effect_views.effect_view(found.get(policy_id, effect.NOTHING))


def _effect(form: PolicyForm, reached: reach.Reach | None) -> dict[str, Any]:
    return {
        "policy_sentence": views.sentence_view(form, reached),
        "policy_reach": views.reach_view(reached),
        "policy_auto": views.auto_view(form, reached),
    }


def _meanwhile(conn: Any, row: Any) -> views.Meanwhile | None:
    scope, was = current_scope(), posted_number("version")
    now = policy_versions.get_version(conn, scope, row.id, row.version)
    then = None if was is None else policy_versions.get_version(conn, scope, row.id, was)
    return None if now is None else views.meanwhile(then, now)
