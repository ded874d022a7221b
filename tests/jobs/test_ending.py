"""The end of a process: one budget from the wish on, and what is under way when it is spent is named and left."""

import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import yaml

from podhealth.cli.supervision import Program, write_configuration
from podhealth.cli.web import Server
from podhealth.clock import monotonic
from podhealth.core.ending import END_WITHIN_S, IN_FLIGHT_S, KILL_AFTER_S
from podhealth.jobs.ending import EXIT_LEFT, Guard, Leaving, UnderWay
from podhealth.jobs.parts import Parts

ROOT = Path(__file__).resolve().parents[2]


def test_the_budget_begins_with_the_wish_and_ends_for_all_at_one_moment() -> None:
    leaving = Leaving()
    before = leaving.left_s(8.0)
    began = monotonic()
    leaving.set()
    leaving.set()
    left_s = leaving.left_s(8.0)

    assert before == 8.0
    assert 8.0 - (monotonic() - began) <= left_s <= 8.0
    assert leaving.left_s(0.0) == 0.0


def test_what_is_under_way_is_named_by_what_each_thread_is_at_now() -> None:
    under_way = UnderWay()
    go_on = threading.Event()
    is_at = threading.Event()

    def work() -> None:
        with under_way.at("message 7"):
            is_at.set()
            go_on.wait(10)

    thread = threading.Thread(target=work)
    thread.start()
    with under_way.at("job tick.run"):
        with under_way.at("step judge"):
            is_at.wait(10)
            inside = under_way.names()
        outside = under_way.names()
    go_on.set()
    thread.join(10)

    assert inside == ["job tick.run: step judge", "message 7"]
    assert outside == ["job tick.run", "message 7"]
    assert under_way.names() == []


def test_who_has_ended_by_himself_is_let_be() -> None:
    leaving = Leaving()
    guard = Guard(leaving, UnderWay())
    guard.start()
    guard.dismiss()
    leaving.set()
    guard._thread.join(10)

    assert not guard._thread.is_alive()  # and this process goes on


@pytest.mark.slow
def test_a_worker_whose_thread_does_not_end_is_left_after_the_budget_and_says_what_it_was_at(
    sqlite_here: Parts,
) -> None:
    command = [sys.executable, "-m", "tests.jobs.lingering"]
    ran = subprocess.run(command, cwd=ROOT, env=os.environ, timeout=30, check=False, capture_output=True, text=True)

    assert ran.returncode == EXIT_LEFT, ran.stderr
    (line,) = (line for line in ran.stderr.splitlines() if "left at the end" in line)
    assert "message 7" in line
    assert "worker ended" not in ran.stderr


def test_whoever_kills_waits_longer_than_a_process_may_take_to_end(tmp_path: Path, sqlite_here: Parts) -> None:
    units = [path.read_text() for path in (ROOT / "deploy" / "systemd").glob("*.service") if "migrate" not in path.name]
    waits = [int(seconds) for unit in units for seconds in re.findall(r"^TimeoutStopSec=(\d+)$", unit, re.M)]
    services = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())["services"]
    ours = [services[name]["stop_grace_period"] for name in ("web", "scheduler", "probe", "worker")]
    supervised = write_configuration([Program("worker", "true")], tmp_path).read_text()

    assert IN_FLIGHT_S < END_WITHIN_S == Server(sqlite_here.settings).cfg.graceful_timeout < KILL_AFTER_S
    assert len(waits) == len(units) == 4
    assert min(waits + [int(wait.removesuffix("s")) for wait in ours]) >= KILL_AFTER_S
    assert re.findall(r"stopwaitsecs=(\d+)", supervised) == [str(KILL_AFTER_S)]


def test_the_page_of_the_operation_tells_the_same_figures() -> None:
    said = (ROOT / "docs" / "operations.md").read_text().partition("## Stopping")[2].partition("\n## ")[0]

    for seconds in (IN_FLIGHT_S, END_WITHIN_S, KILL_AFTER_S):
        assert f"{seconds:g} s" in said
