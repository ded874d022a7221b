"""A source that was read: its row and the head of its page are pushed, and the plan is loaded anew."""

import sqlalchemy as sa

from podhealth import clock
from podhealth.core.guests import Answer, Guest
from podhealth.live import views
from podhealth.live.frames import Key
from podhealth.live.parts import ALL
from podhealth.store import feed, sources
from podhealth.store.db import read, write
from podhealth.store.tenancy import system_scope
from tests.support.build import a_tenant


def test_a_reading_renews_the_sources_row_and_page(sqlite_engine: sa.Engine) -> None:
    config = {"url": "https://10.0.0.2:2376"}
    with write(sqlite_engine) as conn:
        scope = system_scope(a_tenant(conn))
        row = sources.create_source(conn, scope, {"name": "<lab>", "kind": "docker", "config": config}, ("10.0.0.0/8",))
    with write(sqlite_engine) as conn:
        claimed = sources.claim(conn)
        assert claimed is not None
        sources.keep_answer(conn, claimed, Answer((Guest("web", "web", "web"),)))
        newest = sources.put_back(conn, claimed, None)[scope.tenant_id]
    with read(sqlite_engine) as conn:
        (told,) = feed.since(conn, scope.tenant_id, newest - 1)
        keys = [Key(name, each) for name in ("source", "source_row") for each in ALL[name].touched(told)]
        seen = views.render(conn, scope.tenant_id, keys, clock.utcnow())

    assert keys == [Key("source", row.id), Key("source_row", row.id)]
    pushed = str(seen)
    assert "Preview only" in pushed
    assert "&lt;lab&gt;" in pushed
    assert "source-plan" in pushed
