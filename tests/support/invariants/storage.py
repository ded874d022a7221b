"""I4, I10, I11, I14, I15: nothing lost or doubled, claims fenced, tenants closed, feed without gap, audit whole."""

from collections.abc import Iterator
from functools import cache

import sqlalchemy as sa

from podhealth.models import CheckState, FeedEntry, Result, Tenant, db
from podhealth.store import audit
from tests.support.invariants.ledgers import Ledgers

# Columns that point at a row of another table without a foreign key, because rows there go or come at other times.
_POINTERS = {
    "pod_id": "pods",
    "check_id": "cloud_pod_health_checks",
    "cause_check_id": "cloud_pod_health_checks",
    "trigger_check_id": "cloud_pod_health_checks",
    "policy_id": "cloud_pod_auto_heal_policies",
    "episode_id": "episodes",
    "decision_id": "decisions",
    "node_id": "nodes",
    "user_id": "users",
}


def acked_results_are_there(conn: sa.Connection, ledgers: Ledgers) -> Iterator[str]:
    """I4: what was said to be committed is there, and once."""
    stored = conn.execute(
        sa.select(Result.check_id, Result.claim_token, sa.func.count()).group_by("check_id", "claim_token")
    )
    counts = {(check_id, token): count for check_id, token, count in stored}
    for key in ledgers.acked:
        if tuple(key) not in counts:
            yield f"I4: result {key.claim_token} of check {key.check_id} was acknowledged and is lost"
    for (check_id, token), count in counts.items():
        if count > 1:
            yield f"I4: result {token} of check {check_id} is stored {count} times"


def claims_are_fenced(conn: sa.Connection, _ledgers: Ledgers) -> Iterator[str]:
    """I10: no result is from the future of its check's claims, and a claim has both a worker and a moment."""
    s = CheckState
    newest = (
        sa.select(Result.check_id, sa.func.max(Result.claim_token).label("token")).group_by(Result.check_id).subquery()
    )
    ahead = sa.select(s.check_id, newest.c.token).join(newest, newest.c.check_id == s.check_id)
    for row in conn.execute(ahead.where(newest.c.token > s.claim_token)):
        yield f"I10: check {row.check_id} has a result of claim {row.token}, which was never given out"
    half = sa.select(s.check_id).where(s.due_at.is_(None) != s.worker_id.is_(None))
    for check_id in conn.scalars(half):
        yield f"I10: check {check_id} is half claimed"


def tenants_are_closed(conn: sa.Connection, _ledgers: Ledgers) -> Iterator[str]:
    """I11: both ends of every reference have the same tenant; generated over all tables."""
    for table, column, target, count in conn.execute(_strangers()):
        if count:
            yield f"I11: {count} rows of {table} point by {column} at another tenant's {target}"


@cache
def _strangers() -> sa.CompoundSelect[tuple[str, str, str, int]]:
    # One statement for all tables, made once: it is asked after each step of long lives.
    asked = []
    for table in db.metadata.sorted_tables:
        for column, target in _references(table):
            other = target.alias()
            differ = sa.and_(other.c.tenant_id != table.c.tenant_id, other.c.tenant_id.is_not(None))
            named = (sa.literal_column(f"'{name}'") for name in (table.name, column.name, target.name))
            joined = table.join(other, other.c[_key_of(target)] == column)
            asked.append(sa.select(*named, sa.func.count()).select_from(joined).where(differ))
    return sa.union_all(*asked)


def _references(table: sa.Table) -> Iterator[tuple[sa.Column, sa.Table]]:
    if "tenant_id" not in table.c:
        return
    for column in table.c:
        targets = {key.column.table.name for key in column.foreign_keys if key.column.name != "tenant_id"}
        targets |= {_POINTERS[column.name]} if column.name in _POINTERS else set()
        for name in sorted(targets - {table.name}):
            if "tenant_id" in db.metadata.tables[name].c:
                yield column, db.metadata.tables[name]


def _key_of(target: sa.Table) -> str:
    return "id" if "id" in target.c else next(iter(target.primary_key.columns)).name


def feed_has_no_gap(conn: sa.Connection, _ledgers: Ledgers) -> Iterator[str]:
    """I14: the numbers of a tenant's feed follow on each other and end at the tenant's own."""
    f = FeedEntry
    spans = sa.select(f.tenant_id, sa.func.min(f.seq), sa.func.max(f.seq), sa.func.count()).group_by(f.tenant_id)
    newest = dict(conn.execute(sa.select(Tenant.id, Tenant.feed_seq)).all())
    for tenant_id, first, last, count in conn.execute(spans):
        if last - first + 1 != count:
            yield f"I14: the feed of tenant {tenant_id} has a gap: {count} rows from {first} to {last}"
        if newest.get(tenant_id) != last:
            yield f"I14: the feed of tenant {tenant_id} ends at {last}, the tenant says {newest.get(tenant_id)}"


def audit_verifies(conn: sa.Connection, _ledgers: Ledgers) -> Iterator[str]:
    """I15: every chain is whole."""
    for chain in audit.chains(conn):
        if (bad := audit.verify(conn, chain)) is not None:
            yield f"I15: audit chain {chain} is broken at {bad}"
