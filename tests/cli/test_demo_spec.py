"""What the demo is made of fits the product's own rules, and its pods behave as they are told."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import psutil
import pytest

from podhealth.cli.demo_spec import POLICIES, demo_spec
from podhealth.core.check_rules import parse_check
from podhealth.core.pod_rules import parse_pod
from podhealth.core.policy import Candidate, effective_policy, parse_policy
from podhealth.core.sentence import ladder_sentence
from tests.support.ports import free_port
from tests.support.wait import wait_for

LOOPBACK = [["127.0.0.0/8"]]
POD_FIELDS = {"name", "address", "tags", "provider", "providerRef", "providerConfig", "startDeadlineSeconds"}
SPEC = demo_spec("/data/demo", 8800, "http://127.0.0.1:8700", "pa_token")


@pytest.mark.parametrize("pod", SPEC, ids=lambda pod: pod["name"])
def test_a_pod_and_its_checks_are_taken_by_the_rules(pod) -> None:
    rules = parse_pod({key: value for key, value in pod.items() if key in POD_FIELDS}, LOOPBACK)
    checks = [parse_check(check) for check in pod["checks"]]

    assert rules.name == pod["name"]
    assert all(check.interval_seconds == 5 and check.heal for check in checks)


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy["name"])
def test_a_policy_is_taken_by_the_rules_and_has_a_sentence(policy) -> None:
    assert ladder_sentence(parse_policy(policy)).startswith("restart up to")


def test_every_pod_is_governed_and_the_crasher_by_the_ladder_that_ends_soonest() -> None:
    rules = [parse_policy(policy) for policy in POLICIES]
    candidates = [Candidate(n, r.name, r.selector, r.priority, r.is_default) for n, r in enumerate(rules)]
    governed = {pod["name"]: effective_policy(None, pod["tags"], candidates).policy_id for pod in SPEC}

    assert governed.pop("crasher") == 1
    assert set(governed.values()) == {0}


def test_there_are_eight_pods_of_different_make() -> None:
    assert len(SPEC) == len({pod["name"] for pod in SPEC}) == 8
    assert {check["checkType"] for pod in SPEC for check in pod["checks"]} == {"http", "tcp", "agent"}


def test_only_the_agents_process_knows_the_token() -> None:
    knowing = [pod["name"] for pod in SPEC if "pa_token" in str(pod["env"])]

    assert knowing == ["mailer"]
    assert "pa_token" not in str([pod["command"] for pod in SPEC])


Run = Callable[..., subprocess.Popen]


@pytest.fixture
def run() -> Iterator[Run]:
    """Runs one pod of the demo on a free port, and ends it afterwards."""
    started = []

    def start(name: str, where: str | None = None) -> tuple[int, subprocess.Popen]:
        port = free_port()
        (pod,) = [p for p in demo_spec("/d", port, where or "", "pa_token") if p["name"] == name]
        command = [*pod["command"][:-1], where or str(port)]
        process = subprocess.Popen(command, env={**pod["env"]}, stdout=subprocess.DEVNULL)
        started.append(process)
        return port, process

    yield start
    for process in started:
        process.kill()
        process.wait()


def ask(port: int, request: bytes = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n") -> bytes:
    def answer() -> bytes:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as conn:
                conn.sendall(request)
                return conn.makefile("rb").read()
        except ConnectionRefusedError:
            return b""

    return wait_for(answer, 10, what="an answer of the pod")


@pytest.mark.parametrize(
    ("name", "wanted"),
    [("shop-web", b"welcome"), ("shop-api", b'{"status": "ok"}'), ("search", b"results"), ("reports", b"orders")],
)
def test_a_pod_answers_what_its_check_wants(run: Run, name, wanted) -> None:
    port, _ = run(name)

    assert ask(port).startswith(b"HTTP/1.1 200 OK")
    assert wanted in ask(port)


def test_the_queue_greets(run: Run) -> None:
    port, _ = run("queue")

    assert ask(port, b"") == b"+READY\r\n"


def test_the_flaky_one_fails_every_other_time(run: Run) -> None:
    port, _ = run("flaky")

    assert [ask(port)[9:12] for _ in range(4)] == [b"200", b"503", b"200", b"503"]


@pytest.mark.slow
def test_the_crasher_dies_by_itself(run: Run) -> None:
    port, process = run("crasher")
    ask(port)

    assert process.wait(10) == 1


@pytest.mark.slow
def test_a_slow_pod_stays_slow_until_it_is_started_anew(run: Run) -> None:
    port, process = run("shop-web")
    ask(port)
    process.send_signal(signal.SIGUSR1)

    def takes_long() -> bool:
        begun = time.monotonic()
        ask(port)
        return time.monotonic() - begun > 1

    wait_for(takes_long, 10)
    assert process.poll() is None


def test_the_agent_posts_its_heartbeat_with_its_token(run: Run) -> None:
    heard: list[Any] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)
        run("mailer", f"http://127.0.0.1:{server.getsockname()[1]}")
        conn, _ = server.accept()
        with conn:
            heard.append(conn.recv(4096).decode())
            conn.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    assert heard[0].startswith("POST /api/heartbeats HTTP/1.1\r\n")
    assert "Authorization: Bearer pa_token\r\n" in heard[0]
    assert '"periodSeconds": 5' in heard[0]


def test_a_pod_is_light(run: Run) -> None:
    port, process = run("shop-web")
    ask(port)

    assert psutil.Process(process.pid).memory_info().rss < 25 * 2**20
    assert sys.executable == psutil.Process(process.pid).cmdline()[0]
