"""Each scenario of the repository holds, by whatever seed; and a scenario that does not hold says so."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from podhealth.cli import main
from podhealth.cli.simulate import markdown_lines
from podhealth.cli.simulate import simulate as command
from podhealth.core.errors import InputError
from podhealth.simulator.report import Report, report
from podhealth.simulator.scenario import parse_scenario, read_scenario
from podhealth.simulator.simulate import run, simulate

SCENARIOS = sorted((Path(__file__).parents[2] / "scenarios").glob("*.yaml"))
PAGE = Path(__file__).parents[2] / "docs" / "simulator.md"
SMALL = """
name: small
harm: none
lasts: 2h
tenants: {acme: {policies: [{name: standard, action: restart, isDefault: true}]}}
pods: [{name: web, count: 8, noise: {fail: 0.05, error: 0.05}}]
faults: [{kind: dies, pods: [web-1], at: 30m}]
expect: {heals: 1}
"""


def unmet(found: Report) -> list[str]:
    return [f"{one.what}: wanted {one.wanted}, found {one.found}" for one in found.checked if not one.holds]


@pytest.mark.slow
@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_what_a_scenario_expects_holds_and_the_page_says_what_comes_of_it(path: Path) -> None:
    found = simulate(read_scenario(path))
    *_, row = markdown_lines([(path, found)])

    assert unmet(found) == []
    assert row in PAGE.read_text().splitlines()


@pytest.mark.slow
@pytest.mark.parametrize("seed", [2, 3])
@pytest.mark.parametrize("name", ["restart-loop", "three-down", "bad-deploy", "noise", "partition"])
def test_it_holds_whatever_the_noise(name: str, seed: int) -> None:
    scenario = read_scenario(next(path for path in SCENARIOS if path.stem == name))

    assert unmet(simulate(scenario, seed)) == []


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_a_scenario_names_the_harm_and_expects_something(path: Path) -> None:
    scenario = read_scenario(path)

    assert path.read_text().startswith("# Harm: ")
    assert len(scenario.harm) > 40
    assert scenario.expect.model_fields_set


def test_the_same_seed_gives_the_same_run() -> None:
    scenario = parse_scenario(SMALL, "small")

    assert simulate(scenario, 5).as_json() == simulate(scenario, 5).as_json()
    assert simulate(scenario, 5).probes != simulate(scenario, 6).probes


def test_the_quick_way_of_a_quiet_result_changes_nothing() -> None:
    scenario = parse_scenario(SMALL, "small")
    quick, slow = run(scenario, 5), run(scenario, 5, is_quick=False)

    assert report(quick).as_json() == report(slow).as_json()
    for one, other in zip(quick.pods, slow.pods, strict=True):
        assert one.changes == other.changes
        assert [check.recent_bits for check in one.hand.checks] == [check.recent_bits for check in other.hand.checks]


def ran(tmp_path: Path, text: str, *options: str) -> tuple[int, str]:
    path = tmp_path / "small.yaml"
    path.write_text(text)
    done = CliRunner().invoke(command, [str(path), *options])
    return done.exit_code, done.output


def test_the_command_prints_what_came_of_it_and_each_expectation(tmp_path: Path) -> None:
    code, text = ran(tmp_path, SMALL)

    assert code == 0
    assert "restart      1 succeeded" in text
    assert "pass  heals: wanted 1, found 1" in text


def test_an_expectation_that_does_not_hold_is_named_and_is_exit_code_1(tmp_path: Path) -> None:
    code, text = ran(tmp_path, SMALL.replace("heals: 1", "heals: 0"))

    assert code == 1
    assert "FAIL  heals: wanted 0, found 1" in text


def test_as_json_there_is_one_object_a_scenario(tmp_path: Path) -> None:
    code, text = ran(tmp_path, SMALL, "--json", "--seed", "3")

    found = json.loads(text)
    assert (code, found["seed"], found["isAsExpected"]) == (0, 3, True)
    assert found["healsByTenant"] == {"acme": 1}


WRONG = {
    "an unknown field": ("lasts: 2h", "lasts: 2h\nlast: 3h", "last"),
    "no length": ("lasts: 2h", "lasts: soon", "lasts"),
    "an unknown fault": ("kind: dies", "kind: explodes", "faults.0"),
    "a field of another fault": ("at: 30m", "at: 30m, up: 3m", "faults.0.dies.up"),
    "a bad check": ("{name: web,", "{name: web, checks: [{checkType: http, intervalSeconds: 1}],", "pods.0.checks.0"),
    "a bad policy": ("action: restart", "action: reboot", "tenants.acme.policies.0"),
    "no bound": ("heals: 1", "heals: few", "expect.heals"),
    "a tenant that is not there": ("{name: web,", "{name: web, tenant: zeta,", "small.yaml"),
    "a pod that is not there": ("{heals: 1}", "{status: {db: healthy}}", "small.yaml"),
    "no YAML": ("name: small", "name: [", "small.yaml"),
    "too many pods": ("count: 8", "count: 90000", "pods.0.count"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_bad_field_is_refused_by_its_name(what: str) -> None:
    old, new, field = WRONG[what]
    with pytest.raises(InputError) as caught:
        parse_scenario(SMALL.replace(old, new), "small.yaml")

    assert caught.value.field == field


def test_the_command_names_file_and_field_and_ends_with_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "small.yaml"
    path.write_text(SMALL.replace("lasts: 2h", "lasts: soon"))
    with pytest.raises(SystemExit) as caught:
        main(["simulate", str(path)])

    assert caught.value.code == 2
    assert capsys.readouterr().err == (
        "podhealth: small.yaml: lasts: 'soon' is no length; write 90s, 2m, 1h30m or 3d\n"
    )


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_scenario(tmp_path / "none.yaml")
