"""The policy pages beside the form: the list, pods that no policy governs, deleting one, taking an old version back.

Attached to the same blueprint: web/pages/policy_form.py. What a policy may say is core/policy's rule.
"""

import sqlalchemy as sa
from flask import Blueprint, redirect, render_template, request
from flask.typing import ResponseReturnValue

from podhealth.core.errors import Conflict
from podhealth.store import effect, policies, policy_pods, reach
from podhealth.store.db import read
from podhealth.store.policy_now import figures
from podhealth.web.installed import engine_of
from podhealth.web.pages import policy_views as views
from podhealth.web.pages.once import Answer, once, posted_number
from podhealth.web.pages.policy_head import asked_number, pager
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
    lines = [views.line_of(row, bound.get(row.id, 0), figures(came_to.get(row.id, effect.NOTHING))) for row in rows]
    return render_template(
        "pages/policies/list.html",
        shell=shell,
        policies=lines,
        unbound=bound.get(None, 0),
        deleted=request.args.get("deleted", "")[:63],
    )


@pages.get("/policies/none")
def unbound() -> ResponseReturnValue:
    """Show the pods that no policy governs."""
    page, is_bent = asked_number("page", 1)
    with read(engine_of()) as conn:
        shell = open_shell(conn)
        found = policy_pods.governed_pods(conn, current_scope(), None, shell.now, page)
    return render_template(
        "pages/policies/none.html", shell=shell, found=found, pager=pager(found, "/policies/none?"), is_bent=is_bent
    )


@pages.get("/policies/<id:policy_id>/delete")
def confirm_delete(policy_id: int) -> ResponseReturnValue:
    """Ask whether the policy is really to go, and say which pods lose it and what governs them then."""
    return _ask(policy_id)


@pages.post("/policies/<id:policy_id>/delete")
def delete(policy_id: int) -> ResponseReturnValue:
    """Delete the policy, unless somebody has changed it since the question was read."""
    version = posted_number("version")

    def remove(conn: sa.Connection) -> Answer:
        name = policies.get_policy(conn, current_scope(), policy_id).name
        policies.delete_policy(conn, current_scope(), policy_id, version)
        return {"name": name}

    try:
        done = once(remove)
    except Conflict:
        return _ask(policy_id, 409)
    return redirect(f"/policies?{views.query(deleted=done['name'])}", 303)


def _ask(policy_id: int, status: int = 200) -> ResponseReturnValue:
    scope = current_scope()
    with read(engine_of()) as conn:
        shell = open_shell(conn)
        row = policies.get_policy(conn, scope, policy_id)
        leaving = policy_pods.leaving(conn, scope, policy_id)
    page = render_template(
        "pages/policies/delete.html", shell=shell, policy=row, leaving=leaving, is_changed=status == 409
    )
    return page, status
