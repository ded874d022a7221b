"""What a scenario's faults do to its world, each at its time.

Nothing here knows how the healer will take it.
"""

from collections.abc import Callable
from functools import partial

from podhealth.core import set_phase
from podhealth.core.policy import parse_policy
from podhealth.core.words import Action, ActualState
from podhealth.simulator import faults
from podhealth.simulator.engine import Run
from podhealth.simulator.fleet import SimPod, Switched
from podhealth.simulator.outages import cut_begins, cut_ends, node_dies, node_returns
from podhealth.simulator.windows import open_windows
from podhealth.simulator.world import Ailment

_FOR_EVER = 1 << 61


def arrange(run: Run) -> None:
    """Put all that a scenario says will happen into the queue."""
    for fault in run.scenario.faults:
        _ARRANGE[type(fault)](run, fault)
    run.on_start.append(lambda pod, now: dies_again(run, pod, now))
    open_windows(run)


_Timed = faults.Fault | faults.NodeDies | faults.Partition


def _at(run: Run, fault: _Timed, do: Callable[[int], None], undo: Callable[[int], None]) -> None:
    run.later(run.begins + fault.at, do)
    if fault.until is not None:
        run.later(run.begins + fault.until, undo)


_Does = Callable[[SimPod, int], None]


def _to_each(run: Run, fault: faults.Fault, do: _Does, undo: _Does) -> None:
    def to_each(what: _Does, now: int) -> None:
        for pod in run.named(fault.pods):
            what(pod, now)

    _at(run, fault, partial(to_each, do), partial(to_each, undo))


def _spread(run: Run, pods: list[SimPod], spread: int, do: _Does, now: int) -> None:
    for number, pod in enumerate(pods):
        when = now + spread * number // max(1, len(pods))
        run.later(when, lambda at, pod=pod: do(pod, at))  # type: ignore[misc]


def _dies(run: Run, fault: faults.Dies) -> None:
    cures = frozenset(fault.cured_by)

    def die(pod: SimPod, now: int) -> None:
        ailment = Ailment(cures, fault.silent)
        run.world.fall_ill(pod.machine, ailment, now)
        if fault.comes_back_after is not None:
            run.later(now + fault.comes_back_after, lambda at: run.world.get_well(pod.machine, ailment, at))

    def begin(now: int) -> None:
        _spread(run, run.named(fault.pods), fault.spread, die, now)
        if fault.every is not None and (fault.until is None or now + fault.every < run.begins + fault.until):
            run.later(now + fault.every, begin)

    run.later(run.begins + fault.at, begin)


def _dies_after_start(run: Run, fault: faults.DiesAfterStart) -> None:
    rule = (fault.after, frozenset(fault.cured_by))

    def begin(pod: SimPod, now: int) -> None:
        pod.machine.dies_again.append(rule)
        dies_again(run, pod, now)

    _to_each(run, fault, begin, lambda pod, _now: pod.machine.dies_again.remove(rule))


def dies_again(run: Run, pod: SimPod, now: int) -> None:
    """Let a machine that has just come up die again where a fault says so."""
    machine = pod.machine
    for after, cures in machine.dies_again:
        up_at = machine.answers_from

        def die(at: int, up_at: int = up_at, cures: frozenset[Action] = cures) -> None:
            if machine.answers_from == up_at and machine.answers(at):
                run.world.fall_ill(machine, Ailment(cures), at)

        run.later(max(now, up_at) + after, die)


def _flaps(run: Run, fault: faults.Flaps) -> None:
    ends = _FOR_EVER if fault.until is None else run.begins + fault.until

    def down(pod: SimPod, now: int) -> None:
        if now >= ends:
            return
        ailment = Ailment()
        run.world.fall_ill(pod.machine, ailment, now)

        def up(at: int) -> None:
            run.world.get_well(pod.machine, ailment, at)
            run.later(at + fault.up, lambda then: down(pod, then))

        run.later(now + fault.down, up)

    def begin(now: int) -> None:
        for pod in run.named(fault.pods):
            down(pod, now)

    run.later(run.begins + fault.at, begin)


