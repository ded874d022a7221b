"""The rules of the check machine and of the heal machine without a database: many more steps in the same time.

The machines are those of tests/core, where a short run has them; here they are counted with the others.
"""

import pytest

from tests.core.test_heal_machine import OnePod
from tests.core.test_status_machine import OneCheck
from tests.machines.living import Counted, Lives, Machine, live


class CheckRules(Machine, OneCheck):
    """One check, against the text told once more."""


class HealRules(Machine, OnePod):
    """One pod, its episodes and heals, against what the text forbids."""


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_check_lives_by_the_rules(counted: Counted) -> None:
    live(CheckRules, counted, short=Lives(3, 20), long=Lives(2400, 60))


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_pod_is_healed_by_the_rules(counted: Counted) -> None:
    live(HealRules, counted, short=Lives(2, 20), long=Lives(800, 60))
