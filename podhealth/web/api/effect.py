"""What a policy came to: ``/api/policies/ID/effect``."""

from typing import Any

from podhealth.core.effect import ActionEffect
from podhealth.core.words import Action
from podhealth.store import effect, policies
from podhealth.store.db import db_now, read
from podhealth.web.api import api
from podhealth.web.api.declare import reads
from podhealth.web.api.schema import ID, NUMBER, TEXT, WHOLE, answer, many, maybe, with_more, words
from podhealth.web.installed import engine_of
from podhealth.web.session import current_scope

OF_HEALS = answer(
    heals=WHOLE,
    succeeded=WHOLE,
    failed=WHOLE,
    open=WHOLE,
    relapsed=WHOLE,
    successRate=maybe(NUMBER),
    relapseRate=maybe(NUMBER),
    mttrSeconds=maybe(NUMBER),
)
EFFECT = answer(
    "Effect",
    policyId=ID,
    days=WHOLE,
    total=maybe(OF_HEALS),
    actions=many(with_more(OF_HEALS, action=words(Action))),
    chronicPods=many(TEXT),
    shadowHeals=WHOLE,
)


@api.get("/policies/<id:policy_id>/effect")
@reads("Policies", EFFECT)
def policy_effect(policy_id: int) -> dict[str, Any]:
    """Answer heals, success rate, relapse within 24 h and MTTR of the last 30 days, in all and by action."""
    with read(engine_of()) as conn:
        policies.get_policy(conn, current_scope(), policy_id)
        found = effect.effects_of(conn, current_scope(), db_now(conn), policy_id).get(policy_id, effect.NOTHING)
    total = found.effect.total
    return {
        "policyId": policy_id,
        "days": effect.SPAN.days,
        "total": None if total is None else _shape(total),
        "actions": [{"action": one.action.value} | _shape(one) for one in found.effect.actions],
        "chronicPods": list(found.effect.chronic_pods),
        "shadowHeals": found.shadow,
    }


def _shape(one: ActionEffect) -> dict[str, Any]:
    return {
        "heals": one.heals,
        "succeeded": one.succeeded,
        "failed": one.failed,
        "open": one.open,
        "relapsed": one.relapsed,
        "successRate": one.success_rate,
        "relapseRate": one.relapse_rate,
        "mttrSeconds": None if one.mttr is None else one.mttr.total_seconds(),
    }
