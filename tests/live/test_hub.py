"""From a tenant's feed to its sockets: in order, without gap, once a tenant, and to nobody else."""

import time

import pytest
import sqlalchemy as sa

from podhealth import clock
from podhealth.core.words import FeedKind, Status
from podhealth.live import compose, views
from podhealth.live import hub as hubs
from podhealth.models import FeedEntry, Pod, PodStatus
from podhealth.store import feed
from podhealth.store.db import write
from podhealth.store.feed import FeedNote
from tests.live.conftest import a_place, opened, tell
from tests.support.wait import wait_for


@pytest.fixture
def quick_beats(monkeypatch):
    monkeypatch.setattr(hubs, "BEAT_EVERY_S", 0.05)
    monkeypatch.setattr(hubs, "ASK_EVERY_S", 0.25)


def turns(engine: sa.Engine, pod_id: int, status: Status) -> None:
    with write(engine) as conn:
        conn.execute(sa.update(PodStatus).where(PodStatus.pod_id == pod_id).values(status=status))


def test_a_change_reaches_those_who_show_the_pod(engine, place, hub, join):
    web, other = place.pods[:2]
    shows, shows_not = join(place, card=[web], counts=[0]), join(place, card=[other])
    shows.until_seq(0)
    shows_not.until_seq(0)

    turns(engine, web, Status.UNHEALTHY)
    seq = tell(engine, place.tenant_id, web)
    hub.on_heard({place.tenant_id: seq})

    shows.until_seq(seq)
    shows_not.until_seq(seq)
    assert set(shows.elements()) == {f"pod-card-{web}", "overview-counts", "nav-counts"}
    assert 'data-status="unhealthy"' in shows.elements()[f"pod-card-{web}"]
    assert set(shows_not.elements()) == {"nav-counts"}


@pytest.mark.fault("F27")
def test_a_change_that_nobody_published_comes_within_two_seconds(engine, place, hub, join):
    browser = join(place, card=list(place.pods))
    browser.until_seq(0)

    seq = tell(engine, place.tenant_id, place.pods[0])

    browser.until_seq(seq, within_s=2)


@pytest.mark.attack("A5")
def test_another_tenants_changes_never_arrive(engine, place, hub, join):
    theirs = a_place(engine, "zeta")
    browser = join(place, card=[*place.pods, *theirs.pods], row=list(theirs.pods), page=[theirs.pods[0]])
    witness = join(theirs, card=list(theirs.pods))
    browser.until_seq(0)
    witness.until_seq(0)

    for pod_id in theirs.pods:
        hub.on_heard({theirs.tenant_id: tell(engine, theirs.tenant_id, pod_id, kind=FeedKind.INVENTORY)})
    witness.until_seq(3)
    hub.on_heard({place.tenant_id: tell(engine, place.tenant_id, place.pods[0])})
    browser.until_seq(1)

    assert "zeta" not in str(browser.frames)
    assert not [frame for frame in browser.frames if frame.get("list") or frame["seq"] > 1]


@pytest.mark.attack("A5")
def test_a_strangers_pod_asked_for_by_id_is_not_shown(engine, place, hub, join):
    theirs = a_place(engine, "zeta")
    tell(engine, place.tenant_id, place.pods[0])
    with write(engine) as conn:  # as if a fault had told our tenant of their pod
        feed.append(conn, [FeedNote(place.tenant_id, FeedKind.POD, theirs.pods[0])])

    browser = join(place, card=list(theirs.pods), page=[theirs.pods[0]])

    browser.until_seq(2)
    assert "zeta" not in str(browser.frames)


def test_numbers_follow_each_other_without_a_gap(engine, place, hub, join):
    browser = join(place, card=list(place.pods))
    browser.until_seq(0)

    for number in range(30):
        hub.on_heard({place.tenant_id: tell(engine, place.tenant_id, place.pods[number % 3])})
    browser.until_seq(30, within_s=10)

    steps = [(frame["from"], frame["seq"]) for frame in browser.frames]
    assert all(later[0] <= earlier[1] <= later[1] for earlier, later in zip(steps, steps[1:], strict=False))


