"""What an edited policy would have made of troubles that were."""

from dataclasses import replace

import pytest

from podhealth.core.ladder import PolicyRules
from podhealth.core.recorded import US, KeptOut, PodPast, RecordedHeal, Trouble, Watcher
from podhealth.core.words import Action, Gate, Mode, Phase, ProviderKind
from podhealth.simulator.replay import Replayed, replay

MINUTE, HOUR = 60 * US, 3_600 * US
BEGIN = 1_760_000_000 * US
END = BEGIN + 30 * 24 * HOUR
CHECKS = {1: Watcher(1, "http"), 2: Watcher(2, "quiet", heal=False)}
RULES = PolicyRules("standard")
RESTART = Action.RESTART


def trouble(at: float, minutes: int | None, heals: tuple[int, ...] = (), check_id: int = 1) -> Trouble:
    """A trouble from an hour of the period on, with heals at these minutes of it."""
    since = BEGIN + round(at * HOUR)
    ends = None if minutes is None else since + minutes * MINUTE
    return Trouble(since, since + 40 * US, ends, check_id, tuple(since + m * MINUTE for m in heals))


def a_past(*troubles: Trouble, pod_id: int = 1, provider: ProviderKind = ProviderKind.PROXMOX) -> PodPast:
    heals = [RecordedHeal(at, RESTART) for one in troubles for at in one.heals]
    return PodPast(pod_id, f"web-{pod_id}", pod_id, provider, None, 30 * US, troubles, (), heals)


def replayed(rules: PolicyRules, *pods: PodPast) -> Replayed:
    return replay(rules, pods, CHECKS, BEGIN, END)


def times(found: Replayed) -> dict[Gate, int]:
    return {held.gate: held.times for held in found.holds}


def test_a_restart_ends_a_trouble_after_the_typical_boot() -> None:
    found = replayed(RULES, a_past(trouble(1, 60)))

    assert (found.troubles, found.heals, found.exhausted) == (1, {RESTART: 1}, 0)
    # It settles for an interval of its check, a minute, and boots for half of one.
    assert (found.down_us, found.recorded_down_us) == (90 * US, HOUR)
    assert times(found) == {Gate.TRIGGER: 1, Gate.SETTLING: 1}


def test_a_trouble_that_is_over_before_the_trigger_needs_no_heal() -> None:
    found = replayed(replace(RULES, trigger_after_failures=10), a_past(trouble(1, 5)))

    assert (found.heals, found.down_us) == ({}, 5 * MINUTE)


def test_the_replay_of_the_policy_that_was_in_force_shows_no_difference() -> None:
    past = a_past(trouble(1, 3, (1,)), trouble(30, 16, (1, 14)), trouble(60, 2, (1,)))
    found = replayed(RULES, past)

    assert found.heals == found.recorded_heals == {RESTART: 4}
    assert found.down_us == found.recorded_down_us


def test_a_patient_policy_heals_later_and_the_pod_is_down_for_longer() -> None:
    past = a_past(trouble(1, 20, (1, 18)))
    quick, slow = (replayed(replace(RULES, cooldown_minutes=minutes), past) for minutes in (1, 600))

    assert quick.down_us < slow.down_us == slow.recorded_down_us
    assert (quick.heals, slow.heals) == ({RESTART: 2}, {RESTART: 1})


def test_heals_that_did_not_help_would_not_help_now() -> None:
    found = replayed(replace(RULES, cooldown_minutes=0), a_past(trouble(1, 600, (1, 15, 40))))

    assert (found.heals, found.exhausted) == ({RESTART: 3}, 1)
    assert found.down_us == found.recorded_down_us
    assert times(found)[Gate.LADDER] == 1


def test_an_exhausted_ladder_is_gone_on_with_after_a_relapse() -> None:
    found = replayed(replace(RULES, max_attempts=1), a_past(trouble(1, 60), trouble(2, 60), trouble(40, 60)))

    assert (found.heals, found.exhausted) == ({RESTART: 2}, 1)


