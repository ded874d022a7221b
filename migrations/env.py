"""Runs the revisions on a connection that ``podhealth.store.schema`` holds, locked, in one transaction.

Called by ``alembic`` or ``flask db`` directly, without such a connection, it points to the command that has one.
"""

from typing import Any

import sqlalchemy as sa
from alembic import context
from alembic.autogenerate.api import AutogenContext

from podhealth.models import db
from podhealth.models.base import UtcTime


def _render(kind: str, item: Any, _context: AutogenContext) -> str | bool:
    # A revision must not change its meaning with the models: moments are plain bigint there, and the two types that
    # differ between the databases are spelled out at its head (script.py.mako).
    if kind == "server_default" and isinstance(getattr(item, "arg", None), sa.sql.elements.False_):
        return "sa.false()"
    if kind != "type":
        return False
    if isinstance(item, UtcTime):
        return "sa.BigInteger()"
    if "postgresql" in item._variant_mapping:
        return "JSON"
    return "BIG_ID" if "sqlite" in item._variant_mapping else False


def _same_type(_context: Any, _inspected: Any, _column: Any, stored: sa.types.TypeEngine, ours: Any) -> bool | None:
    # Words are text to the database; that their CHECK names all of them is tested on its own.
    return False if isinstance(ours, sa.Enum) and isinstance(stored, sa.String) else None


def _include(item: Any, name: str | None, kind: str, is_reflected: bool, _other: Any) -> bool:
    # The days of the results table are made by store/partitions.py.
    return not (is_reflected and kind == "table" and (name or "").startswith("cloud_pod_health_results_p"))


connection = context.config.attributes.get("connection")
if connection is None:
    raise SystemExit("use 'podhealth migrate': it holds the lock under which revisions are safe")
context.configure(
    connection=connection,
    target_metadata=db.metadata,
    transactional_ddl=True,
    render_item=_render,
    compare_type=_same_type,
    include_object=_include,
    render_as_batch=connection.dialect.name == "sqlite",
)
with context.begin_transaction():
    context.run_migrations()
