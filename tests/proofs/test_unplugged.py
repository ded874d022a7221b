"""A prober whose cable is pulled, for real (hazards F50)."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.support.depth import is_deep
from tests.support.wire import own_network


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.fault("F50")
def test_a_prober_whose_cable_is_pulled_heals_nobody_and_tells_it_once(
    tmp_path: Path, sqlite_engine: sa.Engine, back_after: Callable[[float], None]
) -> None:
    sqlite_engine.dispose()
    url, lasts_s = sqlite_engine.url.render_as_string(hide_password=False), 120 if is_deep() else 5
    command = own_network("tests.proofs.unplugged", str(tmp_path), url, str(lasts_s))
    found = json.loads(subprocess.check_output(command, timeout=280))
    back_after(found.pop("back"))

    assert found == {"blind": 1, "of steady pods": 0, "unhealthy": 0, "heals": 0, "calls": 0}
