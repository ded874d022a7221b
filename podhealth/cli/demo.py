"""``podhealth demo crash|hang|slow NAME``: break one of the demo's pods, and watch what PodHealth makes of it.

Asks the host that keeps the pods; the product is told nothing and has to find out by itself.
"""

import click

from podhealth.cli.demo_host import read_spec
from podhealth.cli.installation import Installation, data_option, open_installation
from podhealth.core.errors import InputError, ProviderError, SetupError
from podhealth.healing.providers.process import SOCKET, ask_host


@click.group()
def demo() -> None:
    """Break a pod of the demo (started by 'podhealth up --demo')."""


@demo.command()
@click.argument("name")
@data_option
def crash(name: str, data: str | None) -> None:
    """Kill the process of pod NAME."""
    _break(data, name, "crash", "was killed")


@demo.command()
@click.argument("name")
@data_option
def hang(name: str, data: str | None) -> None:
    """Stop the process of pod NAME where it stands: it runs and answers nobody."""
    _break(data, name, "hang", "hangs")


@demo.command()
@click.argument("name")
@data_option
def slow(name: str, data: str | None) -> None:
    """Let pod NAME answer 1.2 s late, until it is restarted."""
    _break(data, name, "slow", "is slow until it is restarted")


def _break(data: str | None, name: str, how: str, told: str) -> None:
    installation = open_installation(data)
    names = _names(installation)
    if name not in names:
        raise InputError("NAME", f"the demo has no pod {name!r}; it has {', '.join(names)}")
    try:
        ask_host(installation.demo_folder, {"do": how, "pod": name})
    except ProviderError as error:
        if error.permanent:
            raise InputError("NAME", f"{error}: it can be broken again when it is healed") from None
        raise _not_running(installation) from None
    where = installation.public_url
    click.echo(f"{name} {told}" + (f": watch it at {where}/pods" if where else ""))


def _names(installation: Installation) -> list[str]:
    folder = installation.demo_folder
    if not (folder / SOCKET).exists():
        raise _not_running(installation)
    return sorted(read_spec(folder))


def _not_running(installation: Installation) -> SetupError:
    return SetupError(f"the demo does not run in {installation.folder}: start it with 'podhealth up --demo'")
