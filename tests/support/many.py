"""Thousands of all that a tenant owns: each live row of it copied, so that a list added later is long as well.

The n-th copies belong together: the n-th pod has the n-th check, episode, heal and incident.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import sqlalchemy as sa

from podhealth.models import Pod, db
from podhealth.store.db import write

STRIDE = 1_000  # from an id to that of its next copy: more than the first of a kind ever have
_AT_ONCE = 1_000
# What a tenant has few of, because the product holds it to a number, or one of.
FEW = frozenset(
    {
        "cloud_pod_auto_heal_policies",
        "channels",
        "routes",
        "invitations",
        "policy_drafts",
        "saved_views",
        "status_pages",
        "status_page_pods",
        "submissions",
        "feed",
        "audit_heads",
    }
)
_OF_CHECKS = frozenset({"cloud_pod_health_checks", "check_states"})
_TABLES = db.metadata.sorted_tables
_PARENTS = {"cause_check_id": "cloud_pod_health_checks", "trigger_check_id": "cloud_pod_health_checks"}
_PARENTS |= {"check_id": "cloud_pod_health_checks", "heal_id": "cloud_pod_auto_heal_events"}


def multiply(engine: sa.Engine, tenant_id: int, times: int) -> None:
    """Make of each kind of row that the tenant owns ``times`` as many as there are live ones."""
    owners = {table: table.c.get("chain" if table.name == "audit_entries" else "tenant_id") for table in _TABLES}
    names = {table.name for table, owner in owners.items() if owner is not None} - FEW
    for table, owner in owners.items():
        if table.name not in names:
            continue
        with write(engine) as conn:
            live = sa.select(table).where(owner == tenant_id)
            live = live.where(table.c.deleted_at.is_(None)) if "deleted_at" in table.c else live
            gone = sa.select(Pod.id).where(Pod.deleted_at.is_not(None))
            live = live.where(table.c.pod_id.not_in(gone) | table.c.pod_id.is_(None)) if "pod_id" in table.c else live
            rows = conn.execute(live).mappings().all()
            rows = rows if table.name in _OF_CHECKS else rows[-1:]
            copies = [copy for row in rows for copy in _copies(table, row, times, names)]
            for first in range(0, len(copies), _AT_ONCE):
                conn.execute(sa.insert(table), copies[first : first + _AT_ONCE])


def _copies(table: sa.Table, row: Mapping[Any, Any], times: int, names: set[str]) -> Iterator[dict[str, Any]]:
    values, unique = {column.name: row[column] for column in table.c}, _unique(table)
    known = [column for column in table.c if row[column] is not None]
    numbers = [c.name for c in known if _is_number(c, unique) or (c.name.endswith("_id") and _parent(c) in names)]
    texts = [c.name for c in known if c.name in unique and c.name not in numbers and isinstance(row[c], str)]
    for n in range(1, times):
        shifted = {name: values[name] + n * STRIDE for name in numbers}
        yield values | shifted | {name: f"{values[name][:40]}-{n}" for name in texts}


def _is_number(column: sa.Column[Any], unique: set[str]) -> bool:
    return column.name in ("id", "seq", "version") and column.name in unique


def _parent(column: sa.Column[Any]) -> str:
    """The table that a column with an id names a row of."""
    for key in column.foreign_keys:
        if key.column.name == "id":
            return key.column.table.name
    return _PARENTS.get(column.name, f"{column.name.removesuffix('_id')}s")


def _unique(table: sa.Table) -> set[str]:
    """The columns that two rows may not have alike."""
    found = set(table.primary_key.columns.keys())
    for constraint in table.constraints:
        if isinstance(constraint, sa.UniqueConstraint):
            found.update(constraint.columns.keys())
    for index in table.indexes:
        if index.unique:
            found.update(column.name for column in index.columns if isinstance(column, sa.Column))
    return found
