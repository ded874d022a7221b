"""The engine: thousands in flight, one deadline each, and its own troubles never a pod's failure."""

import subprocess
import sys
import threading
import time
from typing import Any

import pytest

from podhealth.core.probe import Finding
from podhealth.core.words import Kind, Outcome
from podhealth.probing.base import Plan, Probe
from podhealth.probing.engine import Engine, probe_once
from podhealth.probing.stall import Stalls
from podhealth.probing.tcp import TcpProber
from tests.probing.conftest import Asker, a_target
from tests.probing.test_http import loop_noise_s, told
from tests.support.listeners import Listener, page, stay_silent
from tests.support.wait import wait_for


@pytest.mark.slow
@pytest.mark.fault("F93")
def test_thousands_of_silent_targets_do_not_hold_up_the_others() -> None:
    with Listener(stay_silent) as silent, Listener(stay_silent) as quick, Asker() as asker:
        slow_ones = [a_target(config={"port": silent.port}, timeout_s=4.0, tenant_id=n % 9) for n in range(2000)]
        slow = asker.submit(slow_ones)
        wait_for(lambda: silent.connections == 2000)
        fast = asker.submit([a_target(Kind.TCP, str(quick.port), tenant_id=20 + n % 9) for n in range(200)])
        good = asker.wait(fast, 3.0)
        ended_before = sum(key in asker.found for key in slow)
        silent_ones = asker.wait(slow)

    assert {told(one) for one in good} == {("ok", None, None)}
    assert ended_before == 0
    assert {told(one) for one in silent_ones} == {("fail", "down", "timeout")}
    assert max(asker.took_s(key) for key in fast) < 0.5 + loop_noise_s()
    assert max(asker.took_s(key) for key in slow) < 4.0 + 0.1 + 2 * loop_noise_s()


def test_times_are_those_of_the_probe_itself() -> None:
    before = time.monotonic()
    with Listener(page()) as far, Asker() as asker:
        asker.ask(config={"port": far.port})
        begun, ended = asker.times[0]

    assert before <= begun <= ended <= time.monotonic()


def test_in_flight_and_room_count_what_was_taken() -> None:
    with Listener(stay_silent) as silent, Asker(max_in_flight=10) as asker:
        keys = asker.submit([a_target(config={"port": silent.port}, timeout_s=0.5) for _ in range(7)])
        taken = (asker.engine.in_flight, asker.engine.room())
        asker.wait(keys)
        left = (asker.engine.in_flight, asker.engine.room())

    assert taken == (7, 3)
    assert left == (0, 10)


def test_no_more_than_the_slots_are_under_way_and_the_rest_follows() -> None:
    with Listener(stay_silent) as silent, Asker(max_in_flight=5) as asker:
        keys = asker.submit([a_target(config={"port": silent.port}, timeout_s=0.5) for _ in range(8)])
        wait_for(lambda: silent.connections == 5)
        asker.wait(keys)

    assert silent.connections == 8


@pytest.mark.attack("A93")
@pytest.mark.fault("F62")
def test_one_address_is_probed_ten_times_a_second_and_no_more() -> None:
    with Listener(stay_silent) as far, Asker(starts_per_address=10.0) as asker:
        keys = asker.submit([a_target(Kind.TCP, str(far.port)) for _ in range(15)])
        asker.wait(keys)
    starts = sorted(asker.times[key][0] for key in keys)

    assert starts[9] - starts[0] < 0.5 + loop_noise_s()
    assert starts[10] - starts[0] >= 1.0


@pytest.mark.attack("A93")
def test_an_address_too_many_ask_for_is_our_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("podhealth.probing.engine.MAX_PACING_S", 0.5)
    with Listener(stay_silent) as far, Asker(starts_per_address=2.0) as asker:
        found = asker.wait(asker.submit([a_target(Kind.TCP, str(far.port)) for _ in range(3)]))

    assert [told(one) for one in found] == [("ok", None, None)] * 2 + [("error", None, "address_busy")]


def test_silence_while_the_prober_itself_was_held_up_is_its_own_error() -> None:
    held_up, found = threading.Event(), {}

    def done(key: Any, finding: Finding, _begun: float, _ended: float) -> None:
        found[key] = finding
        if key == "quick":  # as a full queue does: nothing turns meanwhile
            held_up.wait(0.8)

    engine = Engine(done, 10, starts_per_address=0)
    with Listener(stay_silent) as silent, Listener(page()) as far:
        engine.start()
        early = ("early", a_target(config={"port": silent.port}, timeout_s=0.6))
        late = ("late", a_target(config={"port": silent.port}, timeout_s=3.0))
        engine.submit([early, late])
        wait_for(lambda: silent.connections == 2)
        engine.submit([("quick", a_target(config={"port": far.port}))])
        wait_for(lambda: len(found) == 3)
        engine.stop(0.0)

    assert told(found["early"]) == ("error", None, "prober_stalled")
    assert told(found["late"]) == ("fail", "down", "timeout")


