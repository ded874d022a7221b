"""Says in plain English what a policy does: in its form's preview, in lists, on pod pages and in the audit.

Everything is computed from the rules; where a number appears, it is the one that will be obeyed.
"""

from podhealth.core.ladder import Ladder, PolicyRules, Step, ladder, length
from podhealth.core.pacing import wait_after
from podhealth.core.words import Action, Mode

_MODES = {
    Mode.OFF: "",
    Mode.SHADOW: " Shadow: nothing is really done.",
    Mode.APPROVE: " Each heal waits for somebody's approval.",
    Mode.AUTO: "",
}
_DONE = {Action.RESTART: "A restart", Action.MIGRATE: "A migration"}
_DONE_TO = {Action.RESTART: "restarted", Action.STOP: "stopped", Action.MIGRATE: "migrated"}


def span(seconds: float) -> str:
    """Return a length as people write it: ``30 s``, ``90 s``, ``10 min``, ``2 h``, ``1 h 30 min``."""
    seconds = round(seconds)
    if seconds < 120 and seconds != 60:
        return f"{seconds} s"
    minutes, rest = divmod(seconds, 60)
    if rest:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    if not hours:
        return f"{minutes} min"
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def ladder_sentence(rules: PolicyRules) -> str:
    """Return the ladder in short, such as ``restart up to 2 times, 10 min apart, then migrate once``."""
    if rules.effective_mode == Mode.OFF:
        return "Off: does nothing."
    steps = ladder(rules)
    if not steps:
        return "only watch"
    if rules.max_attempts == 0 and rules.steps is None:
        return f"do nothing but {_step(steps[0], rules, 0, is_first=False)}"
    said, spent = [], 0
    for number, step in enumerate(steps):
        said.append(_step(step, rules, spent, is_first=number == 0))
        spent += step.attempts
    return ", then ".join(said)


def _step(step: Step, rules: PolicyRules, spent: int, is_first: bool) -> str:
    if step.action != Action.NOTIFY_ONLY:
        times = "once" if step.attempts == 1 else f"up to {step.attempts} times"
        return ", ".join(filter(None, [f"{step.action.value} {times}", _apart(step, rules, spent)]))
    telling = "only tell people" if is_first else "tell people"
    if step.attempts == 1:
        return f"{telling} once"
    return ", ".join(filter(None, [telling, f"{step.attempts} times", _apart(step, rules, spent)]))


def _apart(step: Step, rules: PolicyRules, spent: int) -> str:
    waits = [
        wait_after(spent + nth, rules.cooldown_minutes, rules.backoff_factor).total_seconds()
        for nth in range(1, step.attempts)
    ]
    if not waits:
        return ""
    if waits[0] == waits[-1]:
        return f"{span(waits[0])} apart"
    joint = " and " if len(waits) == 2 else " to "
    if all(w % 60 == 0 and w < 7200 for w in (waits[0], waits[-1])) and waits[-1] != 3600:
        return f"{round(waits[0] / 60)}{joint}{span(waits[-1])} apart"
    return f"{span(waits[0])}{joint}{span(waits[-1])} apart"


def policy_sentence(rules: PolicyRules) -> str:
    """Return the whole preview of a policy: when it acts, what it does, when that counts as done, how it ends."""
    if rules.effective_mode == Mode.OFF:
        return "Off: does nothing."
    steps = ladder(rules)
    if not steps:
        return "Only watches: nothing is tried, people are told once."
    failures = rules.trigger_after_failures
    after = f"After {failures} failure{'s in a row' if failures > 1 else ''}"
    return f"{after}, {ladder_sentence(rules)}, {_ending(steps)}.{_proof(steps, rules)}{_MODES[rules.effective_mode]}"


def _ending(steps: Ladder) -> str:
    tells_only = all(step.action == Action.NOTIFY_ONLY for step in steps)
    return "then fall silent" if tells_only else "then stop trying and tell people"


def _proof(steps: Ladder, rules: PolicyRules) -> str:
    attempts = length(steps)
    ends = span(rules.sustained_health_s)
    tries = f"{attempts} attempt{'s' if attempts > 1 else ''}"
    total = f"At most {tries} in one episode; an episode ends after {ends} of health."
    done = next((_DONE[step.action] for step in steps if step.action in _DONE), None)
    if done is None:
        return f" {total}"
    within = span(max(rules.verify_timeout_s, rules.start_deadline_s))
    return (
        f" {done} counts as done when the check was healthy for {span(rules.healthy_delay_s)} within {within}. {total}"
    )


def told_only_sentence(pods: int) -> str:
    """Return how many of a policy's pods nobody can act on; empty for none."""
    if pods == 0:
        return ""
    return (
        "1 pod has no provider and is only told about"
        if pods == 1
        else f"{pods} pods have no provider and are only told about"
    )


def auto_sentence(rules: PolicyRules, pods: int) -> str:
    """Return what mode auto would mean for the ``pods`` that somebody can act on: what is done to them from now on."""
    done = dict.fromkeys(_DONE_TO[step.action] for step in ladder(rules) if step.action in _DONE_TO)
    if not done:
        return "From now on people are told; nothing is done to any pod."
    if pods == 0:
        return f"From now on each pod that this policy comes to govern is really {' or '.join(done)}."
    return f"From now on {pods:,} pod{'s are' if pods > 1 else ' is'} really {' or '.join(done)}."
