"""The claim, act and commit paths of healing in all orders (hazards §4): 0 violations of I1 to I4 and I10.

Up to three switches at the borders of transactions and calls, and at any statement an even choice of those; the short
form takes a fixed few of each. An order that was played before is not counted again.
"""

import time
from datetime import timedelta
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import pytest
import sqlalchemy as sa

from podhealth import clock
from podhealth.healing.providers import process
from podhealth.models.base import to_us
from podhealth.store import healsteps
from podhealth.store.claim import Claim
from tests.healing.world import World
from tests.machines import restoring
from tests.machines.interleaving import Actor, Plan, Scheduler, plans
from tests.machines.living import Counted, holds
from tests.machines.scenes import HEALING, Scene, probing
from tests.support.depth import is_deep
from tests.support.invariants import healing, states, storage
from tests.support.invariants import holds as invariants_of_holds
from tests.support.invariants.ledgers import Acked, Call, Ledgers

_RULES = (
    healing.one_open_heal,
    healing.calls_follow_rows,
    healing.one_open_episode,
    healing.heals_have_evidence,
    invariants_of_holds.nothing_acts_while_held,
    storage.acked_results_are_there,
    storage.claims_are_fenced,
    states.checks_are_their_results,
)


class Most(NamedTuple):
    """How many orders of one scene, at the borders of transactions and calls, and at any statement."""

    borders: int
    anywhere: int


_SHORT = Most(9, 9)
_LONG = {"sqlite": Most(200, 100), "postgresql": Most(200, 250)}


class FarEnd:
    """A process host without processes, at which the turn may change too."""

    folder = Path("/far")

    def __init__(self) -> None:
        self.scheduler: Scheduler | None = None
        self.done: dict[str, int] = {}
        self.calls: list[str] = []  # by whom
        self.after: list[int] = []  # the commits before each call

    def ask(self, _folder: Path, question: dict[str, Any], timeout_s: float = 3) -> dict[str, Any]:
        do, key = question["do"], question.get("key", "")
        if self.scheduler is not None:
            self.scheduler.point(f"the provider: {do}")
        if do == "state":
            return {"running": True, "pid": 1, "starts": 1}
        if do == "task":
            return {"known": key in self.done, "over": key in self.done, "ok": True, "message": ""}
        assert self.scheduler is not None
        self.calls.append(self.scheduler.whose())
        self.after.append(len(self.scheduler.commits))
        self.done.setdefault(key, to_us(clock.utcnow()))  # twice under one key is once
        return {"known": True}


