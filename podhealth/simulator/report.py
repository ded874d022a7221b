"""What came of a scenario: heals, holds, messages, downtime, each counted; and whether that was expected.

Downtime is the product's own measure (core/uptime), not the world's truth.
"""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from podhealth.core.uptime import Course, Stretch, uptime
from podhealth.core.words import Action, Answer, Gate, HealState
from podhealth.simulator.engine import Run
from podhealth.simulator.fleet import SimHeal, SimPod, micros
from podhealth.simulator.lengths import US, Bound, length_text
from podhealth.simulator.scenario import Expect

HOUR_US = 3_600 * US


class Checked(NamedTuple):
    """One expectation: what it is about, what it wants, what there was, and whether that is within."""

    what: str
    wanted: str
    found: str
    holds: bool


@dataclass(frozen=True, slots=True)
class Report:
    """What came of a scenario."""

    name: str
    harm: str
    seed: int
    pods: int
    lasts_us: int
    probes: int
    judgements: int
    heals: Mapping[str, Mapping[str, int]]  # by action: by end
    by_pod: Mapping[str, int]
    by_tenant: Mapping[str, int]
    most_in_an_hour: int
    most_at_once: int
    told: int
    holds: Mapping[Gate, int]
    held_us: Mapping[Gate, int]
    messages: Mapping[str, int]
    notices: Mapping[str, int]
    incidents: int
    downtime_us: int
    exhausted: int
    episodes: Mapping[str, int]
    status: Mapping[str, str]
    first_heal_us: int | None
    checked: tuple[Checked, ...] = ()

    @property
    def is_as_expected(self) -> bool:
        """Whether all expectations hold."""
        return all(one.holds for one in self.checked)

    @property
    def calls(self) -> int:
        """How many heals a provider was called for."""
        return sum(self.by_pod.values())

    def as_json(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return {
            "scenario": self.name,
            "seed": self.seed,
            "pods": self.pods,
            "seconds": self.lasts_us / US,
            "probes": self.probes,
            "judgements": self.judgements,
            "heals": {action: dict(ends) for action, ends in self.heals.items()},
            "healsByTenant": dict(self.by_tenant),
            "healsByPod": dict(self.by_pod),
            "mostInAnHour": self.most_in_an_hour,
            "mostAtOnce": self.most_at_once,
            "told": self.told,
            "holds": {g.value: {"count": n, "seconds": self.held_us.get(g, 0) / US} for g, n in self.holds.items()},
            "messages": dict(self.messages),
            "notices": dict(self.notices),
            "incidents": self.incidents,
            "downtimeSeconds": self.downtime_us / US,
            "exhausted": self.exhausted,
            "episodes": dict(self.episodes),
            "expectations": [one._asdict() for one in self.checked],
            "isAsExpected": self.is_as_expected,
        }


def report(run: Run) -> Report:
    """Return what came of a run that is over, with its expectations looked at."""
    calls = [heal for heal in run.healer.heals if heal.called_at is not None]
    holds, held = _holds(run)
    found = Report(
        name=run.scenario.name,
        harm=run.scenario.harm,
        seed=run.seed,
        pods=len(run.pods),
        lasts_us=run.scenario.lasts,
        probes=run.probes,
        judgements=run.healer.judged,
        heals=_by_action(run.healer.heals),
        by_pod=Counter(h.pod.hand.name for h in calls),
        by_tenant={name: sum(1 for h in calls if h.pod.tenant == name) for name in run.tenants},
        most_in_an_hour=max((_most_in_an_hour(calls, name) for name in run.tenants), default=0),
        most_at_once=_most_at_once(calls, run.ends),
        told=sum(1 for h in run.healer.heals if h.is_told_only),
        holds=holds,
        held_us=held,
        messages={name: len(box.sent) for name, box in run.telling.inboxes.items()},
        notices=_notices(run),
        incidents=len(run.telling.incidents),
        downtime_us=sum(_downtime(pod, run) for pod in run.pods),
        exhausted=sum(1 for pod in run.pods if any(e.exhausted_at is not None for e in pod.episodes)),
        episodes=Counter(e.close_reason or "open" for pod in run.pods for e in pod.episodes),
        status={pod.hand.name: pod.hand.status for pod in run.pods},
        first_heal_us=min((micros(h.triggered_at) for h in calls), default=None),
    )
    first = found.first_heal_us
    first_after = None if first is None else first - run.begins
    return replace(found, checked=tuple(check(run.scenario.expect, found, first_after)))


def _by_action(heals: Iterable[SimHeal]) -> dict[str, dict[str, int]]:
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for heal in heals:
        found[heal.action.value][heal.state.value] += 1
    return {action: dict(ends) for action, ends in sorted(found.items())}


def _most_in_an_hour(calls: Iterable[SimHeal], tenant: str) -> int:
    moments = sorted(micros(h.called_at) for h in calls if h.pod.tenant == tenant and h.called_at is not None)
    return max((i + 1 - bisect_left(moments, at - HOUR_US + 1) for i, at in enumerate(moments)), default=0)


def _most_at_once(calls: Iterable[SimHeal], ends: int) -> int:
    turns = []
    for heal in calls:
        turns.append((micros(heal.triggered_at), 1))
        turns.append((ends if heal.completed_at is None else micros(heal.completed_at), -1))
    most = now = 0
    for _, step in sorted(turns):
        now += step
        most = max(most, now)
    return most


def _holds(run: Run) -> tuple[dict[Gate, int], dict[Gate, int]]:
    count: Counter[Gate] = Counter()
    held: Counter[Gate] = Counter()
    for pod in run.pods:
        ends = [said.at for said in pod.said[1:]] + [run.ends]
        for said, end in zip(pod.said, ends, strict=False):
            if said.answer == Answer.HOLD and said.gate is not None:
                count[said.gate] += 1
                held[said.gate] += end - said.at
    order = list(Gate)
    return {g: count[g] for g in sorted(count, key=order.index)}, dict(held)


def _notices(run: Run) -> dict[str, int]:
    total: Counter[str] = Counter()
    for box in run.telling.inboxes.values():
        total.update({kind.value: many for kind, many in box.notices.items()})
    return dict(sorted(total.items()))


def _downtime(pod: SimPod, run: Run) -> int:
    episodes = [Stretch(e.opened_at, e.closed_at) for e in pod.episodes]
    return uptime(run.begins, run.ends, Course(pod.changes, pod.turns, episodes, pod.successes)).down_us


def check(expect: Expect, found: Report, first_heal_after: int | None) -> Iterator[Checked]:
    """Yield each expectation with what there was."""
    counts: list[tuple[str, Bound | None, float]] = [
        ("heals", expect.heals, found.calls),
        ("heals of any pod", expect.heals_per_pod, max(found.by_pod.values(), default=0)),
        ("heals of a tenant in any hour", expect.heals_in_any_hour, found.most_in_an_hour),
        ("heals at once", expect.heals_at_once, found.most_at_once),
        ("told instead of healed", expect.told, found.told),
        ("messages of a channel", expect.messages, max(found.messages.values(), default=0)),
        ("incidents", expect.incidents, found.incidents),
        ("pods exhausted", expect.exhausted, found.exhausted),
        *((f"heals of tenant {name}", b, found.by_tenant[name]) for name, b in expect.heals_per_tenant.items()),
        *((f"heals of {name}", b, found.by_pod.get(name, 0)) for name, b in expect.heals_of_pods.items()),
        *((f"action {a.value}", b, _called(found.heals.get(a.value, {}))) for a, b in expect.actions.items()),
        *((f"heals {e}", b, _ended(found.heals, e)) for e, b in expect.ends.items()),
        *((f"told {k.value}", b, found.notices.get(k.value, 0)) for k, b in expect.notices.items()),
        *((f"holds by {g.value}", b, found.holds.get(g, 0)) for g, b in expect.holds.items()),
        *((f"episodes {r}", b, found.episodes.get(r, 0)) for r, b in expect.episodes.items()),
    ]
    for what, bound, value in counts:
        if bound is not None:
            yield Checked(what, bound.text, f"{value:g}", bound.holds(value))
    spans: list[tuple[str, Bound | None, float | None]] = [
        ("downtime", expect.downtime, found.downtime_us),
        ("first heal after", expect.first_heal_after, first_heal_after),
        *((f"held by {g.value}", b, found.held_us.get(g, 0)) for g, b in expect.held.items()),
    ]
    for what, bound, span in spans:
        if bound is not None:
            holds = span is not None and bound.holds(span)
            yield Checked(what, bound.text, "never" if span is None else length_text(span), holds)
    for name, wanted in expect.status.items():
        yield Checked(f"status of {name}", wanted, found.status[name], found.status[name] == wanted)


def _called(ends: Mapping[str, int]) -> int:
    return sum(many for end, many in ends.items() if end not in (HealState.CANCELLED, HealState.SKIPPED))


def _ended(heals: Mapping[str, Mapping[str, int]], end: str) -> int:
    return sum(ends.get(end, 0) for action, ends in heals.items() if action != Action.NOTIFY_ONLY)
