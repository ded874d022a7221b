"""The declarative base and the column types all tables share; knows no table."""

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import orm
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

BigId = sa.BigInteger().with_variant(sa.Integer, "sqlite")
Json = sa.JSON().with_variant(JSONB, "postgresql")


def to_us(moment: datetime) -> int:
    """Return whole microseconds since 1970 in UTC: how every moment is stored (docs/adr/0002)."""
    return (moment - EPOCH) // MICROSECOND


def from_us(microseconds: int) -> datetime:
    """Return the aware UTC moment that ``to_us`` would store as ``microseconds``."""
    return EPOCH + timedelta(microseconds=microseconds)


class UtcTime(sa.types.TypeDecorator[datetime]):
    """An aware UTC moment, stored as whole microseconds since 1970 on both databases alike."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> int | None:
        """Refuse a naive time: it would be stored as a guess."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without zone cannot be stored")
        return to_us(value)

    def process_result_value(self, value: int | None, dialect: sa.Dialect) -> datetime | None:
        """Return the moment, aware, in UTC."""
        return None if value is None else from_us(value)


def word(enum: type[StrEnum], name: str | None = None) -> sa.Enum:
    """Return a text column type that stores only the words of ``enum`` (with a CHECK constraint)."""
    return sa.Enum(
        enum,
        name=name or enum.__name__.lower(),
        native_enum=False,
        create_constraint=True,
        length=24,
        values_callable=lambda members: [m.value for m in members],
    )


_METADATA = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)
_TYPES: dict[Any, Any] = {datetime: UtcTime, dict[str, Any]: Json, list[Any]: Json, int: sa.BigInteger}


class _Declarative(DeclarativeBase):
    # A registry of our own: Flask-SQLAlchemy builds its base from this class and cannot copy a type map.
    registry = orm.registry(metadata=_METADATA, type_annotation_map=_TYPES)


db = SQLAlchemy(model_class=_Declarative)

if TYPE_CHECKING:
    Base = _Declarative
else:
    Base = db.Model


def big_id() -> Mapped[int]:
    """Return the primary key of most tables: a bigint given by the database."""
    return mapped_column(BigId, primary_key=True, autoincrement=True)


# For tables whose ids stand in what outlives their rows (history, audit, links): PostgreSQL gives an id once anyway,
# SQLite would give that of the newest row again when the row is gone.
NEVER_AGAIN = {"sqlite_autoincrement": True}


def only_where(condition: str) -> dict[str, Any]:
    """Return what makes an index one of those rows only for which the condition holds, on both databases."""
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}


def owned_by_pod() -> sa.ForeignKeyConstraint:
    """Return a foreign key that also holds both ends to one tenant (seed-faults D80)."""
    return sa.ForeignKeyConstraint(["tenant_id", "pod_id"], ["pods.tenant_id", "pods.id"])
