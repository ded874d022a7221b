"""Jobs of the healer: judge one pod, take one step of one heal. Only hints: the tick finds both without them."""

from podhealth.healing import evaluate, steps
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
