"""Maintenance windows as the hub sends them: rows, and which are under way (behaviour §11, Live)."""

import json
from datetime import timedelta

import pytest
import sqlalchemy as sa

from podhealth.core.words import FeedKind
from podhealth.live import views
from podhealth.live.views import Key, Rendered
from podhealth.store import feed, windows, windowturns
from podhealth.store.db import db_now, read, write
from podhealth.store.tenancy import Scope, system_scope
from tests.support import build
from tests.support.windowing import a_window


@pytest.fixture
def scope(engine: sa.Engine) -> Scope:
    with write(engine) as conn:
        return system_scope(build.a_tenant(conn))


def rendered(engine: sa.Engine, tenant_id: int, *keys: Key) -> Rendered:
    with read(engine) as conn:
        return views.render(conn, tenant_id, set(keys), db_now(conn))


def html(found: Rendered, key: Key) -> str:
    (piece,) = found.elements[key]
    return str(json.loads(piece))


def test_a_change_of_a_window_touches_its_row_and_what_is_under_way(engine, scope) -> None:
    with write(engine) as conn:
        window_id = a_window(conn, scope).id
    with read(engine) as conn:
        rows = feed.since(conn, scope.tenant_id, 0)
    row, now = Key("window_row", window_id), Key("windows_now", 0)

    assert [one.kind for one in rows] == [FeedKind.WINDOW]
    assert {row, now} <= views.touched(rows, {row, now, Key("window_row", window_id + 1)}).keys
    assert Key("window_row", window_id + 1) not in views.touched(rows, {Key("window_row", window_id + 1)}).keys


def test_a_window_that_begins_and_ends_is_told_so(engine, scope) -> None:
    with write(engine) as conn:
        window_id = a_window(conn, scope, name="<b>update").id
        later = a_window(conn, scope, timedelta(hours=5), name="later").id
    windowturns.due(engine)
    row, now = Key("window_row", window_id), Key("windows_now", 0)
    open_ = rendered(engine, scope.tenant_id, row, now)
    with write(engine) as conn:
        windows.end_now(conn, scope, window_id)
    ended = rendered(engine, scope.tenant_id, row, now)

    assert 'data-state="open"' in html(open_, row)
    assert "&lt;b&gt;update</a> until" in html(open_, now)
    assert f'data-newest="{later}"' in html(open_, now)
    assert 'data-state="over"' in html(ended, row)
    assert "No window is under way" in html(ended, now)


def test_a_deleted_window_goes_and_another_tenants_is_not_a_word(engine, scope) -> None:
    with write(engine) as conn:
        window_id = a_window(conn, scope).id
        zeta = build.a_tenant(conn, "zeta")
    key = Key("window_row", window_id)
    strangers = rendered(engine, zeta, key)
    with write(engine) as conn:
        windows.delete_window(conn, scope, window_id)

    assert (strangers.elements, strangers.gone) == ({}, {})
    assert rendered(engine, scope.tenant_id, key).gone == {key: (f"window-row-{window_id}",)}
    assert rendered(engine, zeta, key).gone == {}