def test_many_changes_at_once_are_few_frames(engine, place, hub, join):
    browser = join(place, card=list(place.pods))
    browser.until_seq(0)
    begun = time.monotonic()

    for number in range(100):
        hub.on_heard({place.tenant_id: tell(engine, place.tenant_id, place.pods[number % 3])})
    browser.until_seq(100, within_s=10)

    renders = [frame for frame in browser.frames if "elements" in frame]
    assert len(renders) <= 2 + (time.monotonic() - begun) / hubs.RENDER_EVERY_S


def test_who_comes_back_gets_what_it_missed(engine, place, hub, join):
    gone = join(place, card=list(place.pods))
    gone.until_seq(0)
    gone.close()
    turns(engine, place.pods[1], Status.DEGRADED)
    seq = tell(engine, place.tenant_id, place.pods[1])

    back = join(place, seq=0, card=list(place.pods), counts=[0])

    frame = back.until_seq(seq)
    assert (frame["from"], frame["seq"]) == (0, seq)
    assert set(back.elements()) == {f"pod-card-{place.pods[1]}", "overview-counts", "nav-counts"}


def test_who_missed_nothing_gets_a_beat_only(engine, place, hub, join):
    seq = tell(engine, place.tenant_id, place.pods[0])

    browser = join(place, seq=seq, card=list(place.pods))

    assert browser.until_seq(seq).keys() == {"from", "seq", "now"}


@pytest.mark.fault("F27")
def test_a_gap_in_the_feed_means_load_anew(engine, place, hub, join):
    tell(engine, place.tenant_id, *place.pods)
    with write(engine) as conn:
        conn.execute(sa.delete(FeedEntry).where(FeedEntry.seq <= 2))

    browser = join(place, seq=1, card=list(place.pods))

    assert browser.until_seq(3)["reload"] is True


@pytest.mark.fault("F27")
def test_changes_that_were_removed_before_they_were_told_mean_load_anew(engine, place, hub, join):
    browser = join(place, card=list(place.pods))
    browser.until_seq(0)
    with write(engine) as conn:
        seq = feed.append(conn, [FeedNote(place.tenant_id, FeedKind.POD, pod_id) for pod_id in place.pods])
        conn.execute(sa.delete(FeedEntry))
    hub.on_heard(seq)

    assert browser.until_seq(3)["reload"] is True


def test_a_page_from_the_future_must_load_anew(engine, place, hub, join):
    tell(engine, place.tenant_id, *place.pods)

    browser = join(place, seq=900, card=list(place.pods))

    assert browser.until(lambda b: b.frames)[0]["reload"] is True


@pytest.mark.slow
def test_more_than_200_things_at_once_are_not_sent_one_by_one(sqlite_engine, request):
    engine = sqlite_engine
    hub = hubs.Hub(engine, 10, 10)
    hub.start()
    request.addfinalizer(hub.stop)
    place = a_place(engine, pods=201)
    many, few = (opened(hub, place, card=list(pods)) for pods in (place.pods, place.pods[200:]))
    for browser in (many, few):
        browser.until_seq(0)

    seq = tell(engine, place.tenant_id, *place.pods)

    assert many.until_seq(seq)["reload"] is True
    assert set(many.elements()) == {"nav-counts"}
    assert "reload" not in few.until_seq(seq)
    assert set(few.elements()) == {"nav-counts", f"pod-card-{place.pods[200]}"}


def test_a_long_row_of_changes_is_told_in_turns_not_loaded_anew(engine, place, hub, join, monkeypatch):
    monkeypatch.setattr(compose, "MAX_ROWS", 2)
    browser = join(place, card=list(place.pods))
    browser.until_seq(0)

    seq = tell(engine, place.tenant_id, *place.pods, *place.pods[:1], None)

    browser.until_seq(seq)
    assert not [frame for frame in browser.frames if "reload" in frame]
    assert {f"pod-card-{pod_id}" for pod_id in place.pods} <= set(browser.elements())


@pytest.mark.slow
def test_nothing_is_called_true_while_a_change_cannot_be_shown(quick_beats, engine, place, hub, join, monkeypatch):
    browser = join(place, card=list(place.pods))
    browser.until(lambda b: len(b.frames) >= 2, within_s=6)
    failed: list[int] = []

    def fails(*_args):
        browser.read(0.001)
        failed.append(len(browser.frames))
        raise ValueError("a fault of ours")

    with monkeypatch.context() as while_broken:
        while_broken.setattr(views, "render", fails)
        tell(engine, place.tenant_id, place.pods[0])
        wait_for(lambda: len(failed) >= 2, what="tried again")

    assert failed[1] - failed[0] <= 1, "beats went on"
    browser.until_seq(1, within_s=6)


