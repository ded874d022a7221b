"""``podhealth migrate`` as an operator runs it."""

import os
import subprocess
import sys

import pytest
import sqlalchemy as sa

from podhealth.core.words import ProviderKind
from podhealth.models import Pod
from podhealth.store import revision
from podhealth.store.db import make_engine, read, write
from tests.support import build

pytestmark = pytest.mark.slow


def _run(*args, **environment):
    clean = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "PODHEALTH_DATA")}
    return subprocess.run(
        [sys.executable, "-m", "podhealth", "migrate", *args],
        env=clean | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_an_empty_database_is_brought_to_the_schema_and_found_current(tmp_path):
    url = f"sqlite:///{tmp_path / 'x.db'}"
    before = _run("--check", DATABASE_URL=url)
    done = _run(DATABASE_URL=url)
    after = _run("--check", DATABASE_URL=url)

    assert (before.returncode, done.returncode, after.returncode) == (1, 0, 0)
    assert "run 'podhealth migrate'" in before.stderr
    assert f"revision {revision.newest()}" in done.stdout


def test_a_data_folder_is_found_by_its_option(tmp_path):
    done = _run("--data", str(tmp_path))

    assert done.returncode == 0
    assert (tmp_path / "podhealth.db").exists()


@pytest.mark.parametrize("args", [(), ("--check",)], ids=["migrate", "check"])
def test_a_database_that_is_not_reached_is_one_line_and_exit_code_2(tmp_path, args):
    done = _run(*args, DATABASE_URL=f"sqlite:///{tmp_path / 'missing' / 'x.db'}")

    assert done.returncode == 2
    assert done.stderr.startswith("podhealth: DATABASE_URL: ")
    assert len(done.stderr.splitlines()) == 1


def test_a_postgresql_that_is_not_there_is_one_line_and_exit_code_2(tmp_path):
    done = _run(DATABASE_URL=f"postgresql://nobody@/x?host={tmp_path}")

    assert done.returncode == 2
    assert done.stderr.startswith("podhealth: DATABASE_URL: ")
    assert len(done.stderr.splitlines()) == 1


def test_secrets_that_lie_open_are_sealed(tmp_path):
    url = f"sqlite:///{tmp_path / 'x.db'}"
    _run(DATABASE_URL=url)
    engine = make_engine(url)
    with write(engine) as conn:
        hook = {"provider": ProviderKind.WEBHOOK, "provider_config": {"url": "https://x", "secret": "canary"}}
        pod_id = build.a_pod(conn, build.a_tenant(conn), "web", **hook)
    done = [_run(DATABASE_URL=url, SECRET_KEY="k" * 40) for _ in range(2)]
    with read(engine) as conn:
        config = conn.scalar(sa.select(Pod.provider_config).where(Pod.id == pod_id))

    assert "sealed the provider secrets of 1 pods" in done[0].stdout
    assert "sealed" not in done[1].stdout
    assert (config["url"], set(config["secret"])) == ("https://x", {"sealed"})
    assert "canary" not in done[0].stdout + done[0].stderr
