"""What the doctor's examinations work with: the addresses of an installation, also where its settings are wrong."""

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from podhealth.cli.installation import Installation, data_folder
from podhealth.core.errors import SetupError
from podhealth.settings import Settings, load_settings, require_database_url


@dataclass(frozen=True)
class Case:
    """One installation. ``settings`` null: they are wrong, and ``fault`` says how; ``secret_key`` empty: there is none.

    ``database_url`` null: there is no database yet, or its address is none.
    """

    folder: Path
    database_url: str | None
    redis_url: str
    has_own_redis: bool
    secret_key: str
    settings: Settings | None
    fault: str | None


def case_of(data: str | None) -> Case:
    """Return the case of the installation in this folder; nothing is made, and whatever is missing is no error."""
    installation = Installation(data_folder(data))
    key = _secret_key(installation.folder)
    has_own_redis, database_url = installation.has_own_redis, _database_url(installation)
    redis_url = _redis_url(installation)
    # Without a key the other settings are looked at all the same: with one that is thrown away.
    os.environ |= {"DATABASE_URL": installation.database_url, "REDIS_URL": redis_url}
    os.environ["SECRET_KEY"] = key or secrets.token_urlsafe(48)
    if url := installation.public_url:
        os.environ["PODHEALTH_PUBLIC_URL"] = url
    try:
        settings, fault = load_settings(), None
    except SetupError as error:
        settings, fault = None, str(error)
    return Case(installation.folder, database_url, redis_url, has_own_redis, key, settings, fault)


def _secret_key(folder: Path) -> str:
    path = folder / "secret_key"
    try:
        return os.environ.get("SECRET_KEY") or path.read_text().strip()
    except OSError:
        return ""


def _redis_url(installation: Installation) -> str:
    try:
        return installation.redis_url
    except OSError:  # where the socket lies is written into a folder that is not there
        return f"unix://{installation.folder / 'redis.sock'}"


def _database_url(installation: Installation) -> str | None:
    url = installation.database_url
    try:
        require_database_url(url)
    except SetupError:
        return None
    is_file = url.startswith("sqlite:///")
    return None if is_file and not Path(url.removeprefix("sqlite:///")).is_file() else url
