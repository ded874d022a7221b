"""What the machines share: counted steps, the length of their lives, and an empty database for each life."""

import os
import secrets
import shutil
import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar, NamedTuple
from zlib import crc32

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, run_state_machine_as_test

from podhealth import clock
from podhealth.store.db import make_engine
from tests.support.databases import compiling_once
from tests.support.depth import is_deep

# Each call: an empty database, and how to be rid of it.
Databases = Callable[[], tuple[sa.Engine, Callable[[], None]]]
Counted = Callable[..., None]

# Not ``explain``: it traces every line, and a run with a database under it takes minutes.
_PHASES = (Phase.explicit, Phase.generate, Phase.shrink)


_SHARE_ON_POSTGRES = 0.125


class Machine(RuleBasedStateMachine):
    """A machine whose steps are counted: one for each rule after which its invariants were looked at."""

    looks: ClassVar[int] = 0
    lives: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        clock.shift(timedelta(0))
        type(self).lives += 1
        self.nth = -1  # invariants are looked at once before the first step

    @invariant()
    def a_step_is_over(self) -> None:
        self.nth += 1
        if self.nth:
            type(self).looks += 1


class OnDatabase(Machine):
    """A machine that has an empty database of its own for each life."""

    databases: ClassVar[Databases]

    def __init__(self) -> None:
        super().__init__()
        self.engine, self._be_rid = type(self).databases()

    def teardown(self) -> None:
        self._be_rid()
        clock.shift(timedelta(0))


class Lives(NamedTuple):
    """How many lives, and of how many steps at the most."""

    number: int
    steps: int


def live(machine: type[Machine], counted: Counted, short: Lives, long: Lives) -> None:
    """Run a machine's lives and count their steps.

    The short form lives the same lives each time, the long one others; HYPOTHESIS_SEED takes a run again.
    """
    asked = os.environ.get("HYPOTHESIS_SEED")
    number = int(asked or (secrets.randbelow(1 << 32) if is_deep() else crc32(machine.__name__.encode())))
    print(f"HYPOTHESIS_SEED={number} for {machine.__name__}")
    seed(number)(machine)
    machine.looks = machine.lives = 0
    lives = _longer(long, machine) if is_deep() else short
    chosen = settings(
        max_examples=lives.number,
        stateful_step_count=lives.steps,
        deadline=None,
        phases=_PHASES[:2] if os.environ.get("HYPOTHESIS_NO_SHRINK") else _PHASES,
        print_blob=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    try:
        run_state_machine_as_test(machine, settings=chosen)
    finally:
        counted(machine.__name__, "steps", machine.looks, lives=machine.lives)


def _longer(long: Lives, machine: type[Machine]) -> Lives:
    """Return the long form, so many times as MACHINES_LIVES says, and less where each statement goes to a server."""
    share = getattr(getattr(machine, "databases", None), "share", 1.0)
    return long._replace(number=max(2, round(long.number * share * float(os.environ.get("MACHINES_LIVES") or 1))))


def databases_like(engine: sa.Engine, request: pytest.FixtureRequest) -> Databases:
    """Return how a machine gets databases of the kind of ``engine``, an empty one of it."""
    if engine.dialect.name == "postgresql":
        return _on_postgres(engine, request.getfixturevalue("_postgres_database").empty)
    template = Path(str(engine.url.database))
    # In memory, where there is a file system in it: a life begins and ends with a file.
    memory = Path("/dev/shm")  # noqa: S108
    place = memory if os.access(memory, os.W_OK) else template.parent

    def on_sqlite() -> tuple[sa.Engine, Callable[[], None]]:
        folder = Path(tempfile.mkdtemp(prefix="ph-machine-", dir=place))
        shutil.copyfile(template, folder / "podhealth.db")
        own = compiling_once(make_engine(f"sqlite:///{folder / 'podhealth.db'}"))
        return own, lambda: (own.dispose(), shutil.rmtree(folder))[1]

    return on_sqlite


def _on_postgres(engine: sa.Engine, empty: Callable[[], None]) -> Databases:
    def one() -> tuple[sa.Engine, Callable[[], None]]:
        return engine, lambda: (engine.dispose(), empty())[1]

    one.share = _SHARE_ON_POSTGRES  # type: ignore[attr-defined]
    return one


def holds(database: sa.Engine, rules: Any, ledgers: Any) -> list[str]:
    """Return what is violated of these rules alone (tests/support/invariants): the cheap ones after every step."""
    with database.connect() as conn, conn.begin():
        return [violation for rule in rules for violation in rule(conn, ledgers)]
