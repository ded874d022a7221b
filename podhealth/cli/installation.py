"""Where an installation on this machine keeps its things, and the settings that follow from it.

Environment variables win; what they leave open is found in (and first written to) the data folder.
Nothing here starts a process.
"""

import fcntl
import os
import secrets
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from podhealth.core.errors import SetupError
from podhealth.settings import Settings, load_settings, require_database_url

_NO_DATABASE = (
    "--data: there is no PodHealth in {}: start one with 'podhealth up', name its folder, or set DATABASE_URL"
)
_LONGEST_SOCKET_PATH = 100  # the kernel takes 107 bytes; redis adds a suffix while it starts


@dataclass(frozen=True)
class Installation:
    """One data folder and the addresses of its parts."""

    folder: Path

    @property
    def database_url(self) -> str:
        """The database: ``DATABASE_URL``, else a SQLite file in the folder."""
        return os.environ.get("DATABASE_URL") or f"sqlite:///{self.folder / 'podhealth.db'}"

    def require_database(self) -> None:
        """Raise SetupError where this folder should hold the database and holds none, so that none is made here."""
        if not os.environ.get("DATABASE_URL") and not (self.folder / "podhealth.db").is_file():
            raise SetupError(_NO_DATABASE.format(self.folder))
        require_database_url(self.database_url)

    @property
    def redis_socket(self) -> Path:
        """The unix socket of the private redis-server; a short path elsewhere where the folder's is too long."""
        path = self.folder / "redis.sock"
        if len(str(path).encode()) <= _LONGEST_SOCKET_PATH:
            return path
        pointer = self.folder / "redis.place"
        if not pointer.exists() or not Path(pointer.read_text()).is_dir():
            pointer.write_text(tempfile.mkdtemp(prefix="podhealth-"))
        return Path(pointer.read_text()) / "redis.sock"

    @property
    def demo_folder(self) -> Path:
        """Where the demo's host keeps its spec, its socket and the pods' logs."""
        return self.folder / "demo"

    @property
    def has_own_redis(self) -> bool:
        """Whether ``up`` runs a private redis-server for this folder."""
        return not os.environ.get("REDIS_URL")

    @property
    def redis_url(self) -> str:
        """Redis: ``REDIS_URL``, else the private server's socket."""
        return os.environ.get("REDIS_URL") or f"unix://{self.redis_socket}"

    @property
    def secret_key(self) -> str:
        """The key that signs sessions and jobs: ``SECRET_KEY``, else one made once and kept in the folder (0600)."""
        if key := os.environ.get("SECRET_KEY"):
            return key
        path = self.folder / "secret_key"
        if not self.folder.is_dir():
            return ""
        if not path.exists():
            fresh = path.with_suffix(".new")
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(secrets.token_urlsafe(48))
            fresh.replace(path)
        return path.read_text().strip()

    @property
    def public_url(self) -> str | None:
        """Where people reach the dashboard: ``PODHEALTH_PUBLIC_URL``, else what ``up`` last said."""
        if url := os.environ.get("PODHEALTH_PUBLIC_URL"):
            return url
        path = self.folder / "public_url"
        return path.read_text().strip() if path.exists() else None

    def keep_public_url(self, url: str) -> None:
        """Remember where people reach the dashboard, for the commands that print a link."""
        (self.folder / "public_url").write_text(url)

    def environment(self, **more: str) -> dict[str, str]:
        """Return the environment for our processes: this one's, completed, with our own programs first on PATH."""
        programs = str(Path(sys.executable).parent)
        return {
            **os.environ,
            "DATABASE_URL": self.database_url,
            "REDIS_URL": self.redis_url,
            "SECRET_KEY": self.secret_key,
            "PATH": programs + os.pathsep + os.environ.get("PATH", os.defpath),
            **({"PODHEALTH_PUBLIC_URL": url} if (url := self.public_url) else {}),
            **more,
        }

    def settings(self, **more: str) -> Settings:
        """Return the settings of this installation, which become this process's environment.

        Raises SetupError naming a bad variable.
        """
        os.environ.update(self.environment(**more))
        return load_settings()


def data_folder(folder: str | None) -> Path:
    """Return the folder of the data, there or not: as named, else ``PODHEALTH_DATA``, else ``podhealth-data`` here."""
    return Path(folder or os.environ.get("PODHEALTH_DATA") or "podhealth-data").resolve()


def open_installation(folder: str | None, create: bool = False) -> Installation:
    """Return the installation in ``folder`` (``PODHEALTH_DATA``, else ``podhealth-data`` here).

    Raises SetupError where there is none and ``create`` is not asked, or the folder cannot be made.
    """
    path = data_folder(folder)
    if create:
        named_by = "PODHEALTH_DATA" if not folder and os.environ.get("PODHEALTH_DATA") else "--data"
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise SetupError(f"{named_by}: cannot make the folder {path}: {error.strerror}") from None
        if not os.access(path, os.W_OK):
            raise SetupError(f"{named_by}: the folder {path} cannot be written to")
    elif not path.is_dir() and not os.environ.get("DATABASE_URL"):
        raise SetupError(_NO_DATABASE.format(path))
    return Installation(path)


@contextmanager
def sole_use(folder: Path) -> Iterator[None]:
    """Keep every other 'podhealth up' out of a data folder for a block. Raises SetupError where one runs there."""
    try:
        lock = (folder / "up.lock").open("w")
    except OSError as error:
        raise SetupError(f"--data: the folder {folder} cannot be written to: {error.strerror}") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise SetupError(f"--data: {folder} is in use by another 'podhealth up'") from None
        yield


data_option = click.option(
    "--data",
    metavar="DIR",
    default=None,
    help="Data folder (else PODHEALTH_DATA, else ./podhealth-data).",
)
