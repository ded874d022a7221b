"""A PostgreSQL of its own as it is operated: with fsync, vacuum and all. For what is measured, and for what soaks."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.databases import Postgres

_OPTIONS = ("shared_buffers=256MB", "max_connections=120", "jit=off")


@contextmanager
def operated_postgres(database: str) -> Iterator[str]:
    """Start a server with one empty database; give its address, and end and remove all of it."""
    with tempfile.TemporaryDirectory(prefix="ph-operated-") as folder:
        Path(folder).chmod(0o711)
        server = Postgres(Path(folder), os.getpid(), _OPTIONS)
        server.ensure()
        try:
            yield server.create(database, "template1")
        finally:
            server.end()
