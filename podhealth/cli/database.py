"""An installation's database for the commands: opened, or one line that says why it cannot be.

Makes and migrates nothing.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from podhealth.cli.installation import Installation
from podhealth.core.errors import SetupError
from podhealth.core.words import Actor, Role
from podhealth.store import revision
from podhealth.store.damage import damage
from podhealth.store.db import make_engine
from podhealth.store.tenancy import Scope

# Who works at the command line: for the installation, not for a tenant. Its chain of the audit has this number.
OPERATOR = Scope(0, Role.PLATFORM, Actor.SYSTEM, "command line")
_NOT_REACHED = "DATABASE_URL: the database is not reached: {}"
_SPOILED = "DATABASE_URL: the SQLite file is damaged: {}; put a backup back with 'podhealth restore'"


@contextmanager
def database(installation: Installation) -> Iterator[sa.Engine]:
    """Open the installation's database for a block.

    Raises SetupError where it is not there, not reached or not migrated.
    """
    installation.require_database()
    engine = make_engine(installation.database_url)
    try:
        require_ready(engine)
        yield engine
    except sa.exc.OperationalError as error:
        raise SetupError(_NOT_REACHED.format(_first_line(error))) from None
    finally:
        engine.dispose()


def require_ready(engine: sa.Engine) -> None:
    """Raise SetupError unless the database is reached, whole, and has all tables of this program, or a later one's."""
    try:
        spoiled = damage(engine)
        if spoiled is not None:
            raise SetupError(_SPOILED.format(spoiled))
        is_behind = revision.is_behind(engine)
    except sa.exc.OperationalError as error:
        raise SetupError(_NOT_REACHED.format(_first_line(error))) from None
    if is_behind:
        raise SetupError("DATABASE_URL: the database is not migrated to this program's schema: run 'podhealth migrate'")


def _first_line(error: sa.exc.OperationalError) -> str:
    return str(error.orig).strip().splitlines()[0]
