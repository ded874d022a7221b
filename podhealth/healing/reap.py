"""Takes up a heal that was left ``running`` without a task: the provider is asked before anything is done again.

"The worker died" proves neither that the action happened nor that it did not (hazards M1): only the far end knows.
"""

from typing import Any

import sqlalchemy as sa

from podhealth.core.errors import ProviderError
from podhealth.core.words import HealState, ProviderKind
from podhealth.healing import act
from podhealth.healing.ask import ref_of
from podhealth.healing.providers.base import Call
from podhealth.healing.providers.registry import provider_of

Row = sa.Row[Any]


def adopt_or_call(engine: sa.Engine, heal: Row, pod: Row) -> dict[int, int]:
    """Adopt the task the provider knows under the heal's key; call again, under that key, only if it knows none."""
    try:
        task = provider_of(ProviderKind(pod.provider)).find_task(ref_of(pod), _call_of(engine, heal))
    except ProviderError as error:
        if error.permanent:
            return act.end(engine, heal, HealState.FAILED, str(error), was_permanent_error=True)
        return act.wait(engine, heal, str(error), act.ASK_AGAIN)
    if task is not None:
        return act.keep_task(engine, heal, task)
    return act.call_if_open(engine, heal, pod)


def _call_of(engine: sa.Engine, heal: Row) -> Call:
    options, since = act.options_of(engine, heal), heal.started_at or heal.triggered_at
    return Call(heal.idempotency_key, heal.action, options, since, heal.provider_state_before or {})
