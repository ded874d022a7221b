"""A source that fails for long is told once, and once that it answers again; one that is off tells nothing."""

import pytest
import sqlalchemy as sa

from podhealth.core.words import NoticeKind
from podhealth.models import Notice
from podhealth.store import sources, syncview
from podhealth.store.db import read, write
from podhealth.store.tenancy import Scope, get_pod
from tests.healing.sync.syncing import NETWORKS, later, notices, pods, source, synced
from tests.support.pve import Running

TEN_MINUTES = 600


@pytest.fixture
def engine(sqlite_engine: sa.Engine) -> sa.Engine:
    return sqlite_engine


def tries(engine: sa.Engine, source_id: int, number: int, apart: int = TEN_MINUTES) -> None:
    for _ in range(number):
        synced(engine, source_id)
        later(apart)


def set_on(engine: sa.Engine, scope: Scope, source_id: int, is_on: bool) -> None:
    with write(engine) as conn:
        sources.update_source(conn, scope, source_id, {"enabled": is_on}, NETWORKS)


def said_on_pods_page(engine: sa.Engine, scope: Scope) -> str | None:
    with read(engine) as conn:
        found = syncview.pod_source(conn, get_pod(conn, scope, pods(engine)["web"].id))
    assert found is not None
    return found.error


def test_half_an_hour_without_a_good_answer_is_told_once_and_so_is_its_end(
    engine: sa.Engine, scope: Scope, lab: int, far: Running
) -> None:
    good, far.pve.raw = far.pve.raw, b'{"data":[]}'
    tries(engine, lab, 3)
    early = notices(engine), said_on_pods_page(engine, scope)
    tries(engine, lab, 1)
    told_at = source(engine).told_at
    tries(engine, lab, 2)
    told = notices(engine)
    is_told_at, on_page = source(engine).told_at, said_on_pods_page(engine, scope)
    far.pve.raw = good
    tries(engine, lab, 2)
    with read(engine) as conn:
        query = sa.select(Notice.kind, Notice.severity, Notice.pod_id, Notice.incident_id).order_by(Notice.id)
        kinds = [tuple(row) for row in conn.execute(query)]

    assert early == ([], None)
    assert told_at is not None
    assert (len(told), is_told_at) == (1, told_at)
    assert told[0].startswith("Source lab could not be read for 30 min: ")
    assert "no guest at all" in told[0]
    assert "no guest at all" in (on_page or "")
    assert notices(engine)[1:] == ["Source lab is read again, 1 h after it began to fail."]
    assert kinds == [
        (NoticeKind.SOURCE_FAILING, "warning", None, None),
        (NoticeKind.SOURCE_BACK, "warning", None, None),
    ]
    assert said_on_pods_page(engine, scope) is None


def test_another_trouble_is_told_anew_and_two_tries_are_too_few(engine: sa.Engine, lab: int, far: Running) -> None:
    good, bad = far.pve.raw, b'{"data":[]}'
    far.pve.raw = bad
    tries(engine, lab, 2, apart=86_400)
    few = notices(engine)
    tries(engine, lab, 1)
    far.pve.raw = good
    tries(engine, lab, 1)
    far.pve.raw = bad
    tries(engine, lab, 4)

    assert few == []
    assert [text.partition(":")[0].partition(",")[0] for text in notices(engine)] == [
        "Source lab could not be read for 2 d",
        "Source lab is read again",
        "Source lab could not be read for 30 min",
    ]


def test_a_source_that_is_off_tells_nothing_and_starts_afresh_when_it_is_on_again(
    engine: sa.Engine, scope: Scope, lab: int, far: Running
) -> None:
    good, far.pve.raw = far.pve.raw, b'{"data":[]}'
    set_on(engine, scope, lab, False)
    tries(engine, lab, 5)
    off = notices(engine)
    set_on(engine, scope, lab, True)
    tries(engine, lab, 3)
    early = notices(engine)
    tries(engine, lab, 1)
    told = len(notices(engine))
    set_on(engine, scope, lab, False)
    far.pve.raw = good
    tries(engine, lab, 1)

    assert (off, early, told, len(notices(engine))) == ([], [], 1, 1)
    assert source(engine).told_at is None
