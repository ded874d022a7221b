"""An unsaved policy over the last 30 days: ``POST /api/policies/replay``."""

from typing import Any

from podhealth.core.policy import READERS, parse_policy
from podhealth.core.words import Gate
from podhealth.models.base import from_us
from podhealth.store import policies
from podhealth.store.db import read
from podhealth.web.api import api
from podhealth.web.api.body import take_number
from podhealth.web.api.declare import a_new, body, declared
from podhealth.web.api.policies import ROW
from podhealth.web.api.schema import ANYTHING, NUMBER, TIME, WHOLE, answer, by_name, many, words
from podhealth.web.api.shapes import iso
from podhealth.web.installed import engine_of
from podhealth.web.replaying import Answer, replayed
from podhealth.web.session import current_scope

_US = 1_000_000

REPLAY = answer(
    "Replay",
    **{"from": TIME},
    to=TIME,
    pods=WHOLE,
    governedPods=WHOLE,
    transitions=WHOLE,
    troubles=WHOLE,
    asItWas=answer(heals=by_name(WHOLE), downSeconds=NUMBER),
    draft=answer(
        heals=by_name(WHOLE),
        downSeconds=NUMBER,
        exhausted=WHOLE,
        holds=many(answer(gate=words(Gate), times=WHOLE, seconds=NUMBER)),
    ),
)
_REFUSALS = {404: "`id` names no policy of the tenant.", 409: "Another replay is under way."}


@api.post("/policies/replay")
@declared("Policies", REPLAY, body=a_new(READERS, (), **ROW | {"version": ANYTHING}), refusals=_REFUSALS)
def replay_policy() -> dict[str, Any]:
    """Answer what a policy would have done, beside what was done; nothing is stored.

    The body has a policy's fields; with ``id`` they change that policy, as when it is saved.
    """
    fields = body()
    policy_id = take_number(fields, "id")
    existing = None
    if policy_id is not None:
        with read(engine_of()) as conn:
            existing = policies.rules_of(policies.get_policy(conn, current_scope(), policy_id))
    return _shape(replayed(parse_policy(fields, existing), policy_id))


def _shape(answer: Answer) -> dict[str, Any]:
    pasts, done = answer.pasts, answer.done
    return {
        "from": iso(from_us(pasts.begin)),
        "to": iso(from_us(pasts.end)),
        "pods": done.pods,
        "governedPods": pasts.governed,
        "transitions": pasts.transitions,
        "troubles": done.troubles,
        "asItWas": {"heals": _named(done.recorded_heals), "downSeconds": done.recorded_down_us / _US},
        "draft": {
            "heals": _named(done.heals),
            "downSeconds": done.down_us / _US,
            "exhausted": done.exhausted,
            "holds": [
                {"gate": held.gate.value, "times": held.times, "seconds": held.length_us / _US} for held in done.holds
            ],
        },
    }


def _named(heals: dict[Any, int]) -> dict[str, int]:
    return {action.value: many for action, many in sorted(heals.items())}
