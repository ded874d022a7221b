"""`podhealth bench` as a person runs it: real processes, short spans; what it prints, refuses and leaves behind."""

import json
import re
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import sqlalchemy as sa

from podhealth.cli import main
from podhealth.cli.bench_probe import percentile_ms
from podhealth.cli.bench_stock import Load, plan_load
from podhealth.core.errors import InputError
from tests.support.databases import Postgres
from tests.support.depth import is_deep

ASKED = ("--targets", "100", "--rate", "50", "--seconds", "3")
FIGURES = {"recorded", "cpuSeconds", "recordedPerCpuSecond", "rssMb", "lagP50Ms", "lagP99Ms", "failures"}


def bench(*args: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "podhealth", "bench", *args]
    return subprocess.run(command, capture_output=True, text=True, timeout=110, check=False, cwd=folder)


def figures(*args: str, folder: Path | None = None) -> dict:
    done = bench(*args, "--json", folder=folder)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


@pytest.fixture
def empty_postgres(postgres_server: Postgres):
    url = postgres_server.create("podhealth_bench", "template1")
    yield url
    postgres_server.drop("podhealth_bench")


@pytest.mark.slow
@pytest.mark.timeout(120)
class TestProbe:
    def test_every_target_is_probed_its_answers_are_counted_and_nothing_is_left_behind(self, tmp_path, monkeypatch):
        monkeypatch.setenv("TMPDIR", str(tmp_path))
        found = figures("probe", *ASKED, folder=tmp_path)

        assert found.keys() >= FIGURES
        assert (found["failures"], found["checks"], found["rate"]) == (0, 300, 50.0)
        assert 120 <= found["recorded"] <= 180
        assert found["checksProbed"] == found["recorded"]
        assert found["recordedPerCpuSecond"] == pytest.approx(found["recorded"] / found["cpuSeconds"], rel=0.2)
        assert set(found["cpuSecondsByProcess"]) == {"web", "scheduler", "probe", "worker"}
        assert 0 < found["lagP50Ms"] <= found["lagP99Ms"]
        assert list(tmp_path.iterdir()) == []
        assert not [p.pid for p in psutil.process_iter(["cwd"]) if str(tmp_path) in (p.info["cwd"] or "")]

    @pytest.mark.postgres
    def test_silent_targets_are_recorded_as_what_they_are_and_told_in_lines(self, empty_postgres):
        silent, few = ("--timing-out", "30", "--timeout", "1"), ("--small", "10")
        done = bench("probe", *ASKED, *silent, *few, "--database", empty_postgres)
        found = dict(re.findall(r"^ *(\w+)[: ]+(.+)$", done.stdout, re.M))

        assert (done.returncode, done.stderr) == (0, "")
        assert (found["failures"], found["timingOutPercent"], found["timeoutSeconds"]) == ("0", "30", "1.0")
        assert 120 <= int(found["recorded"]) <= 180
        assert (found["database"], float(found["databaseCpuSeconds"]) > 0) == ("postgresql", True)
        assert 1 <= int(found["smallRecorded"]) <= 30
        assert "rowsInserted" in found["databasePerSecond"]
        assert sa.inspect(sa.create_engine(empty_postgres, poolclass=sa.NullPool)).get_table_names() == []

    def test_pods_that_fall_ill_under_policies_are_recorded_as_what_they_are(self):
        found = figures("probe", *ASKED, "--refusing", "30", "--healing")

        assert (found["failures"], found["refusingPercent"], found["healing"]) == (0, 30, True)
        assert 120 <= found["recorded"] <= 260  # those in doubt are probed again sooner


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_changes_reach_all_sockets_while_pages_are_asked():
    found = figures("live", "--sockets", "20", "--seconds", "3")

    assert found.keys() >= {"deliveredP50Ms", "deliveredP99Ms", "pageP95Ms", "rssMb", "cpuSeconds"}
    assert (found["changes"], found["undelivered"], found["failures"]) == (6, 0, 0)
    assert found["deliveredP50Ms"] <= found["deliveredP99Ms"]


