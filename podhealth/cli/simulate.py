"""``podhealth simulate``: run scripted fleets through the healer's own rules, in virtual time.

Exit code 0: all expectations hold; 1: one does not; 2: a scenario cannot be read.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from podhealth.core.errors import InputError
from podhealth.simulator.lengths import length_text
from podhealth.simulator.report import Report
from podhealth.simulator.scenario import Scenario, read_scenario
from podhealth.simulator.simulate import simulate as run


@click.command()
@click.argument("scenarios", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a scenario and line.")
@click.option("--markdown", is_flag=True, help="Print one Markdown table of all scenarios.")
@click.option("--seed", type=int, help="Another seed for the noise than the scenario's.")
def simulate(scenarios: tuple[Path, ...], as_json: bool, markdown: bool, seed: int | None) -> None:
    """Run SCENARIOS (YAML files): a fleet, what happens to it, and what is expected of the healer.

    Nothing is probed and nobody is told: a day of a thousand pods passes in seconds.
    """
    plans = [(path, _read(path)) for path in scenarios]
    reports = []
    for path, plan in plans:
        found = run(plan, seed)
        reports.append((path, found))
        if as_json:
            click.echo(json.dumps(found.as_json()))
        elif not markdown:
            click.echo("\n".join(_lines(found)) + "\n")
    if markdown:
        click.echo("\n".join(markdown_lines(reports)))
    if not all(found.is_as_expected for _, found in reports):
        sys.exit(1)


def _read(path: Path) -> Scenario:
    try:
        return read_scenario(path)
    except InputError as error:
        # Its fields are those of a file, not options of the command.
        raise click.ClickException(f"{path.name}: {error.field}: {error.message}") from None


def _lines(found: Report) -> Iterator[str]:
    yield f"{found.name}: {found.pods:,} pods, {length_text(found.lasts_us)}, seed {found.seed}"
    yield f"  probes       {found.probes:,}, judgements {found.judgements:,}"
    for action, ends in found.heals.items():
        told = ", ".join(f"{many} {end.replace('_', ' ')}" for end, many in sorted(ends.items()))
        yield f"  {action:<12} {told}"
    yield f"  most         {found.most_in_an_hour} heals of a tenant in an hour, {found.most_at_once} at once"
    for gate, many in found.holds.items():
        yield f"  held by      {gate.value:<12} {many:>6,} times {length_text(found.held_us.get(gate, 0)):>8}"
    for tenant, many in found.messages.items():
        yield f"  messages     {many} to {tenant}"
    yield f"  incidents    {found.incidents}, exhausted {found.exhausted}, downtime {length_text(found.downtime_us)}"
    for one in found.checked:
        mark = "pass" if one.holds else "FAIL"
        yield f"  {mark}  {one.what}: wanted {one.wanted}, found {one.found}"


def markdown_lines(reports: list[tuple[Path, Report]]) -> Iterator[str]:
    """Yield a table with a row for each scenario."""
    yield "| scenario | harm | pods | time | heals | told | held most by | messages | expectations |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
    for path, found in reports:
        held = sorted(found.holds.items(), key=lambda pair: (-pair[1], pair[0]))[:3]
        gates = ", ".join(f"{gate.value} {many:,}" for gate, many in held) or "–"
        passed = sum(one.holds for one in found.checked)
        cells = (
            path.stem,
            " ".join(found.harm.split()),
            f"{found.pods:,}",
            length_text(found.lasts_us),
            str(found.calls),
            str(found.told),
            gates,
            str(max(found.messages.values(), default=0)),
            f"{passed} of {len(found.checked)} hold",
        )
        yield f"| {' | '.join(cells)} |"
