"""The one form that makes and changes a policy, and what it says before it is saved: preview, replay, conflicts.

Attached to the blueprint of web/pages/policies.py. What a policy may say is core/policy's rule, what it then does
core/sentence's words; here it is read, saved and shown.
"""

from typing import Any

import sqlalchemy as sa
from flask import redirect, render_template, request
from flask.typing import ResponseReturnValue

from podhealth.core.errors import Conflict, InputError, NotFound
from podhealth.core.ladder import PolicyRules
from podhealth.core.words import Mode, Role
from podhealth.live.render import fragment
from podhealth.store import effect, policies, policy_drafts, policy_versions, reach
from podhealth.store.db import db_now, read, write
from podhealth.web.access import allows
from podhealth.web.forms import policies as forms
from podhealth.web.forms.policies import NEW, PolicyForm, form_of, read_form
from podhealth.web.forms.policy_ladder import arranged, goes_beyond_fields
from podhealth.web.installed import engine_of
from podhealth.web.pages import policy_tabs
from podhealth.web.pages import policy_views as views
from podhealth.web.pages.once import Answer, once, posted_number, version_read
from podhealth.web.pages.policies import pages
from podhealth.web.pages.policy_head import TABS, asked_number, head_of
from podhealth.web.pages.replay_view import Named, PolicyReplay, replay_view
from podhealth.web.replaying import replayed
from podhealth.web.session import current_scope
from podhealth.web.shell import open_shell

_SHOW = {
    "pods": policy_tabs.pods_tab,
    "replay": policy_tabs.replay_tab,
    "versions": policy_tabs.versions_tab,
    "effect": policy_tabs.effect_tab,
}


@pages.get("/policies/new")
def new() -> ResponseReturnValue:
    """Show the form of a policy that is not stored yet, empty or as a copy of another; it starts in shadow."""
    scope = current_scope()
    from_id, is_bent = asked_number("from", 0, 1 << 60)
    draft_id, also_bent = asked_number("draft", 0, 1 << 60)
    form = form_of(NEW)
    with read(engine_of()) as conn:
        if from_id:
            try:
                form = form_of(forms.copy_of(policies.rules_of(policies.get_policy(conn, scope, from_id))))
            except NotFound:
                is_bent = True
        draft = policy_drafts.find(conn, scope, draft_id, None)
    shown = None
    if draft is not None:
        form = form_of(draft.rules)
        named = Named("This draft", None, f"/policies/new?draft={draft_id}")
        shown = replay_view(replayed(draft.rules, None), named)
    return _page(form, None, shown=shown, is_bent=is_bent or also_bent or bool(draft_id and draft is None))


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
    """Show a policy: as a form to change to admins, the same to read to all others; or another of its pages."""
    tab = request.args.get("tab", "rules")
    if tab in _SHOW:
        return _SHOW[tab](policy_id)
    draft_id, is_bent = asked_number("draft", 0, 1 << 60)
    with read(engine_of()) as conn:
        draft = policy_drafts.find(conn, current_scope(), draft_id, policy_id)
    return _page(draft and form_of(draft.rules), policy_id, is_bent=is_bent or tab not in TABS)


@pages.post("/policies/<id:policy_id>")
def save(policy_id: int) -> ResponseReturnValue:
    """Change a policy, unless somebody else has since it was read."""
    version = posted_number("version")
    existing = _stored(policy_id)
    return _save(_with_consent(read_form(request.form, existing), existing), policy_id, version)


@pages.post("/policies/<id:policy_id>/restore")
def restore(policy_id: int) -> ResponseReturnValue:
    """Save what the policy said at an earlier version as a new one; where that would act by itself, ask first."""
    version, number = posted_number("version"), posted_number("number")
    existing = _stored(policy_id)
    if number is None:
        raise InputError("number", "must be a version")
    with read(engine_of()) as conn:
        found = policy_versions.get_version(conn, current_scope(), policy_id, number)
    if found is None:
        raise NotFound("there is no such version")
    form = form_of(found.rules)
    return _save(_with_consent(form, existing), policy_id, version)


def _stored(policy_id: int) -> PolicyRules:
    with read(engine_of()) as conn:
        return policies.rules_of(policies.get_policy(conn, current_scope(), policy_id))


def _save(form: PolicyForm, policy_id: int, version: int | None) -> ResponseReturnValue:
    if form.errors:
        return _page(form, policy_id, 422)
    try:
        saved = _store(form, policy_id, version)
    except Conflict:
        return _page(form, policy_id, 409)
    return redirect(f"/policies/{policy_id}?saved={saved['version']}", 303)


