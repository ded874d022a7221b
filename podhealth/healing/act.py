"""The step that acts: judged once more, then the provider is called, once, under the heal's own key.

The row says ``running`` before the call, so that whoever finds it after a crash asks the provider first (reap.py).
"""

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from podhealth.core.abilities import can
from podhealth.core.decide import SKIPPED_BY_HEAL_NOW, SKIPPED_WHEN_PLANNED, decide
from podhealth.core.errors import ActionImpossible, ActionRefused, ProviderError
from podhealth.core.ladder import Rung, Step
from podhealth.core.words import Action, Answer, FeedKind, HealState, ProviderKind
from podhealth.crashpoints import crashpoint
from podhealth.healing import ask as asking
from podhealth.healing.providers.base import Options, Task
from podhealth.healing.providers.registry import provider_of
from podhealth.store import episodes, healnotices, healsteps, podstate
from podhealth.store.db import db_now, read, write
from podhealth.store.feed import FeedNote, append
from podhealth.store.healfacts import facts_of_planned, gather

ASK_AGAIN = timedelta(seconds=5)
GIVE_UP_AFTER = timedelta(seconds=120)
TASK_TIMEOUT_S = 300

Row = sa.Row[Any]
Published = dict[int, int]


def rung_of(heal: Row) -> Rung:
    """Return the rung of the ladder that a heal stands for."""
    evidence = heal.evidence or {}
    step = Step(heal.action, heal.of_attempts, evidence.get("graceful", True), evidence.get("timeoutSeconds"))
    return Rung(step, heal.attempt, heal.nth_of_action, heal.of_attempts)


def note_of(heal: Row, text: str | None = None, tone: str = "info") -> FeedNote:
    """Return the feed's note of a change to a heal, with a toast where there is a text."""
    toast = {"text": text, "tone": tone} if text else None
    return FeedNote(heal.tenant_id, FeedKind.HEAL, heal.pod_id, heal.id, toast)


def begin(engine: sa.Engine, heal: Row, pod: Row) -> Published:
    """Take a planned heal through the gates once more; act if they are open, else cancel it and give its attempt back.

    Cooldown and ladder were passed when its attempt was spent, and the heal itself is the open one.
    """
    asked = asking.ask(pod)
    with write(engine, durable=True) as conn:
        closed = _closed_by(conn, heal, asked)
        if closed is not None:
            return _cancel(conn, heal, closed)
        now = db_now(conn)
        values = {"started_at": now, "called_at": now, "provider_state_before": asked.as_evidence()}
        # The lease is kept while this step calls. If this process dies, the lease runs out, and the reaper asks.
        if not healsteps.store(conn, heal, HealState.RUNNING, values | {"lease_until": heal.lease_until}):
            return {}
        running = healsteps.reread(conn, heal)
        healnotices.started(conn, running, running.started_at)
        published = append(conn, [note_of(heal)])
    return published | call(engine, running, pod)


def _closed_by(conn: sa.Connection, heal: Row, asked: asking.Asked) -> str | None:
    podstate.lock_pods(conn, [heal.pod_id])
    g = gather(conn, heal.pod_id, db_now(conn), asked.facts)
    if g is None:
        return "the pod is gone"
    skip = SKIPPED_WHEN_PLANNED | (SKIPPED_BY_HEAL_NOW if heal.requested_by is not None else frozenset())
    decided = decide(facts_of_planned(g, heal), skip, rung_of(heal) if heal.requested_by is not None else None)
    return None if decided.answer == Answer.ACT else decided.reason


def _cancel(conn: sa.Connection, heal: Row, reason: str) -> Published:
    now = db_now(conn)
    # Nothing was done: it counts for no budget.
    if not healsteps.close(conn, heal, HealState.CANCELLED, now, {"error_message": reason[:300], "called_at": None}):
        return {}
    episodes.give_back(conn, heal)
    return append(conn, [note_of(heal)])


