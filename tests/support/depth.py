"""How many lives a state machine lives: a few in every run, many where ``HYPOTHESIS_PROFILE=deep`` asks for it.

Each run takes another seed and prints it; ``HYPOTHESIS_SEED`` takes that one again.
"""

import os
import secrets
from typing import Any

from hypothesis import HealthCheck, Phase, seed, settings

_DEEP_STEPS = 4
# Not ``explain``: it traces every line, and a run with a database under it takes minutes.
_PHASES = (Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink)


def is_deep() -> bool:
    """Whether the long forms of the slow proofs are asked for."""
    return os.environ.get("HYPOTHESIS_PROFILE") == "deep"


def lives(machine: Any, examples: int, *, steps: int, deep: int) -> settings:
    """Return the settings to run ``machine`` with; the deep profile has ``deep`` lives of four times the length."""
    number = int(os.environ.get("HYPOTHESIS_SEED") or secrets.randbelow(1 << 32))
    seed(number)(machine)
    print(f"HYPOTHESIS_SEED={number} for {machine.__name__}")
    return settings(
        max_examples=deep if is_deep() else examples,
        stateful_step_count=steps * _DEEP_STEPS if is_deep() else steps,
        deadline=None,
        phases=_PHASES,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
