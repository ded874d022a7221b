"""``podhealth verify-audit``: whether anybody changed what was done, from outside the program.

Exit code 0: all chains are whole; 1: one is not; 2: there is nothing to look at.
"""

import sys

import click

from podhealth.cli.database import database
from podhealth.cli.installation import data_option, open_installation
from podhealth.store import audit
from podhealth.store.audit import Verdict


@click.command("verify-audit")
@data_option
def verify_audit(data: str | None) -> None:
    """Verify the audit trail of every tenant and of the installation, and name the first entry that does not fit."""
    with database(open_installation(data)) as engine:
        found = list(audit.verify_all(engine))
    broken = [verdict for verdict in found if verdict.broken_at is not None]
    for verdict in broken:
        click.echo(f"{_whose(verdict)}: entry {verdict.broken_at} is missing, changed or out of order")
    if broken:
        sys.exit(1)
    click.echo(f"ok, {sum(verdict.entries for verdict in found)} entries")


def _whose(verdict: Verdict) -> str:
    if verdict.chain == audit.INSTALLATION:
        return "installation"
    return f"tenant {verdict.chain}" if verdict.tenant is None else f"tenant {verdict.tenant}"