def test_a_pod_that_is_no_more_is_taken_from_the_screen(engine, place, hub, join):
    browser = join(place, card=list(place.pods), row=[place.pods[2]])
    browser.until_seq(0)
    with write(engine) as conn:
        conn.execute(sa.update(Pod).where(Pod.id == place.pods[2]).values(deleted_at=clock.utcnow()))

    seq = tell(engine, place.tenant_id, place.pods[2], kind=FeedKind.INVENTORY)
    hub.on_heard({place.tenant_id: seq})

    frame = browser.until_seq(seq)
    assert sorted(frame["gone"]) == [f"pod-card-{place.pods[2]}", f"pod-row-{place.pods[2]}"]
    assert frame["list"] is True


def test_news_comes_to_all_of_the_tenant_but_not_to_who_was_away(engine, place, hub, join):
    here = join(place, card=[])
    here.until_seq(0)

    with write(engine) as conn:
        note = {"text": "web-1 is unhealthy", "tone": "unhealthy"}
        hub.on_heard(feed.append(conn, [FeedNote(place.tenant_id, FeedKind.POD, place.pods[0], None, note)]))
    here.until_seq(1)
    back = join(place, seq=0, card=[])

    assert here.frames[-1]["toasts"] == [{"text": "web-1 is unhealthy", "tone": "unhealthy", "pod": place.pods[0]}]
    assert "toasts" not in back.until_seq(1)


@pytest.mark.slow
def test_a_beat_says_how_far_the_feed_is(quick_beats, place, hub, join):
    browser = join(place, card=[])

    browser.until(lambda b: len(b.frames) >= 4, within_s=6)

    assert {frame["seq"] for frame in browser.frames} == {0}
    assert all(frame["now"] > 1_700_000_000_000 for frame in browser.frames)


@pytest.mark.slow
def test_nothing_is_called_true_while_the_database_does_not_answer(quick_beats, engine, place, hub, join, monkeypatch):
    browser = join(place, card=[])
    browser.until(lambda b: len(b.frames) >= 2, within_s=6)

    asked: list[int] = []

    def away(*_args):
        browser.read(0.001)
        asked.append(len(browser.frames))
        raise sa.exc.OperationalError("SELECT", {}, OSError("away"))

    with monkeypatch.context() as while_away:
        while_away.setattr(feed, "newest", away)
        wait_for(lambda: len(asked) >= 3, what="the database asked in vain")

    assert asked[2] - asked[1] <= 1, "beats went on"
    browser.until(lambda b: len(b.frames) > asked[2], within_s=6)


@pytest.mark.slow
def test_one_tenant_that_cannot_be_rendered_does_not_hold_up_others(engine, place, hub, join, monkeypatch):
    zeta = a_place(engine, "zeta")
    broken, fine = join(place, card=list(place.pods)), join(zeta, card=list(zeta.pods))
    broken.until_seq(0)
    fine.until_seq(0)
    real = views.render

    def render(conn, tenant_id, keys, now):
        if tenant_id == place.tenant_id:
            raise ZeroDivisionError
        return real(conn, tenant_id, keys, now)

    monkeypatch.setattr(views, "render", render)
    ours, theirs = tell(engine, place.tenant_id, place.pods[0]), tell(engine, zeta.tenant_id, zeta.pods[0])
    hub.on_heard({place.tenant_id: ours, zeta.tenant_id: theirs})

    fine.until_seq(theirs)
    monkeypatch.undo()
    assert f"pod-card-{place.pods[0]}" in broken.until(lambda b: b.elements())


def test_two_hubs_tell_the_same(engine, place, hub, join, request):
    second = hubs.Hub(engine, 10, 10)
    second.start()
    request.addfinalizer(second.stop)
    there, here = opened(second, place, card=list(place.pods)), join(place, card=list(place.pods))
    here.until_seq(0)
    there.until_seq(0)
    turns(engine, place.pods[0], Status.UNHEALTHY)

    seq = tell(engine, place.tenant_id, place.pods[0])
    hub.on_heard({place.tenant_id: seq})
    second.on_heard({place.tenant_id: seq})

    here.until_seq(seq)
    there.until_seq(seq)
    assert here.elements() == there.elements()