def test_a_gap_excuses_deadlines_inside_it_and_as_long_after_as_it_lasted() -> None:
    stalls = Stalls()
    stalls.note(10.0, 0.4, 11.0)

    assert [stalls.excuses(at) for at in (9.9, 10.0, 10.1, 11.0, 11.4, 11.5)] == [False, False, True, True, True, False]


def test_a_quarter_of_a_second_is_no_gap() -> None:
    stalls = Stalls()
    stalls.note(10.0, 0.25, 10.3)

    assert not stalls.excuses(10.2)


def test_the_lag_of_a_held_up_loop_can_be_seen_while_it_lasts() -> None:
    go_on = threading.Event()
    engine = Engine(lambda *_arguments: go_on.wait(10) and None, 10, starts_per_address=0)
    with Listener(page()) as far:
        engine.start()
        engine.submit([(0, a_target(config={"port": far.port}))])
        wait_for(lambda: engine.loop_lag_s > 0.3)
        go_on.set()
        wait_for(lambda: engine.in_flight == 0)
        engine.stop(1.0)


def test_stop_returns_what_did_not_end_and_tells_nothing_more_of_it() -> None:
    with Listener(stay_silent) as silent:
        asker = Asker(max_in_flight=2)
        asker.engine.start()
        keys = asker.submit([a_target(config={"port": silent.port}) for _ in range(4)])
        wait_for(lambda: silent.connections == 2)
        left = asker.engine.stop(0.0)

    assert sorted(left) == keys
    assert asker.found == {}


def test_stop_waits_for_what_ends_in_time() -> None:
    with Listener(stay_silent) as silent:
        asker = Asker()
        asker.engine.start()
        keys = asker.submit([a_target(config={"port": silent.port}, timeout_s=0.5)])
        wait_for(lambda: silent.connections == 1)
        left = asker.engine.stop(5.0)

    assert left == []
    assert told(asker.found[keys[0]]) == ("fail", "down", "timeout")


def test_a_crash_in_one_probe_is_its_own_error_and_the_loop_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_arguments: Any) -> None:
        raise ZeroDivisionError

    with Listener(stay_silent) as far, Asker() as asker:
        monkeypatch.setattr(TcpProber, "_connected", crash)
        crashed = [asker.ask(Kind.TCP, str(far.port)) for _ in range(2)]
        monkeypatch.undo()
        good = asker.ask(Kind.TCP, str(far.port))

    assert [told(one) for one in crashed] == [("error", None, "prober")] * 2
    assert told(good) == ("ok", None, None)


def test_a_crash_in_judging_an_answer_is_its_own_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_arguments: Any) -> None:
        raise ZeroDivisionError

    with Listener(page()) as far, Asker() as asker:
        monkeypatch.setattr("podhealth.probing.http.judge", crash)
        crashed = asker.wait(asker.submit([a_target(config={"port": far.port}) for _ in range(5)]))
        monkeypatch.undo()
        good = asker.ask(config={"port": far.port})

    assert {told(one) for one in crashed} == {("error", None, "prober")}
    assert told(good) == ("ok", None, None)


def test_a_crash_in_starting_a_probe_is_its_own_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(_self: TcpProber, _probe: Probe) -> None:
        raise ZeroDivisionError

    with Asker() as asker:
        monkeypatch.setattr(TcpProber, "begin", crash)

        assert told(asker.ask(Kind.TCP, "80")) == ("error", None, "prober")


def test_a_crash_in_reading_a_target_is_its_own_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(_self: TcpProber, _target: Any) -> Plan:
        raise ZeroDivisionError

    with Asker() as asker:
        monkeypatch.setattr(TcpProber, "plan", crash)

        assert told(asker.ask(Kind.TCP, "80")) == ("error", None, "prober")


def test_without_free_descriptors_a_probe_is_our_error() -> None:
    out = subprocess.run(
        [sys.executable, "-c", _NO_DESCRIPTORS], capture_output=True, text=True, timeout=60, check=False
    )

    assert out.stdout.split() == ["error", "no_sockets"] * 3, out.stderr


_NO_DESCRIPTORS = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (120, 120))
from podhealth.core.words import Kind
from tests.probing.conftest import Asker, a_target
with Asker() as asker:
    asker.ask(Kind.AGENT)
    held = []
    try:
        while True:
            held.append(open("/dev/null"))
    except OSError:
        pass
    for kind, target in ((Kind.TCP, "9"), (Kind.HTTP, "/"), (Kind.PING, None)):
        found = asker.ask(kind, target, timeout_s=2.0)
        print(found.outcome.value, found.code)
    held.clear()
"""


def test_the_kind_running_is_not_probed_from_here(asker: Asker) -> None:
    assert told(asker.ask(Kind.RUNNING)) == ("invalid", None, "kind")


def test_probe_once_waits_for_the_finding_and_leaves_nothing_behind() -> None:
    threads = threading.active_count()
    with Listener(page()) as far:
        found = probe_once(a_target(config={"port": far.port}))

    assert found.outcome is Outcome.OK
    wait_for(lambda: threading.active_count() <= threads)