@pytest.mark.parametrize(
    ("rules", "heals"),
    [
        (replace(RULES, mode=Mode.OFF), {}),
        (replace(RULES, enabled=False), {}),
        (replace(RULES, mode=Mode.SHADOW), {RESTART: 1}),
        (replace(RULES, mode=Mode.APPROVE), {RESTART: 1}),
        (replace(RULES, action=Action.NOTIFY_ONLY, max_attempts=1), {Action.NOTIFY_ONLY: 1}),
        (replace(RULES, max_attempts=0), {}),
    ],
)
def test_modes_and_empty_ladders(rules: PolicyRules, heals: dict[Action, int]) -> None:
    found = replayed(rules, a_past(trouble(1, 60)))

    assert found.heals == heals
    assert RESTART in heals or found.down_us == found.recorded_down_us


def test_a_pod_without_provider_is_only_told_about() -> None:
    found = replayed(RULES, a_past(trouble(1, 60), provider=ProviderKind.NONE))

    assert found.heals == {Action.NOTIFY_ONLY: 1}


def test_a_check_that_does_not_heal_triggers_nothing() -> None:
    found = replayed(RULES, a_past(trouble(1, 60, check_id=2)))

    assert (found.heals, found.down_us) == ({}, HOUR)


def test_maintenance_holds_and_is_no_downtime() -> None:
    past = a_past(trouble(1, 120))
    window = KeptOut(BEGIN + HOUR, BEGIN + 2 * HOUR, Phase.MAINTENANCE)
    found = replayed(RULES, replace(past, kept_out=(window,)))

    assert times(found)[Gate.SNOOZE] == 1
    assert (found.down_us, found.recorded_down_us) == (30 * US, HOUR)


def test_many_at_once_are_held_by_the_breaker_and_tried_one_by_one() -> None:
    pods = [a_past(trouble(1, 120), pod_id=number) for number in range(1, 21)]
    found = replayed(RULES, *pods)

    assert times(found)[Gate.BREAKER] == 20
    # None in the first quarter of an hour, and no more than the budget of the hour after it.
    assert found.heals[RESTART] <= 12
    assert found.down_us < found.recorded_down_us


def test_where_heals_fail_a_breaker_tries_one_a_quarter_of_an_hour() -> None:
    pods = [a_past(trouble(1, 120, (1,)), pod_id=number) for number in range(1, 21)]
    found = replayed(replace(RULES, max_attempts=10, cooldown_minutes=0), *pods)

    # From the first quarter of an hour on; a heal that fails takes some minutes itself.
    assert 5 <= found.heals[RESTART] <= 7
    assert found.down_us == found.recorded_down_us


@pytest.mark.parametrize(("nodes", "waits"), [((1, 2), {}), ((1, 1), {Gate.CONCURRENCY: 1})], ids=["two", "one"])
def test_pods_of_one_node_are_healed_one_after_the_other(nodes: tuple[int, int], waits: dict[Gate, int]) -> None:
    ill = [replace(a_past(trouble(1, 60), pod_id=n), node_id=node) for n, node in enumerate(nodes, 1)]
    found = replayed(RULES, *ill, *(a_past(pod_id=number) for number in range(3, 43)))

    assert found.heals == {RESTART: 2}
    assert {gate: times(found)[gate] for gate in times(found) if gate == Gate.CONCURRENCY} == waits


@pytest.mark.parametrize(("apart_min", "held"), [(4, 2), (11, 0)])
def test_the_budget_holds_what_comes_one_by_one_but_often(apart_min: int, held: int) -> None:
    ill = [a_past(trouble(1 + n * apart_min / 60, 600), pod_id=n) for n in range(1, 9)]
    found = replayed(RULES, *ill, *(a_past(pod_id=number) for number in range(9, 31)))

    assert found.heals == {RESTART: 8}
    assert times(found).get(Gate.BUDGET, 0) == held


def test_what_comes_seldom_is_all_healed() -> None:
    pods = [a_past(trouble(number, 600), pod_id=number) for number in range(1, 10)]
    sparse = replayed(RULES, *pods)
    dense = replayed(RULES, *(a_past(trouble(1, 600), pod_id=n) for n in range(1, 3)), *pods)

    assert Gate.BUDGET not in times(sparse)
    assert sparse.heals == {RESTART: 9}
    assert dense.heals[RESTART] == 11


def test_a_trouble_that_lasts_counts_to_the_end_of_the_period() -> None:
    found = replayed(replace(RULES, max_attempts=0), a_past(trouble(24 * 30 - 2, None)))

    assert found.down_us == found.recorded_down_us == 2 * HOUR


def test_without_any_trouble_nothing_is_done() -> None:
    assert replayed(RULES, a_past()) == Replayed(1, 0, {}, {}, (), 0, 0, 0, {})
