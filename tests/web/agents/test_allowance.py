"""How often one token may be used."""

import pytest

from podhealth.web.agents.allowance import Allowance


def _waits(allowance, token, times):
    return [allowance.wait_s(token) for _ in range(times)]


def test_a_tokens_uses_are_counted_by_themselves():
    allowance = Allowance(3)

    assert _waits(allowance, "a", 3) == [0, 0, 0]
    assert allowance.wait_s("a") == pytest.approx(20, abs=1)
    assert allowance.wait_s("b") == 0