def call_if_open(engine: sa.Engine, heal: Row, pod: Row) -> Published:
    """Call for a heal that runs although its provider was never reached: only if the gates are still open."""
    asked = asking.ask(pod)
    with write(engine, durable=True) as conn:
        closed = _closed_by(conn, heal, asked)
        if closed is not None:
            return _cancel(conn, heal, closed)
        # The call that counts is the one that is heard; the lease is kept while it is made.
        values = {"called_at": db_now(conn), "lease_until": heal.lease_until}
        if not healsteps.store(conn, heal, HealState.RUNNING, values):
            return {}
    return call(engine, heal, pod)


def call(engine: sa.Engine, heal: Row, pod: Row) -> Published:
    """Call the provider under the heal's key and store its task.

    A call that fails without saying so for good may have been heard: the heal stays ``running`` and the reaper asks
    for its task.
    """
    kind = ProviderKind(pod.provider)
    if not can(kind, heal.action):
        return end(engine, heal, HealState.SKIPPED, f"provider {kind} cannot {heal.action}", called_at=None)
    options = options_of(engine, heal)
    crashpoint("heal.before_call")
    try:
        task = provider_of(kind).act(asking.ref_of(pod), heal.action, heal.idempotency_key, options)
    except ActionImpossible as error:
        return end(engine, heal, HealState.SKIPPED, str(error), called_at=None)
    except ActionRefused as error:
        return end(engine, heal, HealState.FAILED, str(error))
    except ProviderError as error:
        if error.permanent:
            return end(engine, heal, HealState.FAILED, str(error), was_permanent_error=True)
        return wait(engine, heal, str(error), ASK_AGAIN)
    crashpoint("heal.after_call")
    return keep_task(engine, heal, task)


def options_of(engine: sa.Engine, heal: Row) -> Options:
    """Return how a heal's action is to be done."""
    step = rung_of(heal).step
    with read(engine) as conn:
        tried = healsteps.tried_nodes(conn, heal) if heal.action == Action.MIGRATE else frozenset()
    return Options(step.graceful, step.timeout_s, tried)


def keep_task(engine: sa.Engine, heal: Row, task: Task) -> Published:
    """Store the provider's task of a running heal, so that it is followed to its end."""
    with write(engine, durable=True) as conn:
        values = {"provider_task": task.ref[:253], "next_step_at": db_now(conn), "error_message": None}
        if task.target is not None:
            values["evidence"] = (heal.evidence or {}) | {"target": task.target}
        return append(conn, [note_of(heal)]) if healsteps.store(conn, heal, HealState.RUNNING, values) else {}


def wait(engine: sa.Engine, heal: Row, why: str, span: timedelta) -> Published:
    """Leave a heal as it is and look again after ``span``; ``why`` is shown meanwhile. Given up after two minutes."""
    with write(engine) as conn:
        now = db_now(conn)
        if not heal.provider_task and now >= _begun(heal, now) + GIVE_UP_AFTER:
            return _finish(conn, heal, HealState.FAILED, f"the provider was not reached: {why}", {})
        healsteps.store(conn, heal, heal.state, {"next_step_at": now + span, "error_message": why[:300]})
    return {}


def _begun(heal: Row, now: datetime) -> datetime:
    return heal.started_at or now


def end(engine: sa.Engine, heal: Row, state: HealState, message: str, **values: Any) -> Published:
    """Close a heal that did not get as far as being verified."""
    with write(engine, durable=True) as conn:
        return _finish(conn, heal, state, message, values)


def _finish(conn: sa.Connection, heal: Row, state: HealState, message: str, values: dict[str, Any]) -> Published:
    podstate.lock_pods(conn, [heal.pod_id])
    now = db_now(conn)
    if not healsteps.close(conn, heal, state, now, values | {"error_message": message[:300]}):
        return {}
    return append(conn, [note_of(heal, f"{_title(heal)} {state.value.replace('_', ' ')}: {message}"[:200], "bad")])


def _title(heal: Row) -> str:
    return f"{Action(heal.action).value.capitalize()} {heal.nth_of_action} of {heal.of_attempts}"
