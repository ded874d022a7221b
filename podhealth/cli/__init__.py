"""The ``podhealth`` command: one file a subcommand, loaded only when it is asked for.

Errors that the caller can mend (SetupError, InputError, NotFound, Conflict) end in one line and exit code 2.
"""

import atexit
import gc
import sys
from collections.abc import Sequence
from importlib import import_module

import click

from podhealth.core.errors import InputError, PodHealthError

_COMMANDS = {
    "apply": "podhealth.cli.declared:apply",
    "backup": "podhealth.cli.backup:backup",
    "bench": "podhealth.cli.bench:bench",
    "demo": "podhealth.cli.demo:demo",
    "demo-host": "podhealth.cli.demo_host:demo_host",
    "doctor": "podhealth.cli.doctor:doctor",
    "export": "podhealth.cli.declared:export",
    "healing": "podhealth.cli.healing:healing",
    "import": "podhealth.cli.importing:import_",
    "migrate": "podhealth.cli.migrate:migrate",
    "openapi": "podhealth.cli.openapi:openapi",
    "plan": "podhealth.cli.declared:plan",
    "restore": "podhealth.cli.backup:restore",
    "scheduler": "podhealth.cli.scheduler:scheduler",
    "sign-in-link": "podhealth.cli.user:sign_in_link",
    "simulate": "podhealth.cli.simulate:simulate",
    "sync": "podhealth.cli.sync:sync",
    "token": "podhealth.cli.token:token",
    "up": "podhealth.cli.up:up",
    "user": "podhealth.cli.user:user",
    "vantage": "podhealth.cli.vantage:vantage",
    "verify-audit": "podhealth.cli.audit:verify_audit",
    "web": "podhealth.cli.web:web",
    "worker": "podhealth.cli.worker:worker",
}


class _LazyGroup(click.Group):
    # A worker should not import the benchmark's or the demo's modules, nor they the worker's.
    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, _, name = _COMMANDS[cmd_name].partition(":")
        gc.disable()  # what an import makes stays: looking for garbage meanwhile costs a sixth of the start
        command = getattr(import_module(module), name)
        gc.enable()
        if not isinstance(command, click.Command):
            raise TypeError(f"{_COMMANDS[cmd_name]} is no click command")
        return command


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="podhealth")
def podhealth() -> None:
    """Watch pods by what their applications answer, heal them by policy, and say why."""


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line; what the caller can mend is one line on stderr and exit code 2."""
    # Before it is gone, Python looks through all objects for cycles, again and again: half a second of CPU time, on a
    # busy machine many seconds, in which a program that was told to end, and has, still stands there.
    atexit.register(gc.freeze)
    try:
        podhealth.main(args=args, prog_name="podhealth", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(2)
    except click.ClickException as error:
        click.echo(f"podhealth: {error.format_message()}", err=True)
        sys.exit(2)
    except click.Abort:
        sys.exit(130)
    except InputError as error:
        # The store names its fields; here each has the option of that name.
        field = f"--{error.field}" if error.field.islower() and not error.field.startswith("--") else error.field
        click.echo(f"podhealth: {field}: {error.message}", err=True)
        sys.exit(2)
    except PodHealthError as error:
        click.echo(f"podhealth: {error}", err=True)
        sys.exit(2)
