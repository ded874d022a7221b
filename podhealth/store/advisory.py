"""The advisory locks of PostgreSQL, all their numbers in one place: two that mean different things never meet.

Each is held until the transaction ends. SQLite has one writer at a time, and needs none of them.
"""

from enum import IntEnum
from zlib import crc32

import sqlalchemy as sa


class Each(IntEnum):
    """What is locked one by one: the first half of the lock's key, the other is of which."""

    BREAKER = 0x4252
    CHANNEL_NAMES = 0x4348  # of a tenant
    NODE_NAMES = 0x4E41  # of a tenant; 0: the platform's
    NODE_PLANS = 0x4E4F
    DECLARED = 0x4443  # of a tenant: one file at a time
    DEFAULT_POLICY = 0x504F  # of a tenant
    SOURCE_NAMES = 0x534F  # of a tenant
    TENANT_PLANS = 0x5445
    WINDOW_NAMES = 0x5749  # of a tenant


class Whole(IntEnum):
    """What there is once in a database."""

    RELAY = 0x5045
    PARTITIONS = 0x706F_6450_6172
    MIGRATION = 0x706F_644D_6967


def hold(conn: sa.Connection, what: Each, of: int | str) -> None:
    """Wait until nobody else holds the lock, and take it; two names may share one, which costs a wait."""
    if conn.dialect.name == "postgresql":
        number = crc32(of.encode()) if isinstance(of, str) else of
        conn.execute(sa.select(sa.func.pg_advisory_xact_lock(what.value, number % (1 << 31))))


def hold_whole(conn: sa.Connection, what: Whole) -> None:
    """Do as ``hold`` for what there is once."""
    if conn.dialect.name == "postgresql":
        conn.execute(sa.select(sa.func.pg_advisory_xact_lock(what.value)))
