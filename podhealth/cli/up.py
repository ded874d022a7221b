"""``podhealth up``: everything on this machine, on one command, until Ctrl-C.

Prints one line on stdout when people can come in; what happens to the programs is said on stderr.
"""

import errno
import os
import signal
import socket
import threading
import urllib.error
import urllib.request

import click

from podhealth import clock
from podhealth.beside import beside
from podhealth.cli.installation import Installation, data_option, open_installation, sole_use
from podhealth.cli.redis_program import redis_command
from podhealth.cli.supervision import Program, Supervision, programs_of, quoted, write_configuration
from podhealth.core.errors import SetupError

_PROCFILE = beside("Procfile")
_READY_WITHIN_S = 60
_DEFAULT_PORT = 8700

# A visitor breaks several of eight pods at once, again and again: with the brakes of a real fleet all would be held.
_LOOPBACK = "PODHEALTH_DEMO_LOOPBACK"
_DEMO = {
    _LOOPBACK: "true",
    "PODHEALTH_HEALS_AN_HOUR": "60",
    "PODHEALTH_HEALS_AT_ONCE_PERCENT": "50",
    "PODHEALTH_BREAKER_LEAST": "4",
}


@click.command()
@data_option
@click.option(
    "--port", type=click.IntRange(1, 65535), default=_DEFAULT_PORT, show_default=True, help="Port of the dashboard."
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address the dashboard listens on.")
@click.option("--demo", is_flag=True, help="Add a tenant 'demo' with real local pods that can be broken and heal.")
def up(data: str | None, port: int, host: str, demo: bool) -> None:
    """Run web, scheduler and workers from the Procfile, with a private Redis and SQLite unless URLs are set."""
    installation = open_installation(data, create=True)
    with sole_use(installation.folder):
        _require_free_port(host, port)
        public_url = (os.environ.get("PODHEALTH_PUBLIC_URL") or f"http://{_in_url(host)}:{port}").rstrip("/")
        more = {
            "PODHEALTH_WEB_HOST": host,
            "PODHEALTH_WEB_PORT": str(port),
            "PODHEALTH_PUBLIC_URL": public_url,
            "PODHEALTH_DATA": str(installation.folder),
        }
        if demo:
            more |= _DEMO | {name: os.environ[name] for name in _DEMO.keys() & os.environ.keys() - {_LOOPBACK}}
        _run(installation, more, public_url, demo)


def _run(installation: Installation, more: dict[str, str], public_url: str, demo: bool) -> None:
    # Imported here: --help and a refused start need none of the database's modules.
    from podhealth.cli.first_start import prepare

    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    has_own_redis = installation.has_own_redis  # asked now: the settings become this process's environment
    settings = installation.settings(**more)
    installation.keep_public_url(public_url)
    ready = prepare(installation, settings, demo)
    programs = programs_of(_PROCFILE) + ready.programs
    if has_own_redis:
        command = quoted(redis_command(installation.redis_socket, installation.folder))
        programs.insert(0, Program("redis", command, is_base=True))
    configuration = write_configuration(programs, installation.folder)
    supervision = Supervision(configuration, installation.environment(**more), _tell)
    try:
        if _wait_until_ready(f"http://{_in_url(settings.web_host)}:{settings.web_port}/healthz", stop, supervision):
            click.echo(f"PodHealth is ready: {public_url}{ready.sign_in_path}")
            if ready.operator_path:
                click.echo(f"Its operation, for a platform admin: {public_url}{ready.operator_path}")
        while not stop.wait(0.5):
            if not supervision.look_after():
                raise SetupError(f"the supervisor ends again and again; see {installation.folder / 'logs'}")
    finally:
        _tell("stopping")
        supervision.stop()


def _wait_until_ready(url: str, stop: threading.Event, supervision: Supervision) -> bool:
    deadline = clock.monotonic() + _READY_WITHIN_S
    while not stop.wait(0.1):
        try:
            with urllib.request.urlopen(url, timeout=2):  # noqa: S310 - our own http address
                return True
        except (urllib.error.URLError, OSError):
            if not supervision.is_running():
                raise SetupError("the supervisor ended before the dashboard answered") from None
            if clock.monotonic() > deadline:
                raise SetupError(f"the dashboard did not answer within {_READY_WITHIN_S} s; see its log") from None
    return False


def _require_free_port(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            option = "--port" if error.errno in (errno.EADDRINUSE, errno.EACCES) else "--host"
            raise SetupError(f"{option}: cannot listen on {host}:{port}: {error.strerror}; choose another") from None


def _in_url(host: str) -> str:
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
    return f"[{reachable}]" if ":" in reachable else reachable


def _tell(text: str) -> None:
    click.echo(f"podhealth: {text}", err=True)
