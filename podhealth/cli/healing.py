"""``podhealth healing``: what an installation's operator does to all healing: stop it, let it go on, pass a breaker.

Tenants have the same for themselves on the page of the brakes; nodes and vantages belong to nobody but the operator.
"""

from datetime import timedelta

import click

from podhealth.cli.database import OPERATOR, database
from podhealth.cli.installation import data_option, open_installation
from podhealth.core.errors import Conflict, InputError
from podhealth.core.words import BreakerScope, KillScope
from podhealth.store import holds, overrides
from podhealth.store.db import db_now, read, write

_SCOPES = click.Choice([BreakerScope.NODE.value, BreakerScope.VANTAGE.value])
_reason = click.option("--reason", required=True, help="Stands on the page of each pod that is held, and in the audit.")


@click.group()
def healing() -> None:
    """Stop all healing, let it go on, or let heals pass a breaker."""


@healing.command()
@data_option
@_reason
@click.option("--hours", type=float, default=4.0, show_default=True, help="When it ends by itself.")
def stop(data: str | None, reason: str, hours: float) -> None:
    """Switch healing off for all tenants: planned heals are cancelled, what runs is followed to its end."""
    with database(open_installation(data)) as engine, write(engine) as conn:
        until = db_now(conn) + _span(hours)
        holds.set_kill_switch(conn, OPERATOR, KillScope.SYSTEM, until, reason)
    click.echo(f"healing is switched off everywhere until {until:%Y-%m-%d %H:%M} UTC")


@healing.command()
@data_option
def resume(data: str | None) -> None:
    """End what 'stop' began."""
    with database(open_installation(data)) as engine, write(engine) as conn:
        ids = holds.system_switches(conn, db_now(conn))
        if not ids:
            raise Conflict("healing is not switched off everywhere")
        for switch_id in ids:
            holds.end_kill_switch(conn, OPERATOR, switch_id)
    click.echo("healing goes on")


@healing.command("pass-breaker")
@data_option
@click.argument("scope", type=_SCOPES)
@click.argument("key")
@_reason
@click.option("--hours", type=float, default=1.0, show_default=True, help="At most 24.")
def pass_breaker(data: str | None, scope: str, key: str, reason: str, hours: float) -> None:
    """Let heals pass the breaker of SCOPE (node or vantage) KEY (the node's id, or the vantage's name)."""
    with database(open_installation(data)) as engine, write(engine) as conn:
        until = db_now(conn) + _span(hours)
        overrides.override(conn, OPERATOR, BreakerScope(scope), key, until, reason)
    click.echo(f"heals pass the breaker of {scope} {key} until {until:%Y-%m-%d %H:%M} UTC")


@healing.command()
@data_option
def status(data: str | None) -> None:
    """Print what holds healing back beyond single pods and tenants."""
    with database(open_installation(data)) as engine, read(engine) as conn:
        now = db_now(conn)
        switches = holds.system_switches(conn, now)
        listed = overrides.standing(conn)
    click.echo("healing is switched off everywhere" if switches else "healing is on")
    for row in listed:
        passed = row.override_until is not None and row.override_until > now
        more = f", passed until {row.override_until:%H:%M} UTC" if passed else ""
        state = row.state.replace("_", "-")
        click.echo(f"breaker of {row.scope} {row.scope_key}: {state}, {row.suspects} of {row.rest} pods{more}")


def _span(hours: float) -> timedelta:
    if not 0 < hours <= 24 * 31:
        raise InputError("hours", "must be more than 0, and at most 31 days")
    return timedelta(hours=hours)
