"""Maintenance windows as their owners know them: made, changed, ended early, lengthened, deleted."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from podhealth.core.errors import Conflict, InputError, NotFound
from podhealth.core.words import Actor, FeedKind, Role
from podhealth.models import AuditEntry, FeedEntry, Node, Window
from podhealth.store import windows
from podhealth.store.db import db_now, read, write
from podhealth.store.tenancy import Scope
from tests.support import build
from tests.support.windowing import a_window

SOON = {"name": "kernel update", "reason": "new kernel", "zone": "UTC", "minutes": 60, "allPods": True}


@pytest.fixture
def scope(engine: sa.Engine) -> Scope:
    with write(engine) as conn:
        return Scope(build.a_tenant(conn), Role.OPERATOR, Actor.USER, "ann")


def test_a_window_is_stored_as_it_was_asked_for(engine, scope) -> None:
    with write(engine) as conn:
        row = windows.save_window(conn, scope, SOON | {"starts": "2026-11-24T02:00", "recurrence": "freq=daily"})

    assert (row.name, row.starts, row.recurrence, row.version) == ("kernel update", "2026-11-24T02:00", "FREQ=DAILY", 1)
    assert row.next_change_at is not None


def test_an_edit_counts_the_version_and_leaves_the_rest(engine, scope) -> None:
    with write(engine) as conn:
        row = a_window(conn, scope)
        changed = windows.save_window(conn, scope, {"minutes": 30}, row.id, row.version)

    assert (changed.version, changed.minutes, changed.reason) == (2, 30, row.reason)


def test_an_edit_that_changes_nothing_is_none(engine, scope) -> None:
    with write(engine) as conn:
        row = a_window(conn, scope)
        same = windows.save_window(conn, scope, {"minutes": row.minutes}, row.id, row.version)

    assert same.version == 1


def test_an_edit_of_an_old_version_is_a_conflict(engine, scope) -> None:
    with write(engine) as conn:
        row = a_window(conn, scope)
        windows.save_window(conn, scope, {"minutes": 30}, row.id, 1)
    with pytest.raises(Conflict, match="version 2 now"), write(engine) as conn:
        windows.save_window(conn, scope, {"minutes": 20}, row.id, 1)
    with pytest.raises(Conflict), write(engine) as conn:
        windows.delete_window(conn, scope, row.id, 1)


def test_another_tenants_window_is_not_found(engine, scope, zoe) -> None:
    with write(engine) as conn:
        row = a_window(conn, scope)
    for act in (
        lambda conn: windows.get_window(conn, zoe, row.id),
        lambda conn: windows.save_window(conn, zoe, {"minutes": 1}, row.id),
        lambda conn: windows.delete_window(conn, zoe, row.id),
        lambda conn: windows.end_now(conn, zoe, row.id),
        lambda conn: windows.extend(conn, zoe, row.id, 10),
    ):
        with pytest.raises(NotFound), write(engine) as conn:
            act(conn)
    with read(engine) as conn:
        assert windows.list_windows(conn, zoe) == []


def test_a_deleted_window_is_gone_and_its_name_is_free(engine, scope) -> None:
    with write(engine) as conn:
        row = a_window(conn, scope)
        windows.delete_window(conn, scope, row.id)
        again = a_window(conn, scope)
    with pytest.raises(NotFound), read(engine) as conn:
        windows.get_window(conn, scope, row.id)

    assert again.id != row.id


def test_a_name_is_taken_once_in_a_tenant(engine, scope, zoe) -> None:
    with write(engine) as conn:
        a_window(conn, scope)
        a_window(conn, zoe)
    with pytest.raises(InputError) as refused, write(engine) as conn:
        a_window(conn, scope)

    assert (refused.value.field, refused.value.code) == ("name", "taken")


@pytest.mark.parametrize("field", ["podIds", "nodeIds"])
def test_pods_and_nodes_of_others_cannot_be_named(engine, scope, zoe, field) -> None:
    with write(engine) as conn:
        theirs = {"podIds": build.a_pod(conn, zoe.tenant_id)}
        node = sa.insert(Node).values(tenant_id=zoe.tenant_id, name="n1", created_at=db_now(conn)).returning(Node.id)
        theirs["nodeIds"] = conn.execute(node).scalar_one()
    with pytest.raises(InputError) as refused, write(engine) as conn:
        a_window(conn, scope, **{field: [theirs[field]]})

    assert refused.value.field == field


def test_a_pod_that_was_chosen_and_deleted_hinders_no_edit(engine, scope) -> None:
    with write(engine) as conn:
        pod_id = build.a_pod(conn, scope.tenant_id)
        row = a_window(conn, scope, podIds=[pod_id], allPods=False)
        conn.execute(sa.text("UPDATE pods SET deleted_at = created_at WHERE id = :id"), {"id": pod_id})
        changed = windows.save_window(conn, scope, {"minutes": 30}, row.id, 1)

    assert changed.minutes == 30


def test_there_are_only_so_many_windows(engine, scope, monkeypatch) -> None:
    monkeypatch.setattr(windows, "MAX_WINDOWS", 1)
    with write(engine) as conn:
        a_window(conn, scope)
    with pytest.raises(InputError, match="1 windows already"), write(engine) as conn:
        a_window(conn, scope, name="another")


def test_ending_now_needs_one_under_way(engine, scope) -> None:
    with write(engine) as conn:
        row = a_window(conn, scope, begins_in=timedelta(hours=1))
    with pytest.raises(Conflict, match="not under way"), write(engine) as conn:
        windows.end_now(conn, scope, row.id)
    with pytest.raises(Conflict, match="not under way"), write(engine) as conn:
        windows.extend(conn, scope, row.id, 10)


def test_an_occurrence_that_was_ended_is_over_and_the_next_comes(engine, scope) -> None:
    with write(engine) as conn:
        row = windows.end_now(conn, scope, a_window(conn, scope, recurrence="FREQ=DAILY").id)
        now = db_now(conn)

    assert windows.now_open(row, now) is None
    assert windows.now_open(row, now + timedelta(hours=24)) is not None


def test_an_occurrence_that_was_lengthened_lasts_longer_this_once(engine, scope) -> None:
    with write(engine) as conn:
        row = a_window(conn, scope, recurrence="FREQ=DAILY")
        ends = windows.now_open(row, db_now(conn)).until
        row = windows.extend(conn, scope, row.id, 30)

    assert windows.now_open(row, ends + timedelta(minutes=29)).until == ends + timedelta(minutes=30)
    assert windows.now_open(row, ends + timedelta(minutes=30)) is None
    assert windows.now_open(row, ends + timedelta(hours=24, seconds=1)) is None


@pytest.mark.parametrize("minutes", [0, -1, 10_081, 10_080, "30", None, True])
def test_it_cannot_be_lengthened_for_ever(engine, scope, minutes) -> None:
    with write(engine) as conn:
        row = a_window(conn, scope)
    with pytest.raises(InputError) as refused, write(engine) as conn:
        windows.extend(conn, scope, row.id, minutes)

    assert refused.value.field == "minutes"


def test_a_window_that_is_switched_off_is_never_under_way(engine, scope) -> None:
    with write(engine) as conn:
        row = a_window(conn, scope, enabled=False)

        assert windows.now_open(row, db_now(conn)) is None


def test_the_pods_it_is_about_are_counted(engine, scope, zoe) -> None:
    with write(engine) as conn:
        some = (("a", ["web"]), ("b", ["web", "prod"]), ("c", []), ("d", []))
        ids = [build.a_pod(conn, scope.tenant_id, name, tags=tags) for name, tags in some]
        build.a_pod(conn, zoe.tenant_id, "z", tags=["web"])
        by_tag = {"allPods": False, "tags": ["web"]}
        rows = [
            a_window(conn, scope),
            a_window(conn, scope, name="by tag", **by_tag),
            a_window(conn, scope, name="by tag and chosen, one of them twice", **by_tag, podIds=[ids[0], ids[3]]),
            a_window(conn, scope, name="by both tags", allPods=False, tags=["web", "prod"]),
        ]

        assert windows.pods_meant(conn, scope, [windows.rules_of(row) for row in rows]) == [4, 2, 3, 1]


def test_all_that_people_do_is_audited_and_told_to_open_pages(engine, scope) -> None:
    with write(engine) as conn:
        row = a_window(conn, scope)
        windows.save_window(conn, scope, {"minutes": 90}, row.id)
        windows.extend(conn, scope, row.id, 10)
        windows.end_now(conn, scope, row.id)
        windows.delete_window(conn, scope, row.id)

    with read(engine) as conn:
        told = conn.execute(sa.select(AuditEntry.what).order_by(AuditEntry.seq)).scalars().all()
        changed = conn.execute(sa.select(AuditEntry.before, AuditEntry.after).where(AuditEntry.seq == 2)).one()
        fed = conn.execute(sa.select(FeedEntry.object_id).where(FeedEntry.kind == FeedKind.WINDOW)).scalars().all()
    assert told == ["window created", "window changed", "window extended", "window ended", "window deleted"]
    assert changed == ({"minutes": 60}, {"minutes": 90})
    assert set(fed) == {row.id}


def test_what_is_stored_of_one_that_is_over_is_not_taken_for_the_next(engine, scope) -> None:
    with write(engine) as conn:
        row = a_window(conn, scope, recurrence="FREQ=DAILY")
        now = db_now(conn)
        old = {"open_since": now - timedelta(hours=24), "open_until": now - timedelta(hours=23)}
        conn.execute(sa.update(Window).where(Window.id == row.id).values(**old))
        row = windows.get_window(conn, scope, row.id)

        assert windows.now_open(row, now).since > now - timedelta(minutes=2)