def _slow_boot(run: Run, fault: faults.SlowBoot) -> None:
    def begin(pod: SimPod, _now: int) -> None:
        pod.machine.boot_us = fault.boot

    def end(pod: SimPod, _now: int) -> None:
        pod.machine.boot_us = pod.machine.plan.boot

    _to_each(run, fault, begin, end)


def _bad_deploy(run: Run, fault: faults.BadDeploy) -> None:
    def begin(now: int) -> None:
        _spread(run, run.named(fault.pods), fault.spread, die, now)

    def die(pod: SimPod, now: int) -> None:
        ailment = Ailment()
        run.world.fall_ill(pod.machine, ailment, now)
        if fault.until is not None:
            run.later(run.begins + fault.until, lambda at: run.world.get_well(pod.machine, ailment, at))

    run.later(run.begins + fault.at, begin)


def _node_dies(run: Run, fault: faults.NodeDies) -> None:
    _at(run, fault, lambda now: node_dies(run, fault, now), lambda now: node_returns(run, fault, now))


def _partition(run: Run, fault: faults.Partition) -> None:
    nodes = frozenset(fault.nodes)
    _at(
        run,
        fault,
        lambda now: cut_begins(run, fault.vantage, nodes, now),
        lambda now: cut_ends(run, fault.vantage, nodes, now),
    )


def _locked(run: Run, fault: faults.Locked) -> None:
    def begin(pod: SimPod, _now: int) -> None:
        pod.machine.locks.append(fault.lock)

    _to_each(run, fault, begin, lambda pod, _now: pod.machine.locks.remove(fault.lock))


def _refuses(run: Run, fault: faults.Refuses) -> None:
    def begin(pod: SimPod, _now: int) -> None:
        pod.machine.refusals.append(fault.permanent)

    _to_each(run, fault, begin, lambda pod, _now: pod.machine.refusals.remove(fault.permanent))


def _edits_policy(run: Run, fault: faults.EditsPolicy) -> None:
    tenant = run.tenants[fault.tenant]
    policy = next(p for p in tenant.policies if p.rules.name == fault.policy)

    def edit(now: int) -> None:
        policy.rules = parse_policy(fault.fields, policy.rules)
        policy.version += 1
        policy.versions[policy.version] = policy.rules
        run.healer.edition += 1
        for pod in tenant.pods:
            tenant.inform(pod.hand)
            if pod.episode is not None or pod.hand.status == "unhealthy":
                run.healer.judge_soon(pod, now)

    run.later(run.begins + fault.at, edit)


def _kill_switch(run: Run, fault: faults.KillSwitch) -> None:
    since, until = run.begins + fault.at, run.begins + fault.until

    def begin(now: int) -> None:
        run.healer.switches.append(Switched(fault.scope.value, fault.name, since, until))
        for pod in run.pods:
            if pod.hand.has_open:
                run.healer.judge_soon(pod, now)

    run.later(since, begin)


def _stops(run: Run, fault: faults.Stops) -> None:
    def begin(pod: SimPod, now: int) -> None:
        pod.machine.actual = ActualState.STOPPED
        run.healer.stop(pod, now, "stopped by a person")
        run.healer.judge_soon(pod, now)

    def end(pod: SimPod, now: int) -> None:
        pod.is_wanted, pod.machine.actual = True, ActualState.RUNNING
        pod.machine.answers_from, pod.machine.silent_since = now + pod.machine.boot_us, None
        set_phase.want_running(pod.hand, now, None)
        run.keep(pod, now)

    _to_each(run, fault, begin, end)


_ARRANGE: dict[type, Callable[..., None]] = {
    faults.Dies: _dies,
    faults.DiesAfterStart: _dies_after_start,
    faults.Flaps: _flaps,
    faults.SlowBoot: _slow_boot,
    faults.BadDeploy: _bad_deploy,
    faults.NodeDies: _node_dies,
    faults.Partition: _partition,
    faults.Locked: _locked,
    faults.Refuses: _refuses,
    faults.EditsPolicy: _edits_policy,
    faults.KillSwitch: _kill_switch,
    faults.Stops: _stops,
}
