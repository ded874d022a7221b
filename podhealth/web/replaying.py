"""A policy replayed over the last 30 days of the pods it would govern: read, then run, each in its turn.

What it would have done is the simulator's answer; how it is shown is for pages and API.
"""

from collections.abc import Callable
from typing import NamedTuple

from podhealth.core.ladder import PolicyRules
from podhealth.simulator.replay import Replayed, replay
from podhealth.store.db import db_now, read
from podhealth.store.replay import MOST_TROUBLES, Pasts, pasts_of
from podhealth.web.caller import look_for_caller
from podhealth.web.installed import engine_of
from podhealth.web.replay_turns import Turns
from podhealth.web.session import current_scope

# More at once would only be slower, and pages would wait.
_TURNS = Turns(at_once=2, asking=3)
_WAIT_S = 10
_MOST_COMPARED = MOST_TROUBLES * 6 // 10  # run twice, they take about as long


class Answer(NamedTuple):
    """What was read, and what the policy would have made of it; ``before``: the same by the policy as it is stored."""

    pasts: Pasts
    done: Replayed
    before: tuple[Pasts, Replayed] | None = None


def replayed(rules: PolicyRules, policy_id: int | None, stored: PolicyRules | None = None) -> Answer:
    """Return what the rules would have done as that policy of the tenant (null: as a new one).

    ``stored``: other rules of that policy, to compare with. Raises Conflict while others' replays take too long to
    wait for, or several of the tenant wait already, and Gone soon after the caller has given the request up.
    """
    scope, look = current_scope(), look_for_caller()
    with _TURNS.turn(scope.tenant_id, _WAIT_S, look):
        with read(engine_of()) as conn:
            now = db_now(conn)
            most = MOST_TROUBLES if stored is None else _MOST_COMPARED
            pasts = pasts_of(conn, scope, rules, policy_id, now, troubles=most, look=look)
            theirs = pasts
            if stored is not None and _binding(stored) != _binding(rules):
                theirs = pasts_of(conn, scope, stored, policy_id, now, troubles=most, look=look)
        done = _run(rules, pasts, look)
        return Answer(pasts, done, None if stored is None else (theirs, _run(stored, theirs, look)))


def _binding(rules: PolicyRules) -> tuple[object, ...]:
    return rules.selector, rules.priority, rules.is_default


def _run(rules: PolicyRules, pasts: Pasts, look: Callable[[], None]) -> Replayed:
    return replay(rules, pasts.pods, pasts.checks, pasts.begin, pasts.end, look)
