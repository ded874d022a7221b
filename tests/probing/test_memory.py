"""However much hostile targets answer, the prober keeps no more of it than before."""

import subprocess
import sys

import psutil
import pytest

from podhealth.core.words import Outcome
from tests.probing.conftest import Asker, a_target
from tests.probing.endless_ends import ENDS
from tests.support.depth import is_deep

CHECKS = 1_000 if is_deep() else 240
MIB = 1 << 20


@pytest.mark.slow
@pytest.mark.fault("F55")
def test_answers_without_end_leave_the_memory_of_the_prober_flat() -> None:
    far = subprocess.Popen([sys.executable, "-m", "tests.probing.endless_ends"], stdout=subprocess.PIPE, text=True)
    try:
        assert far.stdout is not None
        ports = [int(port) for port in far.stdout.readline().split()]
        with Asker() as asker:
            asked = {port: asker.wait(_ask(asker, [port] * 40), 60) for port in ports}  # and all is warm
            before = psutil.Process().memory_info().rss
            for _ in range(CHECKS // 60):
                asker.wait(_ask(asker, ports * 10), 60)
            grown = psutil.Process().memory_info().rss - before
    finally:
        far.kill()
        far.wait()

    assert len(asked) == len(ENDS)
    assert {one.outcome for found in asked.values() for one in found} == {Outcome.OK, Outcome.FAIL}
    assert all((one.size or 0) <= 65_536 for found in asked.values() for one in found)
    assert grown < 5 * MIB, f"{grown / MIB:.1f} MiB for {CHECKS} checks"


def _ask(asker: Asker, ports: list[int]) -> list[int]:
    return asker.submit([a_target(config={"port": port}, timeout_s=10.0) for port in ports])