@pages.post("/policies/preview")
def preview() -> ResponseReturnValue:
    """Answer what the form would do, as its fragments; the page itself, its steps rearranged, where that is asked."""
    policy_id = posted_number("policyId")
    what = request.form.get("arrange", "")
    with read(engine_of()) as conn:
        form = _posted_form(conn, policy_id)
        if "HX-Request" in request.headers and not what:
            return "".join(fragment(name, view) for name, view in _effect(conn, form, policy_id).items())
    # Half a form is no mistake yet: only saving it says what is missing.
    moved = arranged(form, what)
    return _page(PolicyForm(moved.values, moved.steps, moved.fields, moved.rules, {}), policy_id)


@pages.post("/policies/replay")
def replay() -> ResponseReturnValue:
    """Answer what the form's policy would have done in the last 30 days; without scripts the page with it."""
    policy_id = posted_number("policyId")
    with read(engine_of()) as conn:
        form = _posted_form(conn, policy_id)
        stored = None if policy_id is None else policies.get_policy(conn, current_scope(), policy_id)
    view = _replayed(form, policy_id, stored)
    if "HX-Request" in request.headers:
        return fragment("policy_replay", view)
    return _page(form, policy_id, shown=view)


def _replayed(form: PolicyForm, policy_id: int | None, stored: Any) -> PolicyReplay:
    if form.rules is None:
        return PolicyReplay(waits_for=tuple(forms.label_of(field) for field in form.errors))
    before = None if stored is None else policies.rules_of(stored)
    answer = replayed(form.rules, policy_id, before)
    with write(engine_of()) as conn:
        draft_id = policy_drafts.keep(conn, current_scope(), policy_id, form.rules)
    if stored is None:
        return replay_view(answer, Named("This draft", None, f"/policies/new?draft={draft_id}"))
    path = f"/policies/{policy_id}?tab=replay&draft={draft_id}"
    return replay_view(answer, Named("This draft", f"v{stored.version}", path))


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
    form: PolicyForm | None,
    policy_id: int | None,
    status: int = 200,
    shown: PolicyReplay | None = None,
    is_bent: bool = False,
) -> ResponseReturnValue:
    """Return the form's page; without ``form``, filled with what is stored. ``shown``: a replay to show on it."""
    scope = current_scope()
    with read(engine_of()) as conn:
        head = None
        if policy_id is None:
            shell = open_shell(conn)
        else:
            shell, head = head_of(conn, policy_id, "rules", is_bent)
        row = None if head is None else head.policy
        stored = None if row is None else policies.rules_of(row)
        form = form or form_of(stored or NEW)
        said = _effect(conn, form, policy_id)
        meanwhile = _meanwhile(conn, row, form) if status == 409 else None
        tags = reach.tags_in_use(conn, scope)
    page = render_template(
        "pages/policies/edit.html",
        shell=shell,
        head=head,
        policy=row,
        form=form,
        replay=shown or PolicyReplay(),
        effect=said,
        problems=[(forms.html_id(field), forms.label_of(field), what) for field, what in form.errors.items()],
        labels=forms.LABELS,
        next_step=forms.NEXT_STEP,
        meanwhile=meanwhile,
        version=version_read(row and row.version, status),
        is_consented=bool(request.form.get("understood")),
        was_auto=stored is not None and stored.effective_mode == Mode.AUTO,
        saved=row is not None and request.args.get("saved") == str(row.version),
        tags=forms.tag_choice(form, tags),
        goes_beyond=goes_beyond_fields(form),
        locked=not allows(scope.role, Role.ADMIN),
        is_bent=is_bent,
    )
    return page, status


def _effect(conn: Any, form: PolicyForm, policy_id: int | None) -> dict[str, Any]:
    scope, shadow = current_scope(), 0
    reached = None if form.rules is None else reach.reach_of(conn, scope, form.rules, policy_id)
    if policy_id is not None and form.asks_for_auto:
        shadow = effect.shadow_heals(conn, scope, policy_id, db_now(conn))
    return {
        "policy_sentence": views.sentence_view(form, reached),
        "policy_reach": views.reach_view(reached),
        "policy_can": views.can_view(form, reached),
        "policy_auto": views.auto_view(form, reached, shadow),
        "policy_errors": views.errors_view(form),
    }


def _meanwhile(conn: Any, row: Any, form: PolicyForm) -> views.Meanwhile | None:
    scope, was = current_scope(), posted_number("version")
    now = policy_versions.get_version(conn, scope, row.id, row.version)
    then = None if was is None else policy_versions.get_version(conn, scope, row.id, was)
    if now is None:
        return None
    typed = form if form.rules is None else form_of(form.rules)
    return views.meanwhile(then, now, typed)
