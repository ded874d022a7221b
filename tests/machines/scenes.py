"""Who meets whom on the way from a judgement to an action: the scenes that are played in all orders.

Each has a world before it (a pod that is ill, or a heal that is planned) and two or three scripts, which are the
product's own functions.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple

from podhealth.core.errors import Conflict
from podhealth.core.probe import Finding
from podhealth.core.words import FailClass, KillScope, Outcome
from podhealth.healing import evaluate, steps
from podhealth.store import heals, holds, policies
from podhealth.store.claim import Claim, claim_chosen
from podhealth.store.db import db_now, db_now_us, write
from podhealth.store.record import Found, record
from tests.healing.world import World, ann
from tests.machines.interleaving import Script

LEASE_S = 16.0
FAIL = Finding(Outcome.FAIL, FailClass.DOWN, "refused", error="connection refused")
OK = Finding(Outcome.OK)


class Scene(NamedTuple):
    """``scripts(world)`` gives a name and a function to each actor; ``is_planned``: a heal is, before they begin."""

    name: str
    scripts: Callable[[World], dict[str, Script]]
    is_planned: bool = True
    holder: str = ""  # the actor whose commit is a hold


def _step(world: World) -> Script:
    heal_id = world.heals()[-1].id
    return lambda: steps.step(world.engine, heal_id)


def _later(world: World, script: Script, seconds: float = LEASE_S) -> Script:
    """Do it when the lease of whoever works now is over."""

    def do() -> Any:
        world.advance(seconds)
        return script()

    return do


def _holding(world: World, hold: Callable[[Any], Any]) -> Script:
    def do() -> None:
        try:
            with write(world.engine) as conn:
                hold(conn)
        except Conflict:
            return

    return do


def _kill_switch(world: World) -> Script:
    until = timedelta(hours=1)
    return _holding(
        world, lambda conn: holds.set_kill_switch(conn, ann(world), KillScope.TENANT, db_now(conn) + until, "fire")
    )


def _snooze(world: World) -> Script:
    until = timedelta(hours=1)
    return _holding(world, lambda conn: holds.snooze(conn, ann(world), world.pod_id, db_now(conn) + until, "upgrade"))


def _cancel(world: World) -> Script:
    heal_id = world.heals()[-1].id
    return _holding(world, lambda conn: heals.cancel_planned(conn, ann(world), heal_id))


def _switch_off(world: World) -> Script:
    return _holding(world, lambda conn: policies.save_policy(conn, ann(world), {"enabled": False}, world.policy_id))


def _heal_now(world: World) -> Script:
    return _holding(world, lambda conn: heals.heal_now(conn, ann(world), world.pod_id, "looks stuck"))


def _reset(world: World) -> Script:
    return _holding(world, lambda conn: heals.reset(conn, ann(world), world.pod_id))


def _probe(world: World, finding: Finding, acked: list[Claim] | None = None) -> Script:
    """Claim the check and record what it found; what was committed is noted."""

    def do() -> None:
        with write(world.engine) as conn:
            claims = claim_chosen(conn, "local", "prober", [world.check_id])
        if not claims:
            return
        with write(world.engine) as conn:
            now = db_now_us(conn)
            found = [Found(c.check_id, c.token, c.generation, c.due_us, now, now, finding, "prober") for c in claims]
            record(conn, found, "local")
        if acked is not None:
            acked.extend(claims)

    return do


def _work(world: World) -> Script:
    def do() -> None:
        evaluate.judge_due(world.engine)
        steps.run_due(world.engine)

    return do


def probing(acked: list[Claim]) -> list[Scene]:
    """Two probers of one check; ``acked`` takes what they were told is committed."""
    return [
        Scene(
            "two probers claim and record",
            lambda w: {"one": _probe(w, FAIL, acked), "two": _probe(w, FAIL, acked)},
            is_planned=False,
        ),
        Scene(
            "a prober's lease is taken over",
            lambda w: {"one": _probe(w, FAIL, acked), "two": _later(w, _probe(w, OK, acked))},
            is_planned=False,
        ),
    ]


HEALING = [
    Scene("two judge", lambda w: {"one": w.judge, "two": w.judge}, is_planned=False),
    Scene("a judgement and heal now", lambda w: {"healer": w.judge, "ann": _heal_now(w)}, is_planned=False),
    Scene("two take one step", lambda w: {"one": _step(w), "two": _step(w)}),
    Scene("a step and a stop", lambda w: {"worker": _step(w), "ann": _kill_switch(w)}, holder="ann"),
    Scene("a step and a snooze", lambda w: {"worker": _step(w), "ann": _snooze(w)}, holder="ann"),
    Scene("a step and a cancelling", lambda w: {"worker": _step(w), "ann": _cancel(w)}),
    Scene("a step and a policy switched off", lambda w: {"worker": _step(w), "ann": _switch_off(w)}, holder="ann"),
    Scene("a step and a reset", lambda w: {"worker": _step(w), "ann": _reset(w)}),
    Scene("a step and a recovery", lambda w: {"worker": _step(w), "prober": _probe(w, OK)}),
    Scene("a step's lease is taken over", lambda w: {"zombie": _step(w), "worker": _later(w, _step(w))}),
    Scene(
        "a zombie wakes after two steps of another",
        lambda w: {"zombie": _step(w), "worker": _later(w, lambda: [_step(w)(), _later(w, _step(w))()])},
    ),
    Scene("two whole workers", lambda w: {"one": _work(w), "two": _work(w)}),
    Scene(
        "two workers and a stop",
        lambda w: {"zombie": _step(w), "worker": _later(w, _step(w)), "ann": _kill_switch(w)},
        holder="ann",
    ),
]
