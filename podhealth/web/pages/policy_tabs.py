"""The pages of one policy beside its form: its pods, a replay, its versions, what it came to.

All of them only read; what the form does is web/pages/policy_form.py's.
"""

from typing import Any

from flask import render_template, request
from flask.typing import ResponseReturnValue

from podhealth.core.sentence import policy_sentence
from podhealth.store import effect, policies, policy_drafts, policy_pods, policy_versions
from podhealth.store.db import read
from podhealth.web.installed import engine_of
from podhealth.web.pages import effect_views
from podhealth.web.pages import policy_views as views
from podhealth.web.pages.policy_head import asked_number, head_of, pager
from podhealth.web.pages.replay_lanes import MORE
from podhealth.web.pages.replay_view import Named, PolicyReplay, replay_view
from podhealth.web.replaying import replayed
from podhealth.web.session import current_scope

_MOST_LANES = 1000


def pods_tab(policy_id: int) -> ResponseReturnValue:
    """Show the pods that the policy governs, each with why."""
    page, is_bent = asked_number("page", 1)
    with read(engine_of()) as conn:
        shell, head = head_of(conn, policy_id, "pods", is_bent)
        found = policy_pods.governed_pods(conn, current_scope(), policy_id, shell.now, page)
    way = pager(found, f"/policies/{policy_id}?tab=pods&")
    return render_template("pages/policies/pods.html", shell=shell, head=head, found=found, pager=way)


def effect_tab(policy_id: int) -> ResponseReturnValue:
    """Show what the policy came to in 30 days."""
    with read(engine_of()) as conn:
        shell, head = head_of(conn, policy_id, "effect")
        found = effect.effects_of(conn, current_scope(), shell.now, policy_id).get(policy_id, effect.NOTHING)
    return render_template(
        "pages/policies/effect.html", shell=shell, head=head, came_to=effect_views.effect_view(found)
    )


def versions_tab(policy_id: int) -> ResponseReturnValue:
    """Show the policy's versions, and the differences of two of them."""
    scope = current_scope()
    older, bent = asked_number("a", 0)
    newer, also_bent = asked_number("b", 0)
    with read(engine_of()) as conn:
        shell, head = head_of(conn, policy_id, "versions", bent or also_bent)
        found = policy_versions.list_versions(conn, scope, policy_id)
        chosen = [policy_versions.get_version(conn, scope, policy_id, number) for number in (older, newer)]
    compared: Any = None
    if chosen[0] is not None and chosen[1] is not None:
        compared = views.compared(chosen[0], chosen[1])
    numbers = [one.number for one in found]
    return render_template(
        "pages/policies/versions.html",
        shell=shell,
        head=head,
        versions=[(one, policy_sentence(one.rules)) for one in found],
        a=older if compared else next(iter(numbers[1:]), None),
        b=newer if compared else next(iter(numbers), None),
        compared=compared,
    )


def replay_tab(policy_id: int) -> ResponseReturnValue:
    """Show what a draft of the policy, or the policy itself, would have done in the last 30 days."""
    draft_id, bent = asked_number("draft", 0, 1 << 60)
    most, also_bent = asked_number("pods", MORE, _MOST_LANES)
    with read(engine_of()) as conn:
        shell, head = head_of(conn, policy_id, "replay", bent or also_bent)
        stored = policies.rules_of(head.policy)
        draft = policy_drafts.find(conn, current_scope(), draft_id, policy_id)
    shown = PolicyReplay()
    version = f"v{head.policy.version}"
    if draft is not None:
        path = f"/policies/{policy_id}?tab=replay&draft={draft.draft_id}"
        shown = replay_view(replayed(draft.rules, policy_id, stored), Named("This draft", version, path), most)
    elif "run" in request.args:
        named = Named(version, None, f"/policies/{policy_id}?tab=replay&run=1")
        shown = replay_view(replayed(stored, policy_id), named, most)
    return render_template(
        "pages/policies/replay.html",
        shell=shell,
        head=head,
        replay=shown,
        draft=draft,
        draft_says=draft and policy_sentence(draft.rules),
        stored_says=policy_sentence(stored),
        is_over=bool(draft_id) and draft is None,
    )