class Stage:
    """A world that is put back before each order, with what was seen of it."""

    def __init__(self, engine: sa.Engine, scene: Scene, acked: list[Claim]) -> None:
        self.engine, self.scene, self.far, self.acked = engine, scene, FarEnd(), acked
        self.world = World(engine, self.far)  # type: ignore[arg-type]
        self.fenced: list[str] = []
        self._owner = ""
        self._take, self._store = healsteps.take, healsteps.store
        with mock.patch.object(process, "ask_host", self.far.ask):
            self.world.fall_ill()
            self.world.probe("fail")
            if scene.is_planned:
                assert self.world.judge().heal_id is not None
        self.world.sql("UPDATE check_states SET next_at = 1")
        self._shift, self._at = self.world.shift, time.monotonic()
        self.put_back, self.forget = restoring.keep(engine)

    def begin(self, scheduler: Scheduler) -> dict[str, Any]:
        """Put all back, time included, and return who acts."""
        self.put_back()
        # It is always the same moment: evidence must not grow old while thousands of orders are played.
        self.world.shift = self._shift - timedelta(seconds=time.monotonic() - self._at)
        clock.shift(self.world.shift)
        self.far.__init__()  # type: ignore[misc]
        self.far.scheduler, self._scheduler, self._owner = scheduler, scheduler, ""
        self.fenced.clear()
        self.acked.clear()
        return self.scene.scripts(self.world)

    def take(self, *args: Any) -> Any:
        """The product's, seen: who has the lease now."""
        row = self._take(*args)
        self._owner = self._owner if row is None else self._scheduler.whose()
        return row

    def store(self, conn: Any, heal: Any, *rest: Any) -> bool:
        """The product's, seen: whether one who lost the lease changed the row."""
        is_stored = self._store(conn, heal, *rest)
        if is_stored and self._owner != self._scheduler.whose():
            self.fenced.append(f"I10: {self._scheduler.whose()} stored a step under the lease of {self._owner}")
        return is_stored

    def violations(self, actors: list[Actor]) -> list[str]:
        """Return what does not hold after an order."""
        calls = tuple(Call(key, at) for key, at in self.far.done.items())
        acked = tuple(Acked(one.check_id, one.token) for one in self.acked)
        found = holds(self.engine, _RULES, Ledgers(calls, acked)) + self.fenced
        found += [f"{actor.name} failed: {actor.error!r}" for actor in actors if actor.error is not None]
        if len(self.far.done) > 1:
            found.append(f"I2: {len(self.far.done)} actions, called for by {self.far.calls}")
        return found + self._held()

    def _held(self) -> list[str]:
        """I3, by the order of commits alone: the claim that led to a call came before the hold was committed."""
        commits = self._scheduler.commits
        if not self.scene.holder or self.scene.holder not in commits:
            return []
        held = commits.index(self.scene.holder)
        claims = [
            max((n for n, by in enumerate(commits[:after]) if by == caller), default=-1)
            for caller, after in zip(self.far.calls, self.far.after, strict=True)
        ]
        return [f"I3: a call under a claim that came after the hold: {commits}" for claim in claims if claim > held]


def _orders(lengths: list[int], is_coarse: bool, most: Most) -> list[tuple[int, Plan]]:
    few = list(chain.from_iterable(plans(lengths, switches) for switches in range(3)))
    three = list(plans(lengths, 3))
    if is_coarse:
        return _some([*few, *three], most.borders)
    return [*_some(few, most.anywhere), *_some(three, most.anywhere // 2)]


def _some(all_of_them: list[Any], most: int) -> list[Any]:
    """Return at most so many, spread evenly and the same each time."""
    step = max(1, -(-len(all_of_them) // most))
    return list(islice(all_of_them, 0, None, step))


def _play(stage: Stage, is_coarse: bool) -> set[tuple[int, ...]]:
    scheduler = Scheduler(stage.engine, is_coarse)
    seen: set[tuple[int, ...]] = set()
    with scheduler.listening():
        alone = scheduler.run(stage.begin(scheduler), ())
        lengths = [scheduler.trace.count(actor.nth) for actor in alone]
        most = _LONG[stage.engine.dialect.name] if is_deep() else _SHORT
        for first, plan in _orders(lengths, is_coarse, most):
            actors = scheduler.run(stage.begin(scheduler), plan, first)
            violations = stage.violations(actors)
            assert violations == [], f"{stage.scene.name}, {first} begins, switches {plan}: {scheduler.trace}"
            seen.add(tuple(scheduler.trace))
    return seen


_acked: list[Claim] = []
_SCENES = [*HEALING, *probing(_acked)]


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("scene", _SCENES, ids=lambda scene: scene.name)
def test_no_order_breaks_a_promise(engine: sa.Engine, scene: Scene, counted: Counted) -> None:
    stage = Stage(engine, scene, _acked)
    seen: set[tuple[bool, tuple[int, ...]]] = set()
    try:
        with (
            mock.patch.object(process, "ask_host", stage.far.ask),
            mock.patch.object(healsteps, "take", stage.take),
            mock.patch.object(healsteps, "store", stage.store),
        ):
            for is_coarse in (True, False):
                seen |= {(is_coarse, trace) for trace in _play(stage, is_coarse)}
    finally:
        stage.forget()
        counted(f"Interleavings: {scene.name}", "interleavings", len(seen))
