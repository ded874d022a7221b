"""The feed's numbers: in the order of commits, without gap or repeat, each tenant's its own (hazards I14)."""

import sqlalchemy as sa

from podhealth.core.words import FeedKind
from podhealth.store import feed
from podhealth.store.db import read, write
from podhealth.store.feed import FeedNote
from tests.support import build


def note(tenant_id: int, number: int) -> FeedNote:
    return FeedNote(tenant_id, FeedKind.INVENTORY, None, number)


def test_numbers_follow_the_commits_without_a_gap_and_each_tenants_are_its_own(engine: sa.Engine) -> None:
    with write(engine) as conn:
        acme, zeta = build.a_tenant(conn, "acme"), build.a_tenant(conn, "zeta")
    with write(engine) as conn:
        first = feed.append(conn, [note(acme, 1), note(acme, 2), note(acme, 1)])  # the same change is one
    with engine.begin() as conn:
        feed.append(conn, [note(acme, 3), note(zeta, 3)])
        conn.rollback()
    with write(engine) as conn:
        second = feed.append(conn, [note(zeta, 4), note(acme, 4), note(zeta, 5), note(987_654, 6)])  # the last is gone
    with read(engine) as conn:
        told = {tenant: [(row.seq, row.object_id) for row in feed.since(conn, tenant, 0)] for tenant in (acme, zeta)}

        assert (first, second) == ({acme: 2}, {acme: 3, zeta: 2})
        assert told == {acme: [(1, 1), (2, 2), (3, 4)], zeta: [(1, 4), (2, 5)]}
        assert [row.seq for row in feed.since(conn, acme, 2)] == [3]
        assert feed.newest(conn, [acme, zeta]) == {acme: 3, zeta: 2}