@pytest.mark.slow
@pytest.mark.postgres
@pytest.mark.timeout(120)
@pytest.mark.fault("F91")
def test_histories_are_told_and_an_old_day_goes_beside_writers(empty_postgres, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    asked = ("--results", "100000", "--days", "2", "--pods", "4", "--times", "1")
    found = figures("history", *asked, "--database-url", empty_postgres)

    assert found["historyP95Ms"] > 0
    assert found["podP95Ms"] > 0
    assert found["retentionSeconds"] < 5
    assert found["writerWaitMaxMs"] > 0
    assert found["writtenBeside"] > 0
    assert found["intervalSeconds"] == 15
    assert (
        90_000 < found["rows"]["cloud_pod_health_results"] < 140_000
    )  # two days, the second not over, and the old one
    assert sa.inspect(sa.create_engine(empty_postgres, poolclass=sa.NullPool)).get_table_names() == []
    assert list(tmp_path.iterdir()) == []


def refused(capsys, *args):
    """What is said where a benchmark is refused before anything is started."""
    with pytest.raises(SystemExit) as ended:
        main(["bench", *args])
    out, said = capsys.readouterr()
    assert (ended.value.code, out) == (2, "")
    return said


def test_a_database_that_is_not_empty_is_refused_and_left_as_it_is(database_url, engine, capsys):
    assert "--database: must be an empty database" in refused(capsys, "probe", *ASKED, "--database", database_url)
    with engine.connect() as conn:
        assert conn.exec_driver_sql("SELECT COUNT(*) FROM tenants").scalar_one() == 0


@pytest.mark.parametrize(
    ("args", "named"),
    [
        (("probe", "--targets", "0"), "--targets"),
        (("probe", "--targets", "x"), "--targets"),
        (("probe", "--rate", "0"), "--rate"),
        (("probe", "--targets", "10", "--rate", "5", "--small", "10"), "--small"),
        (("probe", "--rate", "nan"), "--rate"),
        (("probe", "--targets", "10", "--rate", "101"), "--rate"),
        (("probe", "--targets", "60000", "--rate", "0.5"), "--rate"),
        (("probe", "--seconds", "0"), "--seconds"),
        (("probe", "--timing-out", "101"), "--timing-out"),
        (("probe", "--timing-out", "5", "--refusing", "5"), "--refusing"),
        (("probe", "--timeout", "0.1"), "--timeout"),
        (("probe", "--database", "nonsense"), "--database"),
        (("probe", "--database", "postgresql://nobody@127.0.0.1:1/none"), "--database"),
        (("live", "--sockets", "0"), "--sockets"),
        (("history", "--results", "1000", "--pods", "1000"), "--pods"),
        (("live", "--seconds", "x"), "--seconds"),
    ],
)
def test_a_bad_value_is_named(args, named, capsys):
    assert named in refused(capsys, *args)


@pytest.mark.parametrize(
    ("targets", "rate", "timeout_s", "checks", "interval_s"),
    [
        (4000, 4000, None, 20_000, 5),
        (4000, 4000, 3, 20_000, 5),
        (1000, 200, None, 1000, 5),
        (100, 50, None, 300, 6),
        (1000, 1, None, 1000, 1000),
        (1000, 1000, 10, 11_000, 11),
    ],
)
def test_as_many_checks_as_the_rate_needs(targets, rate, timeout_s, checks, interval_s):
    load = plan_load(targets, rate, 0, timeout_s)

    assert (load.checks, load.interval_s) == (checks, interval_s)
    assert load.rate == pytest.approx(rate)
    assert load.timeout_s < load.interval_s


def test_a_rate_between_whole_intervals_is_met_by_two_intervals():
    load = plan_load(1000, 150, 0, None)
    intervals = [load.interval_of(check_id) for check_id in range(1, load.checks + 1)]

    assert set(intervals) == {6, 7}
    assert sum(1 / interval for interval in intervals) == pytest.approx(150, rel=0.001)
    assert load.rate == pytest.approx(150, rel=0.001)


def test_silent_pods_lie_evenly_among_the_others():
    load = Load(100, 1, 5, 0, 30, 2.0)
    silent = [pod_id for pod_id in range(1, 101) if load.is_silent(pod_id)]

    assert len(silent) == 30
    assert max(b - a for a, b in zip(silent, silent[1:], strict=False)) <= 4


def test_more_starts_than_one_address_may_have_are_refused():
    with pytest.raises(InputError, match="needs more targets"):
        plan_load(10, 101, 0, None)


def test_a_percentile_of_nothing_is_nothing():
    assert percentile_ms([], 99) is None
    assert percentile_ms(list(range(0, 100_000, 1000)), 99) == 99.0


@pytest.mark.slow
@pytest.mark.timeout(120)
class TestPages:
    def test_each_page_answers_with_the_past_it_was_given(self, empty_postgres):
        for where in ((), ("--database-url", empty_postgres))[: 1 + is_deep()]:
            found = figures("pages", "--pods", "60", "--days", "2", "--times", "1", *where)

            assert found["overviewP95Ms"] > 0
            assert found["podP95Ms"] > 0
            assert found["replayP95Ms"] > 0
            assert 0 < found["overviewKb"] < 40
            assert found["overviewKb"] < found["overviewAllKb"] < 200
            assert found["replay"]["troubles"] > 0
            assert found["rows"]["rollups_1h"] == 60 * 2 * 48
            assert found["database"] == ("postgresql" if where else "sqlite")


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_heartbeats_that_were_answered_are_stored(empty_postgres):
    for where in (("--database", empty_postgres), ())[: 1 + is_deep()]:
        found = figures("heartbeats", "--agents", "50", "--seconds", "1", *where)

        assert (found["lost"], found["refused"]) == (0, 0)
        assert found["recorded"] > 100
        assert found["recordedPerCpuSecond"] == pytest.approx(found["recorded"] / found["cpuSeconds"], rel=0.2)
        assert found["database"] == ("postgresql" if where else "sqlite")
