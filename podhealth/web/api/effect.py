"""What a policy came to: ``/api/policies/ID/effect``."""

from typing import Any

from podhealth.core.effect import ActionEffect
from podhealth.store import effect, policies
from podhealth.store.db import db_now, read
from podhealth.web.api import api
from podhealth.web.installed import engine_of
from podhealth.web.session import current_scope


@api.get("/policies/<id:policy_id>/effect")
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
