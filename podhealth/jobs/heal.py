"""Jobs of the healer: judge one pod, take one step of one heal. Only hints: the tick finds both without them.

And the tick's own steps, which begin nothing more once this process is told to end.
"""

import sqlalchemy as sa

from podhealth.healing import evaluate, running, steps
from podhealth.jobs.parts import parts
from podhealth.queues import enqueue


def judge(pod_id: int) -> None:
    """Judge a pod; a heal whose step is due then goes on at once."""
    here = parts()
    judged = evaluate.judge_if_due(here.engine, pod_id)
    here.publish(judged.published)
    if judged.heal_id is not None:
        enqueue(here.hurried, "heal.step", judged.heal_id)


def step(heal_id: int) -> None:
    """Take the next step of a heal, if it is due and in nobody's hands."""
    here = parts()
    here.publish(steps.step(here.engine, heal_id) or {})


def ask_providers(engine: sa.Engine) -> dict[int, int]:
    """Ask providers whether the pods run whose turn it is (tick)."""
    return running.ask_providers(engine, parts().leaving.is_set)


def judge_due(engine: sa.Engine) -> dict[int, int]:
    """Judge the pods whose time has come (tick)."""
    return evaluate.judge_due(engine, parts().leaving.is_set)


def step_due(engine: sa.Engine) -> dict[int, int]:
    """Take a step of each heal whose time has come (tick)."""
    return steps.run_due(engine, parts().leaving.is_set)
